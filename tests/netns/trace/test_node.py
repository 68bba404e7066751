"""`trace` on a node that is not ours: awaits what a pod sends, or sends from it, and changes nothing."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from pydantic import TypeAdapter

from dataplane.model.trace import By, State, TraceResult
from tests.netns.attach.conftest import NODE, OUTSIDE, inside, ip, node
from tests.netns.attach.test_attach import MASQUERADE, digest
from tests.netns.attach.test_drops import FORWARD

__all__ = ["node"]  # a fixture

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf", "tcx", "nft", "ping")
POD = "2001:db8:d::2"
LISTEN = (
    "import socket, sys; s = socket.create_server((sys.argv[1], 80), family=socket.AF_INET6)\n"
    "print('up', flush=True)\n"
    "while True: c, _ = s.accept(); c.recv(999); c.sendall(b'HTTP/1.1 200 OK\\r\\n\\r\\n{}'); c.close()\n"
)


def command(node, *words):
    return [
        *("nsenter", f"--net=/run/netns/{node.name}"),
        *(sys.executable, "-m", "dataplane", "trace", *words, "--cri", "none"),
    ]


def told(node, *words):
    done = subprocess.run(
        command(node, *words, "-o", "json"),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, TypeAdapter(TraceResult).validate_json(done.stdout)


@contextmanager
def waiting(node, *words):
    """A trace that has attached and waits; its result comes as the last element."""
    result = []
    with subprocess.Popen(
        command(node, *words, "-o", "json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert "waiting" in child.stderr.readline()
        try:
            yield child, result
            out, said = child.communicate(timeout=500)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
        assert out, said
        result.append(TypeAdapter(TraceResult).validate_json(out))


@contextmanager
def listening(namespace, address):
    with subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c", LISTEN, address],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout.readline() == "up\n"
            yield
        finally:
            child.kill()


def test_what_a_pod_sends_is_awaited_and_followed_there_and_back(node, tmp_path):
    file = tmp_path / "way.pcapng"
    before = digest(node)
    with waiting(node, OUTSIDE, "--from", node.pod, "--write", str(file)) as (child, result):
        inside(node.pod, "ping", "-c1", "-W5", OUTSIDE)

    (one,) = result[0].traces
    assert (child.returncode, one.state) == (0, State.ANSWERED)
    assert [(hop.interface, hop.egress, hop.hop_limit) for hop in one.legs[0].hops] == [
        (node.pod_interface, False, 64),
        (node.uplink, True, 63),
    ]
    assert [hop.interface for hop in one.legs[1].hops] == [node.uplink, node.pod_interface]
    assert result[0].frames == 4
    assert result[0].where == "node"
    assert "nothing was sent" in result[0].notes[0]
    assert digest(node) == before


def test_a_masqueraded_source_is_a_rewrite_of_the_hop(node):
    inside(node.name, "nft", "-f", "-", input=MASQUERADE)
    with listening(node.outside, OUTSIDE):
        code, result = told(node, OUTSIDE, "--from", node.pod, "--send", "--port", "80")

    (one,) = result.traces
    assert (code, one.state) == (0, State.ANSWERED)
    change = one.legs[0].hops[1].change
    assert change.by is By.MASQUERADE
    assert ("source", POD, NODE) in [(f.field, f.before, f.after) for f in change.fields]
    assert (one.legs[1].hops[1].change.by, one.legs[1].hops[1].change.undone) == (
        By.MASQUERADE, True,
    )  # fmt: skip


@pytest.mark.parametrize("who", ["pod", "pod_interface"])
def test_sending_from_inside_a_pod_by_ping(node, who):
    inside(node.pod, "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")  # as kernels begin with

    code, result = told(node, OUTSIDE, "--from", getattr(node, who), "--send", "--count", "2")

    assert (code, [one.state for one in result.traces]) == (0, [State.ANSWERED] * 2)
    assert result.origin == node.pod
    assert "sent from inside the pod" in result.notes[0]


def test_a_drop_by_a_rule_of_the_node_is_placed(node):
    assert inside(node.name, "nft", "-f", "-", input=FORWARD).returncode == 0

    code, result = told(
        node, OUTSIDE, "--from", node.pod, "--send", "--port", "53", "--protocol", "udp"
    )

    (one,) = result.traces
    assert (code, one.state) == (1, State.DROPPED)
    assert [hop.interface for hop in one.legs[0].hops] == [node.pod_interface]
    (stop,) = one.stops
    assert (stop.reason, stop.interface) == ("NETFILTER_DROP", node.pod_interface)
    assert (stop.source, stop.destination) == (one.legs[0].hops[0].source, one.destination)


def test_a_link_that_takes_less_is_told_with_its_mtu(node):
    ip("-n", node.name, "link", "set", node.uplink, "mtu", "1300")

    code, result = told(
        node, OUTSIDE, "--from", node.pod, "--send", "--port", "7", "--protocol", "udp",
        "--size", "1400",
    )  # fmt: skip

    one = result.traces[0]
    assert (code, one.state) == (1, State.REJECTED)
    too_big = next(stop for stop in one.stops if stop.what == "error")
    assert (too_big.reason, too_big.mtu, str(too_big.by)) == (
        "packet too big", 1300, "2001:db8:d::1",
    )  # fmt: skip
    assert {stop.reason for stop in one.stops} >= {"PKT_TOO_BIG"}
    assert result.traces[0].legs[0].hops[0].mtu == 1500


def test_nobody_sends_so_nothing_is_known(node):
    code, result = told(node, OUTSIDE, "--from", node.pod, "--timeout", "1s")

    assert (code, result.state, result.traces[0].legs) == (3, State.UNKNOWN, ())
    assert "no packet of it was seen" in result.traces[0].verdict


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_ends_the_waiting_with_what_was_seen(node, number):
    before = digest(node)
    with waiting(node, OUTSIDE, "--timeout", "10m") as (child, result):
        child.send_signal(number)

    assert child.returncode == 128 + number
    assert result[0].state is State.UNKNOWN
    assert digest(node) == before


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("v4only.internet.test",), "nobody here resolves names"),
        ((OUTSIDE, "--from", "nobody"), "none of that name"),
        ((OUTSIDE, "--send"), "--from POD"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(node, words, what):
    done = subprocess.run(
        command(node, *words), capture_output=True, text=True, timeout=500, check=False
    )

    assert done.returncode == 2
    assert what in done.stderr


def test_its_schema_is_that_of_what_it_prints(node):
    schema = json.loads(subprocess.run(
        [sys.executable, "-m", "dataplane", "trace", "--schema"],
        capture_output=True, text=True, check=True,
    ).stdout)  # fmt: skip

    done = subprocess.run(
        command(node, OUTSIDE, "--timeout", "0.1s", "-o", "json"),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )

    assert set(json.loads(done.stdout)) == set(schema["properties"])
    assert set(schema["$defs"]) >= {"Trace", "Leg", "Hop", "Change", "Stop"}
