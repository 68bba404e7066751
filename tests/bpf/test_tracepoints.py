"""Zero-touch: the same flows and stamps as at traffic control, with nothing attached to a device."""

import dataclasses
import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from dataplane.kernel import bpf, bpfcall, hooks, netns, tun
from dataplane.kernel.hooks import Direction
from dataplane.model.errors import ProbeRefusedError, UnsupportedError
from dataplane.model.topology import Point, Tap
from probes import tracepoints
from probes.tracepoints import Tracepoints
from probes.watch import Watch
from tests.bpf.conftest import INDEX_A, ip
from tests.bpf.live import descriptors, eventually, watching

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf")

ZERO_TOUCH = {"mode": "zero-touch"}


def flows(watch):
    """Everything of every flow but its two times, which the modes take a moment apart.

    What hosts say by themselves, from link-local addresses, may come when only one watches yet.
    """
    return {
        dataclasses.replace(flow, first_ns=0, last_ns=0)
        for flow in watch.flows()
        if not flow.source.is_link_local
    }


def stamps(watch):
    return {dataclasses.replace(packet, time_ns=0) for packet in watch.packets()}


def messages(values):
    kept = [value for value in values if not value.source.is_link_local]
    return [dataclasses.replace(value, time_ns=0) for value in kept]


def ping(pair, *words):
    command = ("ping", "-c", "1", "-W", "2", *words)
    done = netns.call(pair.a, lambda: subprocess.run(command, capture_output=True, check=False))
    return done.returncode == 0


def exchange(pair, address):
    """One connection with some data, datagrams of several lengths, and one that nobody takes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = netns.call(pair.b, lambda: socket.create_server((address, 7070), family=family))

    def send():
        with socket.create_connection((address, 7070), timeout=5) as stream:
            stream.sendall(bytes(50_000))
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            for length in (0, 1, 31, 32, 33, 1200, 4000):
                sender.sendto(os.urandom(length), (address, 7071))

    with server:
        netns.call(pair.a, send)
        with server.accept()[0] as accepted:
            while accepted.recv(65536):
                pass
    assert ping(pair, "-s", "1000", address)


def test_both_modes_see_the_same_at_once(pair):
    taps = pair.tap("a"), pair.tap("b")
    with watching(*taps) as tc, watching(*taps, **ZERO_TOUCH) as zero_touch:
        for address in ("2001:db8::2", "192.0.2.2"):
            exchange(pair, address)
        assert not eventually(lambda: flows(zero_touch) ^ flows(tc), set())
        assert not eventually(lambda: stamps(zero_touch) ^ stamps(tc), set())
        kinds = {(flow.family, flow.protocol) for flow in flows(zero_touch)}
        assert kinds >= {("IPv6", 6), ("IPv6", 17), ("IPv6", 58), ("IPv4", 6), ("IPv4", 17)}
        assert {flow.fragments > 0 for flow in flows(zero_touch)} == {True, False}
        assert {packet.packet for packet in stamps(zero_touch)} >= {"tcp-syn", "udp", "echo-reply"}
        assert messages(zero_touch.discoveries()) == messages(tc.discoveries()) != []
        for report in zero_touch.reports():
            assert (report.hook, report.evicted, report.lost) == ("raw-tracepoint", 0, 0)
            there = sum(f.packets for f in zero_touch.flows() if f.tap == report.where)
            assert report.counted == there


def test_a_router_that_says_too_big_is_seen_the_same(pair):
    """The quoted packet is read, too. `b` is a router with a small link behind it."""
    netns.call(pair.b, lambda: Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1"))
    words = ["link", "add", "small", "mtu", "1300", "type", "veth", "peer", "name", "other"]
    ip(pair.b, *words)
    for name in ("small", "other"):
        ip(pair.b, "link", "set", name, "up")
    ip(pair.b, "address", "add", "2001:db8:1::1/64", "dev", "small", "nodad")
    ip(pair.a, "route", "add", "2001:db8:1::/64", "via", "2001:db8::2")
    taps = pair.tap("a"), pair.tap("b")
    with watching(*taps) as tc, watching(*taps, **ZERO_TOUCH) as zero_touch:
        assert not ping(pair, "-s", "1400", "2001:db8:1::9")
        told = eventually(lambda: len(zero_touch.too_big()), 2)
        assert told == 2
        assert messages(zero_touch.too_big()) == messages(tc.too_big())
        assert {message.mtu for message in zero_touch.too_big()} == {1300}
        assert {str(m.refused.destination) for m in zero_touch.too_big()} == {"2001:db8:1::9"}


@pytest.mark.needs("tun")
def test_a_device_without_ethernet_headers(pair):
    """A packet goes out of a TUN device, and one that we write into it comes in."""

    def make():
        tun.create("t0", index=150)
        device = os.open(tun.DEVICE, os.O_RDWR)
        request = struct.pack("16sH22x", b"t0", tun.IFF_TUN | tun.IFF_NO_PI)
        fcntl.ioctl(device, tun.TUNSETIFF, request)
        subprocess.run(("ip", "link", "set", "t0", "up"), check=True)
        subprocess.run(
            ["ip", "address", "add", "2001:db8:2::1/64", "dev", "t0", "nodad"], check=True
        )
        return device

    device = netns.call(pair.a, make)
    tap = dataclasses.replace(pair.tap("a"), name="t", interface="t0", index=150, layer=3)
    try:
        with watching(tap) as tc, watching(tap, **ZERO_TOUCH) as zero_touch:
            assert not ping(pair, "-W", "1", "2001:db8:2::9")
            packet = b""
            while packet[6:7] != b"\x3a" or packet[40:41] != b"\x80":  # an echo request
                packet = os.read(device, 2048)
            back = packet[:8] + packet[24:40] + packet[8:24] + b"\x81" + packet[41:]
            os.write(device, back)
            assert eventually(lambda: flows(zero_touch), flows(tc)) == flows(tc)
            ways = {flow.leaving for flow in flows(zero_touch) if flow.source_port}
            assert ways == {True, False}
            assert stamps(zero_touch) == stamps(tc)
    finally:
        os.close(device)


STRANGERS = {
    "ok": "int ok(struct __sk_buff *skb) { return 0; }\n",
    "masquerade": """
