"""What `attach` tells of packets that the kernel gave up: whose, why, where, and which they were."""

import sys

import pytest

from tests.netns.attach.conftest import OUTSIDE, inside
from tests.netns.attach.test_attach import attached

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf", "tcx", "cgroup2", "nft", "ping")

FORWARD = """
table ip6 forbidding { chain forward { type filter hook forward priority 0; udp dport 53 drop; }; }
"""


def send(namespace: str, address: str, port: int) -> None:
    program = (
        "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        f"s.sendto(b'x', ({address!r}, {port}))"
    )
    inside(namespace, sys.executable, "-c", program)


@pytest.mark.parametrize("mode", ["tc", "zero-touch"])
def test_drops_of_a_pods_packets_are_told_with_reason_place_and_tuple(node, mode):
    assert inside(node.name, "nft", "-f", "-", input=FORWARD).returncode == 0
    with attached(node, "--mode", mode) as lines:
        send(node.outside, "2001:db8:d::2", 7)  # in the pod, where nobody listens
        unheard = lines.until(lambda line: line["kind"] == "drop" and line["destination_port"] == 7)
        send(node.pod, OUTSIDE, 53)  # on the node, by a rule
        refused = lines.until(
            lambda line: line["kind"] == "drop" and line["destination_port"] == 53
        )

    assert (unheard["owner"], unheard["reason"]) == (node.pod, "NO_SOCKET")
    assert unheard["place"] == "__udp6_lib_rcv"
    assert (unheard["source"], unheard["destination"]) == (OUTSIDE, "2001:db8:d::2")
    assert (refused["owner"], refused["interface"]) == (node.pod, node.pod_interface)
    assert (refused["reason"], refused["source"]) == ("NETFILTER_DROP", "2001:db8:d::2")
    totals = [line for line in lines.rest() if line["kind"] == "drops"]
    assert {(line["owner"], line["reason"], line["packets"]) for line in totals} >= {
        (node.pod, "NO_SOCKET", 1),
        (node.pod, "NETFILTER_DROP", 1),
    }
    (books,) = [
        line for line in lines.seen if line["kind"] == "report" and line["probe"] == "drops"
    ]
    assert (books["blind"], books["lost"]) == (None, 0)
