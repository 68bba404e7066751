"""Flows without an interface: every field, every branch, and books that balance."""

import dataclasses
import os
import time
from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q

from dataplane.kernel import bpfcall
from dataplane.model.address import Family
from dataplane.model.errors import ProbeRefusedError
from probes import flows as flows_module
from probes.flows import PROGRAMS, Flows
from tests.bpf import frames
from tests.bpf.conftest import LOOPBACK
from tests.bpf.frames import V4, V6, ether

pytestmark = pytest.mark.needs("root", "bpf")

TCP6 = ether(IPv6(**V6), TCP(sport=40000, dport=443, flags="S"), b"x" * 10)


def test_every_field_of_a_flow(dry):
    before = time.monotonic_ns()
    dry.run(TCP6)
    dry.run(ether(IPv6(**V6), TCP(sport=40000, dport=443, flags="PA"), b"x" * 30))
    after = time.monotonic_ns()
    flow = dry.the_flow()
    assert flow.tap == "tap"
    assert flow.leaving is False
    assert flow.family is Family.IPV6
    assert flow.protocol == 6
    assert (flow.source, flow.source_port) == (ip_address("2001:db8::1"), 40000)
    assert (flow.destination, flow.destination_port) == (ip_address("2001:db8:2::2"), 443)
    assert flow.packets == 2
    assert flow.bytes == 40 + 20 + 10 + 40 + 20 + 30
    assert before < flow.first_ns <= flow.last_ns <= after
    assert flow.tcp_flags == 0x02 | 0x18
    assert flow.fragments == 0


def test_the_last_packet_is_later_than_the_first(dry):
    dry.run(TCP6)
    first = dry.the_flow()
    clock = time.clock_getres(time.CLOCK_MONOTONIC_COARSE) if _has_coarse_clock() else 0.01
    end = time.monotonic() + 2 * clock
    while time.monotonic() < end:
        dry.run(TCP6)
    flow = dry.the_flow()
    assert flow.first_ns == first.first_ns
    assert flow.last_ns > first.last_ns


def _has_coarse_clock():
    return hasattr(time, "CLOCK_MONOTONIC_COARSE")


def test_ipv4_has_the_same_key_in_its_own_family(dry):
    dry.run(ether(IP(**V4), UDP(sport=53, dport=9), b"abc"))
    flow = dry.the_flow()
    assert flow.family is Family.IPV4
    assert (flow.source, flow.destination) == (ip_address(V4["src"]), ip_address(V4["dst"]))
    assert (flow.protocol, flow.source_port, flow.destination_port) == (17, 53, 9)
    assert flow.bytes == 20 + 8 + 3


def test_a_mapped_ipv6_address_is_not_ipv4(dry):
    dry.run(ether(IPv6(src="::ffff:192.0.2.1", dst="::ffff:198.51.100.2"), UDP(sport=1, dport=2)))
    dry.run(ether(IP(**V4), UDP(sport=1, dport=2)))
    assert {flow.family for flow in dry.seen()} == {Family.IPV4, Family.IPV6}