int masquerade(struct __sk_buff *skb) { /* ::1 becomes ::77, and the checksum is made good */
  u16 old = __builtin_bswap16(1), fresh = __builtin_bswap16(0x77);
  u8 next = 0;
  bpf_skb_load_bytes(skb, 20, &next, 1);
  if (next != 17) return 0;
  bpf_l4_csum_replace(skb, 14 + 40 + 6, old, fresh, 0x10 | 2);
  bpf_skb_store_bytes(skb, 14 + 8 + 14, &fresh, 2, 0);
  return 0;
}
""",
}


@pytest.fixture(params=STRANGERS)
def stranger(request, tmp_path):
    """A program that behaves as a CNI's does: it ends the chain."""
    source = tmp_path / "stranger.c"
    source.write_text(STRANGERS[request.param])
    entry = bpf.Entry(name=request.param, type=bpf.ProgramType.SCHED_CLS)
    with bpf.load(source, [entry]) as module:
        yield module.program(request.param)


def ahead(stranger, direction):
    """Put a program first, where it is too late for us."""
    return bpfcall.link(stranger, INDEX_A, direction.tcx, flags=hooks.BPF_F_BEFORE)


@pytest.mark.needs("tcx")
@pytest.mark.parametrize("stranger", ["ok"], indirect=True)
def test_a_program_that_ends_the_chain_blinds_traffic_control_only(pair, stranger):
    taps = pair.tap("a"), pair.tap("b")
    with watching(*taps) as tc, watching(*taps, **ZERO_TOUCH) as zero_touch, ExitStack() as stack:
        for direction in Direction:
            link = netns.call(pair.a, ahead, stranger, direction)
            stack.callback(os.close, link)
        assert ping(pair, "2001:db8::2")
        echoes = [p for p in zero_touch.packets() if p.packet.startswith("echo")]
        assert sorted((p.tap, p.leaving) for p in echoes) == [
            ("a", False), ("a", True), ("b", False), ("b", True),
        ]  # fmt: skip
        assert {p.tap for p in tc.packets() if p.packet.startswith("echo")} == {"b"}
        blind = {(report.where): report.blind for report in tc.reports()}
        assert re.search("TCX program ok .* runs before the probe at ingress", blind["a"])
        assert blind["b"] is None
        assert {report.blind for report in zero_touch.reports()} == {None}


