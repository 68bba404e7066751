"""Watch on real interfaces: what the kernel's own counters say, and what arrives from the wire."""

import asyncio
import dataclasses
import resource
import select
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from dataplane.kernel import netns
from dataplane.model.address import Family
from dataplane.model.errors import ProbeRefusedError
from probes.watch import Watch
from tests.bpf.conftest import INDEX_A, ip
from tests.bpf.live import descriptors, eventually, watching

pytestmark = pytest.mark.needs("root", "netns", "bpf")

SEGMENTS_OUT = 136  # struct tcp_info, linux/tcp.h


def ports(watch, tap, *, leaving):
    """Packets and bytes by protocol, family and ports, of one tap and one direction."""
    return {
        (flow.protocol, flow.family, flow.source_port, flow.destination_port): (
            flow.packets,
            flow.bytes,
        )
        for flow in watch.flows()
        if flow.tap == tap and flow.leaving is leaving and flow.destination_port
    }


@pytest.mark.needs("nft")
@pytest.mark.parametrize("way", [{}, {"hook": "clsact"}, {"mode": "zero-touch"}], ids=str)
def test_exactly_23_flows_as_the_packet_filter_counts_them(pair, way):
    datagrams = [(6, 6000 + n) for n in range(8)] + [(4, 6100 + n) for n in range(7)]
    streams = [(6, 6200 + n) for n in range(4)] + [(4, 6300 + n) for n in range(4)]
    rules = "\n".join(
        [f"meta nfproto ipv{family} udp dport {port} counter" for family, port in datagrams]
        + [f"meta nfproto ipv{family} tcp dport {port} counter" for family, port in streams]
    )
    text = f"table inet t {{ chain in {{ type filter hook input priority 0;\n{rules}\n}}; }}"
    netns.call(
        pair.b, lambda: subprocess.run(("nft", "-f", "-"), input=text, text=True, check=True)
    )
    hooks = {"clsact"} if "hook" in way else {"raw-tracepoint"} if way else {"tcx", "clsact"}
    with watching(pair.tap("a"), pair.tap("b"), **way) as watch:
        talk(pair, datagrams, streams)
        counted = netns.call(pair.b, counters)
        assert len(counted) == 23
        assert all(packets for packets, _ in counted.values())

        def seen():
            flows = ports(watch, "b", leaving=False)
            return {(p, f, to): value for (p, f, _, to), value in flows.items()}

        assert eventually(seen, counted) == counted
        # the same packets, as they left the other end
        assert ports(watch, "a", leaving=True) == ports(watch, "b", leaving=False)
        assert ports(watch, "a", leaving=False) == ports(watch, "b", leaving=True)
        by_probe = {(report.probe, report.where): report for report in watch.reports()}
        assert by_probe.keys() == {(p, w) for p in ("flows", "stamps") for w in "ab"}
        for report in by_probe.values():
            assert report.hook in hooks
            assert (report.evicted, report.lost, report.blind) == (0, 0, None)
            assert report.counted > sum(packets for packets, _ in counted.values())
        # SYN and SYN/ACK at both ends, and the first datagrams of each flow, nothing else of ours
        packets = [packet for packet in watch.packets() if packet.protocol in (6, 17)]
        assert len(packets) == 2 * (2 * len(streams) + 3 * len(datagrams))


def talk(pair, datagrams, streams):
    address = {6: "2001:db8::2", 4: "192.0.2.2"}
    kind = {6: socket.AF_INET6, 4: socket.AF_INET}

    def listen():
        return [socket.create_server((address[f], port), family=kind[f]) for f, port in streams]

    def send():
        for family, port in datagrams:
            with socket.socket(kind[family], socket.SOCK_DGRAM) as sender:
                for number in range(3):
                    sender.sendto(bytes(10 + number + port % 7), (address[family], port))
        for family, port in streams:
            with socket.create_connection((address[family], port), timeout=5) as stream:
                stream.sendall(bytes(100))

    servers = netns.call(pair.b, listen)
    netns.call(pair.a, send)
    for server in servers:
        with server.accept()[0] as accepted:
            while accepted.recv(4096):
                pass
        server.close()