def test_direction_is_the_program_and_the_tap(dry):
    dry.run(TCP6, program="ethernet_ingress")
    dry.run(TCP6, program="ethernet_egress")
    assert sorted(flow.leaving for flow in dry.seen()) == [False, True]
    host_side = dataclasses.replace(LOOPBACK, leaving_is_ingress=True)
    assert flows_module.leaving(host_side, egress=0) is True
    assert flows_module.leaving(host_side, egress=1) is False


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((IPv6(**V6), IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), TCP(sport=1, dport=2)), (6, 1, 2)),
        ((IPv6(**V6), *[IPv6ExtHdrDestOpt() for _ in range(8)], UDP(sport=3, dport=4)), (17, 3, 4)),
        ((IPv6(**V6), *[IPv6ExtHdrDestOpt() for _ in range(9)], UDP(sport=3, dport=4)), (60, 0, 0)),
        ((IP(**V4, options=b"\x01" * 8), TCP(sport=5, dport=6)), (6, 5, 6)),
        ((Dot1Q(vlan=1), IPv6(**V6), TCP(sport=1, dport=2)), (6, 1, 2)),
        ((Dot1AD(vlan=1), Dot1Q(vlan=2), IP(**V4), UDP(sport=7, dport=8)), (17, 7, 8)),
        ((IPv6(**V6), ICMPv6EchoRequest(id=77, seq=1)), (58, 77, 77)),
        ((IP(**V4), ICMP(type=8, id=78)), (1, 78, 78)),
        ((IPv6(**V6), ICMPv6ND_NS(tgt="2001:db8::2")), (58, 0, 0)),
        ((IP(**V4), ICMP(type=3, code=3)), (1, 0, 0)),
        ((IPv6(**V6, nh=50), b"esp" * 9), (50, 0, 0)),
        ((IP(**V4), IPv6(**V6), TCP(sport=1, dport=2)), (41, 0, 0)),
        ((IPv6(**V6, nh=132), bytes(UDP(sport=9, dport=8))), (132, 9, 8)),
    ],
)
def test_protocol_and_ports(dry, layers, expected):
    dry.run(ether(*layers))
    flow = dry.the_flow()
    assert (flow.protocol, flow.source_port, flow.destination_port) == expected


def test_what_lies_behind_long_headers_is_copied(dry):
    dry.run(ether(IPv6(**V6, nh=0), frames.LONG_OPTIONS, TCP(sport=1, dport=2, flags="S")))
    flow = dry.the_flow()
    assert (flow.protocol, flow.source_port, flow.destination_port) == (6, 1, 2)
    assert flow.tcp_flags == 2


def test_only_the_first_fragment_has_ports(dry):
    udp = bytes(UDP(sport=5, dport=6)) + bytes(64)
    dry.run(ether(IPv6(**V6), IPv6ExtHdrFragment(nh=17, offset=0, m=1, id=1), udp))
    dry.run(ether(IPv6(**V6), IPv6ExtHdrFragment(nh=17, offset=9, m=0, id=1), udp))
    dry.run(ether(IP(**V4, proto=17, flags="MF", id=2), udp))
    dry.run(ether(IP(**V4, proto=17, frag=9, id=2), udp))
    found = sorted((flow.family, flow.source_port, flow.fragments) for flow in dry.seen())
    assert found == [("IPv4", 0, 1), ("IPv4", 5, 1), ("IPv6", 0, 1), ("IPv6", 5, 1)]


def test_an_atomic_fragment_is_no_fragment(dry):
    dry.run(ether(IPv6(**V6), IPv6ExtHdrFragment(offset=0, m=0, id=1), UDP(sport=5, dport=6)))
    flow = dry.the_flow()
    assert (flow.source_port, flow.fragments) == (5, 0)


@pytest.mark.parametrize(
    ("network", "network_length"), [(IPv6(**V6), 40), (IP(**V4), 20)], ids=["IPv6", "IPv4"]
)
@pytest.mark.parametrize(
    ("transport", "transport_length"),
    [
        (TCP(sport=1, dport=2, flags="A"), 20),
        (
            TCP(
                sport=1, dport=2, flags="A", options=[("Timestamp", (1, 2)), ("NOP", 0), ("NOP", 0)]
            ),
            32,
        ),
        (UDP(sport=1, dport=2), 8),
    ],
)
def test_a_super_packet_counts_as_its_segments(
    dry, network, network_length, transport, transport_length
):
    dry.run(ether(network, transport, bytes(3000)), segments=3, size=1000)
    flow = dry.the_flow()
    assert flow.packets == 3
    assert flow.bytes == 3000 + 3 * (network_length + transport_length)
    assert dry.books().packets == 3