@pytest.mark.needs("tcx")
@pytest.mark.parametrize("stranger", ["masquerade"], indirect=True)
def test_an_address_that_a_program_changes_is_seen_as_it_leaves(pair, stranger):
    uplink = dataclasses.replace(pair.tap("a"), point=Point.UPLINK)
    behind = netns.call(pair.a, lambda: bpfcall.link(stranger, INDEX_A, Direction.EGRESS.tcx))
    try:
        with watching(uplink) as tc, watching(uplink, pair.tap("b"), **ZERO_TOUCH) as zero_touch:

            def send():
                with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"who am I", ("2001:db8::2", 7071))

            netns.call(pair.a, send)
            seen = {
                (packet.tap, str(packet.source))
                for packet in zero_touch.packets()
                if packet.packet == "udp"
            }
            assert seen == {("a", "2001:db8::77"), ("b", "2001:db8::77")}
            assert {str(p.source) for p in tc.packets() if p.packet == "udp"} == {"2001:db8::1"}
            assert "runs behind the probe at egress" in tc.reports()[0].blind
            assert {report.blind for report in zero_touch.reports()} == {None}
    finally:
        os.close(behind)


@pytest.mark.needs("nft")
def test_what_is_not_watched_is_not_counted(pair):
    """Interfaces of the same index in another namespace, and others of the same one."""
    ip(pair.b, *f"link add twin index {INDEX_A} type veth peer name mate".split())
    for name in ("twin", "mate"):
        ip(pair.b, "link", "set", name, "up")
    with watching(pair.tap("a"), **ZERO_TOUCH) as watch:
        frame = bytes(12) + b"\x86\xdd" + b"\x60" + bytes(200)

        def send():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
                for name in ("twin", "e1"):
                    sender.bind((name, 0))
                    sender.send(frame)

        netns.call(pair.b, send)
        assert eventually(lambda: sum(f.bytes == 201 for f in watch.flows()), 1) == 1


def test_what_lies_in_pages_is_counted_and_not_stamped(pair):
    """UDP_SEGMENT (linux/udp.h, 103): the payload of a batch of datagrams lies in pages."""

    def send():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17, 103, 1000)
            sender.sendto(os.urandom(10_000), ("2001:db8::2", 7072))

    with watching(pair.tap("a")) as tc, watching(pair.tap("a"), **ZERO_TOUCH) as zero_touch:
        netns.call(pair.a, send)
        for watch in (tc, zero_touch):
            (batch,) = [flow for flow in watch.flows() if flow.destination_port == 7072]
            assert (batch.packets, batch.bytes) == (10, 10_480)
        assert len([p for p in tc.packets() if p.destination_port == 7072]) == 1
        assert [p for p in zero_touch.packets() if p.destination_port == 7072] == []


def test_taps_come_and_go(pair):
    with Watch.open(
        [pair.tap("a")], lambda name: name, {}, connects=False, mode="zero-touch"
    ) as watch:
        watch.join(pair.tap("b"))
        assert ping(pair, "2001:db8::2")
        assert {flow.tap for flow in watch.flows()} == {"a", "b"}
        watch.leave(pair.tap("a"))
        before = {flow for flow in watch.flows() if flow.tap == "a"}
        assert ping(pair, "2001:db8::2")
        assert {flow for flow in watch.flows() if flow.tap == "a"} == before
        blind = {report.where: report.blind for report in watch.reports()}
        assert blind["a"] == "its interface is gone"


