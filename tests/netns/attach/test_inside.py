"""`attach` looks into the pods' namespaces: who listens for which family, who has an address of which."""

import json
import sys
from contextlib import contextmanager
from subprocess import PIPE, Popen

import pytest

from tests.netns.attach.conftest import NODE, OUTSIDE, inside, ip
from tests.netns.attach.test_attach import attached, connect
from tests.netns.attach.test_judging import followed, told

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping")

SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 8080), family=family):
    print("listens", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def files(tmp_path):
    def write(*ranges):
        folder = tmp_path / "etc/cni/net.d"
        folder.mkdir(parents=True, exist_ok=True)
        ipam = {"type": "host-local", "ranges": [[{"subnet": one}] for one in ranges]}
        plugin = {"type": "ptp", "ipam": ipam}
        listed = {"cniVersion": "1.0.0", "name": "podnet", "plugins": [plugin]}
        (folder / "10-net.conflist").write_text(json.dumps(listed))
        return "--node-root", str(tmp_path)

    return write


@contextmanager
def listening(namespace, address):
    command = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", SERVER, address]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "listens\n"
            yield child
        finally:
            child.stdin.close()
            child.wait(10)


@pytest.mark.parametrize(
    ("address", "state"), [("0.0.0.0", "broken"), ("::", "holds")]
)  # fmt: skip
def test_a_server_for_ipv4_only_is_found_with_its_process(node, files, address, state):
    with listening(node.pod, address) as child:
        answers, _ = told(followed(node, *files("2001:db8:d::/64")))

    answer = answers["listeners"]
    assert (answer["state"], answer["looked_at"]) == (state, 1)
    if state == "broken":
        (finding,) = answer["findings"]
        assert finding["subject"] == node.pod
        assert "port 8080" in finding["cause"]
        assert f"({child.pid})" in finding["seen"]


def test_the_nodes_own_servers_are_judged(node, files):
    with listening(node.name, "0.0.0.0"):
        answers, _ = told(followed(node, *files("2001:db8:d::/64")))

    (finding,) = answers["listeners"]["findings"]
    assert finding["subject"] == "node"
    assert NODE in finding["expected"]


def test_pods_with_one_family_are_listed(node, files):
    both = files("2001:db8:d::/64", "10.9.0.0/24")
    answers, _ = told(followed(node, *both))
    (finding,) = answers["pod-families"]["findings"]
    assert (answers["pod-families"]["state"], finding["subject"]) == ("broken", node.pod)
    assert "no IPv4 address" in finding["cause"]
    assert "10-net.conflist" in finding["expected"]

    ip("-n", node.pod, "address", "add", "10.9.0.2/24", "dev", "eth0")
    answers, _ = told(followed(node, *both))
    assert answers["pod-families"]["state"] == "holds"


@pytest.mark.parametrize("port", [4789, 80])
def test_a_tunnel_to_another_node_is_found_at_the_uplink(node, files, port):
    """The packet is VXLAN's by its port and its two ends; what is in it, nobody reads."""
    program = (
        "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        f"s.sendto(bytes(60), ({OUTSIDE!r}, {port}))"
    )
    with attached(node, *files("2001:db8:d::/64")) as lines:
        connect(node, OUTSIDE)
        inside(node.name, sys.executable, "-c", program)
        lines.until(
            lambda line: (
                line["kind"] == "flow" and line["source"] == NODE and line["protocol"] == 17
            )
        )
    answers, values = told(lines)

    assert values["node_ranges"]["value"] == ["2001:db8:e::/64"]
    assert answers["overlay"]["state"] == ("broken" if port == 4789 else "holds")
    if port == 4789:
        assert "VXLAN" in answers["overlay"]["findings"][0]["cause"]