def counters():
    """Read what every rule counted: (protocol, family, port) -> packets and bytes."""
    done = subprocess.run(
        ("nft", "list", "table", "inet", "t"), capture_output=True, text=True, check=True
    )
    found = {}
    for line in done.stdout.splitlines():
        if "counter" in line:
            words = line.split()
            family = Family.IPV6 if "ipv6" in words else Family.IPV4
            protocol = 17 if "udp" in words else 6
            port, packets, octets = (
                int(words[words.index(word) + 1]) for word in ("dport", "packets", "bytes")
            )
            found[protocol, family, port] = (packets, octets)
    return found


@pytest.mark.parametrize("mode", ["tc", "zero-touch"])
@pytest.mark.parametrize("address", ["2001:db8::2", "192.0.2.2"])
def test_super_packets_are_counted_as_the_sender_counts_segments(pair, address, mode):
    amount = 4_000_000
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    header = (40 if ":" in address else 20) + 32  # timestamps are on
    with watching(pair.tap("a"), pair.tap("b"), stamps=False, mode=mode) as watch:
        server = netns.call(pair.b, lambda: socket.create_server((address, 7070), family=family))
        stream = netns.call(pair.a, lambda: socket.create_connection((address, 7070), timeout=5))
        with server, stream, server.accept()[0] as accepted:
            stream.settimeout(0)
            sent = received = 0
            while received < amount:
                _, writable, _ = select.select([accepted], [stream] if sent < amount else [], [], 5)
                if writable:
                    sent += stream.send(bytes(min(amount - sent, 1 << 18)))
                received += len(accepted.recv(1 << 20)) if received < sent else 0
            information = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            (segments,) = struct.unpack_from("=I", information, SEGMENTS_OUT)
            (retransmitted,) = struct.unpack_from("=I", information, 100)
            frames_sent = int(
                netns.call(pair.a, lambda: Path("/proc/thread-self/net/dev").read_text())
                .split("e0:")[1]
                .split()[9]
            )
            (leaving,) = ports(watch, "a", leaving=True).values()
            assert leaving[0] == segments
            assert leaving[0] > 2 * frames_sent  # they were super-packets
            if not retransmitted:
                assert leaving[1] == amount + segments * header + 8  # the SYN has 8 octets more
            everything = ports(watch, "a", leaving=True)
            assert eventually(lambda: ports(watch, "b", leaving=False), everything) == everything


def test_a_stamp_is_the_same_at_every_tap(pair):
    with watching(pair.tap("a"), pair.tap("b")) as watch:
        words = ("ping", "-c", "3", "-i", "0.1", "-s", "4", "2001:db8::2")
        netns.call(pair.a, lambda: subprocess.run(words, capture_output=True, check=True))
        echoes = [packet for packet in watch.packets() if packet.packet == "echo-request"]
        assert len(echoes) == 6
        assert len({packet.stamp for packet in echoes}) == 3
        for stamp in {packet.stamp for packet in echoes}:
            one, other = (packet for packet in echoes if packet.stamp == stamp)
            assert (one.tap, one.leaving) == ("a", True)
            assert (other.tap, other.leaving) == ("b", False)
            assert one.time_ns < other.time_ns


async def test_an_event_loop_is_woken(pair):
    loop = asyncio.get_running_loop()
    watch = await asyncio.to_thread(
        Watch.open, [pair.tap("a")], lambda name: name, {}, connects=False
    )
    seen = asyncio.Event()

    def consume():
        watch.consume()
        seen.set()

    (descriptor,) = watch.descriptors
    loop.add_reader(descriptor, consume)
    try:
        words = ("ping", "-c", "1", "2001:db8::2")
        await asyncio.to_thread(
            netns.call, pair.a, lambda: subprocess.run(words, capture_output=True, check=True)
        )
        async with asyncio.timeout(5):
            await seen.wait()
        assert {packet.packet for packet in watch.packets()} == {"echo-request", "echo-reply"}
    finally:
        loop.remove_reader(descriptor)
        await asyncio.to_thread(watch.close)