def test_a_device_above_another_one_is_blind_for_what_arrives(pair):
    ip(pair.a, "link", "add", "link", "e0", "name", "m0", "index", "109", "type", "macvlan")
    above = dataclasses.replace(pair.tap("a"), name="above", interface="m0", index=109)
    with watching(pair.tap("a"), above, **ZERO_TOUCH) as watch:
        blind = {report.where: report.blind for report in watch.reports()}
    assert blind["above"] == "what arrives is seen only at the device below it"
    assert blind["a"] is None


def test_an_interface_that_vanished_is_said(pair):
    with watching(pair.tap("a"), **ZERO_TOUCH) as watch:
        ip(pair.a, "link", "delete", "e0")
        assert "index 101 is no interface" in watch.reports()[0].blind


def test_an_index_that_is_another_interface_is_refused(pair):
    before = descriptors()
    stray = dataclasses.replace(pair.tap("a"), interface="e9")
    with pytest.raises(ProbeRefusedError, match="index 101 is e0 in its namespace"):
        Watch.open([stray], lambda name: name, {}, connects=False, mode="zero-touch")
    assert descriptors() == before


def test_a_kernel_that_lays_a_field_out_otherwise_is_refused(monkeypatch):
    monkeypatch.setitem(tracepoints.PLACES, "SKB_END", ("sk_buff", "end", 8))
    with pytest.raises(UnsupportedError, match="field end of struct sk_buff that has 8 octets"):
        Tracepoints.open([])


def on_devices(pair):
    """What anybody can see of the two interfaces: qdiscs, filters, TCX programs."""

    def look():
        words = ("tc", "qdisc", "show"), ("ip", "-details", "link", "show", "e0")
        shown = [subprocess.run(w, capture_output=True, text=True).stdout for w in words]  # noqa: PLW1510 - shown is what counts
        return shown, [bpfcall.attached(INDEX_A, direction.tcx) for direction in Direction]

    return netns.call(pair.a, look)


CHILD = """
import sys
from dataplane.model.topology import (Point, Tap)
from probes.watch import Watch
tap = Tap(name="a", namespace=sys.argv[1], interface="e0", index=int(sys.argv[2]), point=Point.POD,
          owner="a", leaving_is_ingress=False)
Watch.open([tap], lambda name: name, {}, mode="zero-touch", connects=False)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.needs("tcx")
def test_nothing_is_on_a_device_and_kill_9_leaves_nothing(pair):
    before = on_devices(pair)
    words = [sys.executable, "-c", CHILD, pair.a, str(INDEX_A)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as child:
        ready, _, _ = select.select([child.stdout], [], [], 30)
        assert ready
        assert child.stdout.readline() == b"ready\n"
        assert on_devices(pair) == before
        mine = programs_of(child.pid)
        assert len(mine) == len(tracepoints.POINTS)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    assert on_devices(pair) == before

    def alive():
        return sum(is_loaded(number) for number in mine)

    assert eventually(alive, 0) == 0


def programs_of(pid):
    """The ids of the programs that a process holds (proc_pid_fdinfo(5))."""
    found = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        fields = dict(
            line.split(":\t", 1) for line in entry.read_text().splitlines() if ":\t" in line
        )
        if fields.get("prog_type") == "17":
            found.add(int(fields["prog_id"]))
    return found


def is_loaded(number):
    try:
        os.close(bpfcall.program_by_id(number))
    except FileNotFoundError:
        return False
    return True


def test_a_tap_in_a_namespace_that_does_not_tell_its_cookie(pair, monkeypatch):
    monkeypatch.setattr(netns, "cookie", lambda: 0)
    tap = Tap(
        name="a", namespace=pair.a, interface="e0", index=INDEX_A, point=Point.POD, owner="a",
        leaving_is_ingress=False,
    )  # fmt: skip
    with (
        Tracepoints.open([tap]) as probe,
        pytest.raises(UnsupportedError, match=r"Linux 5\.14"),
    ):
        netns.call(pair.a, probe.attach, tap)