def test_what_is_not_ip_is_counted_apart(dry):
    dry.run(ether(ARP()))
    dry.run(ether(IPv6(**V6, version=5), bytes(20)))
    dry.run(ether(IP(**V4, ihl=4), bytes(20)))
    books = dry.books()
    assert (books.foreign, books.broken, books.packets) == (1, 2, 0)
    assert dry.seen() == []


def test_two_cpus_count_one_flow(loaded_program):
    loaded_program.reset()
    before = os.sched_getaffinity(0)
    try:
        for cpu in before:
            os.sched_setaffinity(0, {cpu})
            loaded_program.run(TCP6, repeat=100)
    finally:
        os.sched_setaffinity(0, before)
    flow = loaded_program.the_flow()
    assert flow.packets == 100 * len(before)
    assert flow.bytes == 70 * 100 * len(before)
    assert flow.tcp_flags == 2
    assert loaded_program.books().inserted == 1


def burst(flows, count):
    program = flows.module.program("ethernet_ingress")
    for number in range(count):
        # source port and the end of the source address: every frame is a flow of its own
        frame = bytearray(TCP6)
        frame[34:38] = number.to_bytes(4)
        bpfcall.dry_run(program, bytes(frame))


def test_twenty_thousand_new_flows_are_all_there(dry):
    burst(dry.flows, 20_000)
    (report,) = dry.flows.reports()
    assert report.counted == 20_000
    assert report.recorded == 20_000
    assert (report.evicted, report.lost) == (0, 0)
    assert len({flow.source for flow in dry.seen()}) == 20_000


def test_a_table_that_is_too_small_says_exactly_what_it_lost():
    with Flows.open([LOOPBACK], entries=1024) as flows:
        burst(flows, 5000)
        (report,) = flows.reports()
        assert report.counted == 5000
        assert 0 < report.recorded <= 1024
        assert report.evicted + report.recorded + report.lost == 5000
        assert report.recorded == len(list(flows.read().page()))


def test_pages_are_parts_of_the_whole(dry):
    burst(dry.flows, 25)
    snapshot = dry.flows.read()
    assert len(snapshot) == 25
    everything = list(snapshot.page())
    assert list(snapshot.page(0, 10)) + list(snapshot.page(10)) == everything
    assert list(snapshot.page(30, 40)) == []


def test_two_taps_of_one_index_are_refused():
    with pytest.raises(ProbeRefusedError, match=r"has index 1, and so has"):
        Flows.open([LOOPBACK, dataclasses.replace(LOOPBACK, name="other")])


def test_books_have_a_place_for_every_tap():
    def taps(*indexes):
        return tuple(dataclasses.replace(LOOPBACK, name=str(i), index=i) for i in indexes)

    assert flows_module._slots(taps(1, 2, 63), 0) == 64
    assert flows_module._slots(taps(1, 65), 0) == 128
    assert flows_module._slots(taps(1, 2), 300) == 512
    assert flows_module._slots(taps(7, 7 + 64 * 1024 // 2), 0) == 65_536
    with pytest.raises(ProbeRefusedError, match="do not fit"):
        flows_module._slots(taps(1, 1 + 65_536), 0)


@pytest.mark.parametrize("program", sorted(PROGRAMS.values()))
def test_every_entry_counts_in_its_own_direction(dry, program):
    bare = program.startswith("bare")
    # TEST_RUN hands a bare program the Ethernet header, which is no IP header: counted as broken
    dry.run(TCP6, program=program)
    books = dry.books()
    assert (books.packets, books.broken) == ((0, 1) if bare else (1, 0))
    if not bare:
        assert dry.the_flow().leaving is program.endswith("egress")


def test_all_honest_frames_are_read(dry):
    for frame in frames.bases():
        dry.run(frame)
    books = dry.books()
    # ARP, and what has three VLAN tags
    assert (books.foreign, books.broken) == (2, 0)
    assert books.packets == len(frames.bases()) - 2