def test_thirty_taps_and_nothing_left(pair):
    taps = []
    for number in range(15):
        ip(
            pair.a,
            *f"link add x{number} index {200 + number} type veth".split(),
            *f"peer name y{number} index {300 + number} netns {pair.b}".split(),
        )
        for end, name, letter, base in (("a", pair.a, "x", 200), ("b", pair.b, "y", 300)):
            taps.append(
                dataclasses.replace(
                    pair.tap("a"),
                    name=f"{end}{number}",
                    namespace=name,
                    interface=f"{letter}{number}",
                    index=base + number,
                )
            )
    before = descriptors()
    with watching(*taps) as watch:
        reports = watch.reports()
        assert len(reports) == 2 * len(taps)
        assert {report.blind for report in reports} == {None}
    assert descriptors() == before
    assert watch.flows() == watch.packets() == watch.connects() == watch.reports() == ()


def test_one_bad_tap_and_nothing_is_attached(pair):
    bad = dataclasses.replace(pair.tap("b"), interface="e9")
    before = descriptors()
    with pytest.raises(ProbeRefusedError, match="e9: probe refused: index 102 is e1"):
        Watch.open([pair.tap("a"), bad], lambda name: name, {}, hook="clsact", connects=False)
    assert descriptors() == before
    shown = subprocess.run(
        ("tc", "-n", pair.a, "qdisc", "show", "dev", "e0"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "clsact" not in shown.stdout


def test_only_what_was_asked_for(pair):
    with watching(pair.tap("a"), stamps=False) as watch:
        assert watch.descriptors == []
        assert {report.probe for report in watch.reports()} == {"flows"}
    with watching(pair.tap("a"), flows=False) as watch:
        assert len(watch.descriptors) == 1
        assert watch.flows() == ()
        assert watch.snapshot() is None
        assert {report.probe for report in watch.reports()} == {"stamps"}


def test_the_namespace_that_we_are_in(pair):
    def inside():
        with Watch.open([pair.tap("a")], lambda _: None, {}, connects=False) as watch:
            return watch.reports()

    (report, _) = netns.call(pair.a, inside)
    assert report.blind is None


def test_there_is_room_for_many_descriptors(pair):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        with watching(pair.tap("a")):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert pair.tap("a").index == INDEX_A


def test_what_is_taken_is_gone_and_is_not_called_evicted(pair):
    datagrams = [(6, 6400 + number) for number in range(5)]
    with watching(pair.tap("a")) as watch:
        talk(pair, datagrams, [])
        taken = []
        eventually(lambda: len(taken.extend(watch.take_packets()) or taken), 15)

        assert sorted({packet.destination_port for packet in taken}) == [p for _, p in datagrams]
        assert watch.packets() == ()
        assert [report.evicted for report in watch.reports()] == [0, 0]


def counted(watch, where):
    return next(r.counted for r in watch.reports() if (r.probe, r.where) == ("flows", where))


def test_a_tap_joins_and_leaves_while_others_are_watched(pair):
    again = dataclasses.replace(pair.tap("b"), name="again")
    with watching(pair.tap("a")) as watch:
        watch.join(pair.tap("b"))
        ip(pair.a, "neighbour", "flush", "all")
        netns.call(pair.a, lambda: ping("2001:db8::2"))
        seen = counted(watch, "b")
        assert seen > 0
        with pytest.raises(ProbeRefusedError, match="its place in the books is that of e1"):
            watch.join(again)

        watch.leave(pair.tap("b"))
        seen = counted(watch, "b")  # a solicitation may have come late
        watch.join(again)
        assert counted(watch, "again") < seen, "what was counted before is not its own"
        netns.call(pair.a, lambda: ping("2001:db8::2"))
        assert counted(watch, "again") > 0
        assert counted(watch, "b") == seen
        assert {r.where: r.blind for r in watch.reports()}["b"] == "its interface is gone"


def ping(address):
    subprocess.run(["ping", "-c", "2", "-i", "0.2", address], check=True, capture_output=True)
