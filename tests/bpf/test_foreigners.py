"""Programs of others that bring packets past a pod's host side: found by what they call, and believed."""

import os
import socket
import struct
import subprocess

import pytest

from dataplane.kernel import bpf, bpfcall, foreigners, netns, symbols
from dataplane.kernel.hooks import Direction
from tests.bpf.conftest import INDEX_A, ip
from tests.bpf.live import watching

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf", "tcx")

POD = 160  # the host side of a pod's interface
PROGRAMS = """
BPF_TABLE("prog", u32, u32, calls, 8);
int peer(struct __sk_buff *skb) { return bpf_redirect_peer(160, 0); }
int leads(struct __sk_buff *skb) { calls.call(skb, 3); return 0; }
int harmless(struct __sk_buff *skb) { return bpf_redirect(160, 0); }
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """One that redirects to the peer, one that gets there by a tail call, one that does neither."""
    source = tmp_path_factory.mktemp("c") / "peers.c"
    source.write_text(PROGRAMS)
    names = ("peer", "leads", "harmless")
    entries = [bpf.Entry(name=name, type=bpf.ProgramType.SCHED_CLS) for name in names]
    with bpf.load(source, entries) as module:
        yield module


def called(programs, *names):
    ids = [bpfcall.program_info(programs.program(name)).id for name in names]
    return [name.partition(" ")[0] for name in foreigners.past_the_host_side(ids)]


def test_a_program_is_known_by_the_helper_that_it_calls(programs):
    assert called(programs, "peer") == ["peer"]
    assert called(programs, "harmless") == []
    assert called(programs) == []


def test_tail_calls_are_followed(programs):
    assert called(programs, "leads") == []  # the map is empty
    calls = programs.table("calls")
    calls.put(struct.pack("=I", 3), struct.pack("=I", programs.program("peer")))
    assert called(programs, "leads", "harmless") == ["peer"]


def test_a_kernel_that_shows_no_addresses_shows_nothing(programs, monkeypatch):
    monkeypatch.setattr(symbols, "shown", lambda: iter(()))
    assert called(programs, "peer") == []


def test_a_program_that_has_gone_is_no_error():
    assert foreigners.past_the_host_side([0x7FFFFFF0]) == ()


@pytest.mark.parametrize("mode", ["tc", "zero-touch"])
def test_what_passes_the_host_side_is_seen_by_nobody_there_and_said(pair, programs, unique, mode):
    """`a` is a node, e0 its uplink, and a pod has the other end of another pair."""
    pod = f"{unique}p"
    netns.create(pod)
    ip(pair.a, *f"link add host index {POD} type veth peer name eth0 netns {pod}".split())
    ip(pair.a, "link", "set", "host", "up")
    ip(pod, "link", "set", "eth0", "up")
    ip(pod, "address", "add", "2001:db8::1/64", "dev", "eth0", "nodad")
    indexes = netns.call(pair.a, lambda: [index for index, _ in socket.if_nameindex()])
    tap = pair.tap("a", name="host", interface="host", index=POD, leaving_is_ingress=True)
    inside = pair.tap("a", name="pod", namespace=pod, interface="eth0", index=index_of(pod))
    link = netns.call(
        pair.a,
        lambda: bpfcall.link(programs.program("peer"), INDEX_A, Direction.INGRESS.tcx),
    )
    try:
        there = netns.call(pair.a, foreigners.attached, indexes)
        assert len(there) == 1
        past = foreigners.past_the_host_side(there)
        with watching(tap, inside, mode=mode, passed_by=past) as watch:
            send(pair, mac_of(pod))
            arrived = [p for p in watch.packets() if p.destination_port == 7073]
            # the pod's own end sees it at traffic control only, the host side in no mode
            assert {p.tap for p in arrived} == ({"pod"} if mode == "tc" else set())
            blind = {report.where: report.blind for report in watch.reports()}
            assert blind["host"].startswith("peer (id ")
            assert blind["host"].endswith("brings packets to pods past it (bpf_redirect_peer)")
            assert blind["pod"] is None
    finally:
        os.close(link)
        netns.remove(pod)


def index_of(namespace):
    return netns.call(namespace, lambda: socket.if_nametoindex("eth0"))


def mac_of(namespace):
    words = ("ip", "-n", namespace, "-o", "link", "show", "eth0")
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return bytes.fromhex(shown.split("link/ether ")[1].split()[0].replace(":", ""))


def send(pair, mac):
    """Send one datagram out of `b`, addressed to the pod's interface."""
    source, destination = (socket.inet_pton(socket.AF_INET6, f"2001:db8::{n}") for n in (2, 1))
    datagram = struct.pack("!HHHH", 7073, 7073, 8 + 16, 0) + os.urandom(16)
    header = struct.pack("!IHBB", 0x60000000, len(datagram), 17, 64) + source + destination

    def out():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind(("e1", 0))
            sender.send(mac + bytes(6) + b"\x86\xdd" + header + datagram)

    netns.call(pair.b, out)


def test_a_map_of_another_kind_is_not_looked_into(tmp_path):
    source = tmp_path / "some.c"
    source.write_text(
        "BPF_HASH(table, u32, u64, 8);\n"
        "int some(struct __sk_buff *skb) { u32 k = 1; return table.lookup(&k) ? -1 : 0; }\n"
    )
    entry = bpf.Entry(name="some", type=bpf.ProgramType.SCHED_CLS)
    with bpf.load(source, [entry]) as module:
        (number,) = bpfcall.maps_of(module.program("some"))
        assert list(foreigners._members(number)) == []
        assert bpfcall.map_kind(module.table("table").descriptor) == (1, 8)
