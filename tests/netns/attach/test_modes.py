"""The two modes of `attach`: which one is chosen, what it sees, and that zero-touch touches nothing."""

import os
import signal
import socket
import sys
from contextlib import contextmanager

import pytest

from dataplane.kernel import bpf, bpfcall, netns
from dataplane.kernel.hooks import Direction
from tests.netns.attach.conftest import NODE, OUTSIDE, inside
from tests.netns.attach.test_attach import attached, connect, digest

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf", "tcx", "cgroup2", "nft", "ping")

# As an eBPF dataplane masquerades, but for the checksum: what comes of it is not asked here.
MASQUERADE = """
int masquerade(struct __sk_buff *skb) {
  u8 node[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  u8 next = 0;
  bpf_skb_load_bytes(skb, 20, &next, 1);
  if (next == 6) bpf_skb_store_bytes(skb, 14 + 8, node, 16, 0);
  return 0;
}
"""


@contextmanager
def masquerading(node, tmp_path):
    """Put a program of somebody else at the uplink's egress, as a CNI does."""
    source = tmp_path / "masquerade.c"
    source.write_text(MASQUERADE)
    entry = bpf.Entry(name="masquerade", type=bpf.ProgramType.SCHED_CLS)

    def put(program):
        index = socket.if_nametoindex(node.uplink)
        return bpfcall.link(program, index, Direction.EGRESS.tcx)

    with bpf.load(source, [entry]) as module:
        link = netns.call(node.name, put, module.program("masquerade"))
        try:
            yield
        finally:
            os.close(link)


def on_interfaces(node):
    """Everything of traffic control: qdiscs, filters, and TCX programs with their revisions."""

    def look():
        return [
            bpfcall.attached(socket.if_nametoindex(name), direction.tcx)
            for name in (node.pod_interface, node.uplink)
            for direction in Direction
        ]

    return digest(node), netns.call(node.name, look)


def the(lines, kind):
    (found,) = [line for line in lines.seen if line["kind"] == kind]
    return found


def blind(lines):
    reports = [line for line in lines.rest() if line["kind"] == "report"]
    return {line["where"]: line["blind"] for line in reports if line["probe"] == "flows"}


def test_without_programs_of_others_it_is_traffic_control(node):
    with attached(node) as lines:
        pass
    chosen = the(lines, "mode")
    assert chosen["mode"] == "tc"
    assert "nobody else's program" in chosen["because"]
    assert any("bpf_redirect_peer" in words for words in chosen["unseen"])


def test_a_program_where_packets_leave_makes_it_zero_touch_and_is_seen_through(node, tmp_path):
    with masquerading(node, tmp_path):
        before = on_interfaces(node)
        with attached(node) as lines:
            assert on_interfaces(node) == before
            connect(node, OUTSIDE)
            change = lines.until(lambda line: line["kind"] == "source-change")
        assert on_interfaces(node) == before

    chosen = the(lines, "mode")
    assert chosen["mode"] == "zero-touch"
    assert "TCX program masquerade" in chosen["because"]
    assert f"at {node.uplink}" in chosen["because"]
    assert (change["source"], change["seen_as"]) == ("2001:db8:d::2", NODE)
    assert (change["owner"], change["uplink"]) == (node.pod, node.uplink)
    assert set(blind(lines).values()) == {None}
    hooks = {line["where"]: line["hook"] for line in lines.seen if line["kind"] == "hook"}
    assert hooks[node.uplink] == hooks[node.pod_interface] == "raw-tracepoint"


def test_traffic_control_is_blind_there_and_says_so(node, tmp_path):
    with masquerading(node, tmp_path), attached(node, "--mode", "tc") as lines:
        connect(node, OUTSIDE)
        lines.until(lambda line: line["kind"] == "flow" and line["tap"] == node.uplink)

    assert [line for line in lines.rest() if line["kind"] == "source-change"] == []
    assert "masquerade" in blind(lines)[node.uplink]
    assert blind(lines)[node.pod_interface] is None


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_zero_touch_leaves_nothing_whatever_ends_it(node, end):
    before = on_interfaces(node)
    with attached(node, "--mode", "zero-touch") as lines:
        assert on_interfaces(node) == before
        inside(node.pod, "ping", "-c", "1", OUTSIDE)
        lines.until(lambda line: line["kind"] == "flow" and line["destination"] == OUTSIDE)
        lines.child.send_signal(end)
        lines.child.wait(20)

    assert on_interfaces(node) == before


def test_a_hook_of_traffic_control_and_zero_touch_do_not_go_together(node):
    words = ["attach", "--mode", "zero-touch", "--hook", "clsact"]
    done = inside(node.name, sys.executable, "-m", "dataplane", *words)

    assert done.returncode == 2
    assert "leave --hook out" in done.stderr
