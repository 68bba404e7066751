"""Stamps: what translators keep gives the same stamp in both families, everything else another one."""

import time
from ipaddress import ip_address

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)

from dataplane.kernel import bpfcall
from dataplane.model.address import Family
from dataplane.model.seen import PacketKind, Quoted
from probes.flows import ALWAYS, SAMPLE_MASK, Flows
from probes.stamps import Stamps
from tests.bpf.conftest import LOOPBACK
from tests.bpf.frames import V4, V6, ether

pytestmark = pytest.mark.needs("root", "bpf")

PAYLOAD = bytes(range(100, 160))


def six(*layers):
    return ether(IPv6(**V6), *layers)


def four(*layers):
    return ether(IP(**V4), *layers)


def stamp_of(dry, frame, **context):
    """Return the stamp of a frame, None when it gets none."""
    before = len(dry.packets())
    dry.run(frame, **context)
    new = dry.packets()[before:]
    return new[0].stamp if new else None


def test_every_field_of_a_packet(dry):
    before = time.monotonic_ns()
    dry.run(six(TCP(sport=40000, dport=443, seq=7, flags="S")), program="ethernet_egress")
    (packet,) = dry.packets()
    assert packet.tap == "tap"
    assert packet.leaving is True
    assert before < packet.time_ns < time.monotonic_ns()
    assert packet.packet is PacketKind.TCP_SYN
    assert 0 < packet.stamp < 2**64
    assert packet.family is Family.IPV6
    assert packet.protocol == 6
    assert (packet.source, packet.source_port) == (ip_address(V6["src"]), 40000)
    assert (packet.destination, packet.destination_port) == (ip_address(V6["dst"]), 443)
    assert packet.length == 40 + 20


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (four(TCP(flags="S", seq=1)), PacketKind.TCP_SYN),
        (six(TCP(flags="SA", seq=1)), PacketKind.TCP_SYN_ACK),
        (six(TCP(flags="RA", ack=1)), PacketKind.TCP_RST),
        (six(TCP(flags="R", seq=1)), PacketKind.TCP_RST),
        (four(UDP(sport=1, dport=2), b"x"), PacketKind.UDP),
        (six(ICMPv6EchoRequest(id=1, seq=1)), PacketKind.ECHO_REQUEST),
        (four(ICMP(type=8, id=1, seq=1)), PacketKind.ECHO_REQUEST),
        (six(ICMPv6EchoReply(id=1, seq=1)), PacketKind.ECHO_REPLY),
        (four(ICMP(type=0, id=1, seq=1)), PacketKind.ECHO_REPLY),
    ],
)
def test_every_kind(dry, frame, kind):
    dry.run(frame)
    (packet,) = dry.packets()
    assert packet.packet is kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            six(TCP(sport=1, dport=80, seq=99, flags="S")),
            four(TCP(sport=60001, dport=80, seq=99, flags="S", options=[("MSS", 1200)])),
            id="a SYN through NAT64",
        ),
        pytest.param(
            six(TCP(sport=1, dport=80, seq=99, flags="S")),
            four(TCP(sport=80, dport=60001, seq=0, ack=100, flags="RA")),
            id="a SYN and the reset that answers it",
        ),
        pytest.param(
            six(TCP(seq=0xFFFFFFFF, flags="S")),
            six(TCP(ack=0, flags="RA")),
            id="the same where the sequence number wraps",
        ),
        pytest.param(
            six(UDP(sport=1, dport=2), PAYLOAD),
            four(UDP(sport=3, dport=4), PAYLOAD),
            id="a datagram through NAT64",
        ),
        pytest.param(
            six(IPv6ExtHdrHopByHop(), UDP(sport=1, dport=2), b"ab"),
            four(UDP(sport=3, dport=4), b"ab"),
            id="a datagram that lost its extension header",
        ),
        pytest.param(
            six(UDP(sport=1, dport=2)), four(UDP(sport=1, dport=2)), id="an empty datagram"
        ),
        pytest.param(
            six(UDP(sport=1, dport=2), b"ab"),
            six(UDP(sport=1, dport=2), b"ab") + bytes(12),
            id="a datagram that Ethernet padded",
        ),
        pytest.param(
            six(ICMPv6EchoRequest(id=5, seq=3, data=PAYLOAD)),
            four(ICMP(type=8, id=9, seq=3), PAYLOAD),
            id="an echo request with another identifier",
        ),
        pytest.param(
            six(ICMPv6EchoReply(id=5, seq=3, data=PAYLOAD)),
            four(ICMP(type=0, id=9, seq=3), PAYLOAD),
            id="an echo reply",
        ),
    ],
)
def test_what_translators_keep_gives_the_same_stamp(dry, one, other):
    first = stamp_of(dry, one)
    assert first is not None
    assert stamp_of(dry, other) == first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(six(TCP(seq=1, flags="S")), six(TCP(seq=2, flags="S")), id="sequence number"),
        pytest.param(six(UDP(), b"ab"), six(UDP(), b"ac"), id="payload"),
        pytest.param(six(UDP(), b"ab"), six(UDP(), b"ab\0"), id="length"),
        pytest.param(six(UDP(), PAYLOAD), six(UDP(), PAYLOAD + b"x"), id="length behind the 32nd"),
        pytest.param(
            six(ICMPv6EchoRequest(seq=1)), six(ICMPv6EchoRequest(seq=2)), id="echo sequence number"
        ),
        pytest.param(
            six(ICMPv6EchoRequest(seq=1)), six(ICMPv6EchoReply(seq=1)), id="request and reply"
        ),
    ],
)
def test_another_content_gives_another_stamp(dry, one, other):
    first, second = stamp_of(dry, one), stamp_of(dry, other)
    assert first is not None
    assert second is not None
    assert first != second


def test_only_the_first_32_octets_of_a_payload_count(dry):
    changed = PAYLOAD[:32] + b"?" * (len(PAYLOAD) - 32)
    assert stamp_of(dry, six(UDP(), PAYLOAD)) == stamp_of(dry, six(UDP(), changed))


def test_a_super_packet_has_the_stamp_of_its_first_segment(dry):
    segment = stamp_of(dry, six(UDP(), (PAYLOAD * 20)[:1000]))
    assert stamp_of(dry, six(UDP(), (PAYLOAD * 60)[:3000]), segments=3, size=1000) == segment


@pytest.mark.parametrize(
    ("frame", "context", "length"),
    [
        pytest.param(six(UDP(), bytes(1232)), {}, 1280, id="IPv6"),
        pytest.param(four(UDP(), bytes(1232)), {}, 1260, id="IPv4"),
        pytest.param(four(UDP(), b"") + bytes(18), {}, 28, id="padded by Ethernet"),
        pytest.param(
            six(UDP(), bytes(3000)),
            {"segments": 3, "size": 1000},
            1048,
            id="the first segment of a super-packet",
        ),
    ],
)
def test_a_packet_tells_its_length(dry, frame, context, length):
    dry.run(frame, **context)
    (packet,) = dry.packets()
    assert packet.length == length


SIX, FOUR = (tuple(map(ip_address, (v["src"], v["dst"]))) for v in (V6, V4))


@pytest.mark.parametrize(
    ("frame", "family", "mtu", "refused"),
    [
        pytest.param(
            six(ICMPv6PacketTooBig(mtu=1400), IPv6(**V6), TCP(sport=5, dport=6), bytes(64)),
            Family.IPV6,
            1400,
            (6, *SIX, 5, 6),
            id="ICMPv6",
        ),
        pytest.param(
            six(
                ICMPv6PacketTooBig(mtu=1280),
                IPv6(**V6),
                IPv6ExtHdrFragment(nh=17, m=1, id=1),
                UDP(sport=5, dport=6),
            ),
            Family.IPV6,
            1280,
            (17, *SIX, 5, 6),
            id="of a fragment",
        ),
        pytest.param(
            six(ICMPv6PacketTooBig(mtu=70000), bytes(IPv6(**V6, nh=6))),
            Family.IPV6,
            70000,
            (6, *SIX, 0, 0),
            id="that quotes no more than a header",
        ),
        pytest.param(
            four(ICMP(type=3, code=4, nexthopmtu=1000), IP(**V4), UDP(sport=5, dport=6)),
            Family.IPV4,
            1000,
            (17, *FOUR, 5, 6),
            id="ICMPv4",
        ),
    ],
)
def test_what_was_too_big_is_told_with_what_the_message_quotes(dry, frame, family, mtu, refused):
    before = time.monotonic_ns()
    dry.run(frame, program="ethernet_egress")
    assert not dry.packets()
    (told,) = dry.stamps.too_big()
    assert (told.tap, told.leaving, told.family, told.mtu) == ("tap", True, family, mtu)
    assert before < told.time_ns < time.monotonic_ns()
    assert (told.source, told.destination) == (SIX if family is Family.IPV6 else FOUR)
    names = ("protocol", "source", "destination", "source_port", "destination_port")
    assert told.refused == Quoted(**dict(zip(names, refused, strict=True)))


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(six(ICMPv6PacketTooBig(mtu=1400), b"short"), id="nothing readable quoted"),
        pytest.param(four(ICMP(type=3, code=1), IP(**V4), UDP()), id="another code"),
        pytest.param(
            six(IPv6ExtHdrFragment(nh=58, offset=9, id=1), bytes(ICMPv6PacketTooBig())),
            id="later fragment",
        ),
    ],
)
def test_other_errors_tell_of_nothing_too_big(dry, frame):
    dry.run(frame)
    assert not dry.packets()
    assert not dry.stamps.too_big()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(six(TCP(flags="A"), b"data"), id="TCP data"),
        pytest.param(six(TCP(flags="FA")), id="FIN"),
        pytest.param(six(ICMPv6ND_NS(tgt="2001:db8::1")), id="neighbour solicitation"),
        pytest.param(six(IPv6ExtHdrFragment(nh=17, offset=9, id=1), PAYLOAD), id="later fragment"),
        pytest.param(
            six(IPv6ExtHdrFragment(nh=17, m=1, id=1), bytes(UDP(len=2000)) + b"1234"),
            id="first fragment of too few octets",
        ),
        pytest.param(six(UDP(len=500), b"short"), id="length that lies"),
        pytest.param(
            ether(IPv6(src="fe80::1", dst="fe80::2"), ICMPv6EchoRequest(seq=1)), id="link-local"
        ),
        pytest.param(
            ether(IPv6(src="2001:db8::1", dst="ff02::fb"), UDP(dport=5353), b"x"), id="multicast"
        ),
        pytest.param(
            ether(IP(src="192.0.2.1", dst="224.0.0.251"), UDP(dport=5353), b"x"),
            id="multicast, IPv4",
        ),
        pytest.param(
            ether(IP(src="192.0.2.1", dst="169.254.1.1"), UDP(dport=1), b"x"), id="link-local, IPv4"
        ),
    ],
)
def test_what_gets_no_stamp(dry, frame):
    assert stamp_of(dry, frame) is None
    assert dry.books().packets == 1


def test_beyond_the_first_ones_a_datagram_is_sampled_by_its_stamp(dry):
    frames = [six(UDP(sport=1, dport=2), number.to_bytes(4)) for number in range(3000)]
    for frame in frames:
        dry.run(frame)
    stamps = [packet.stamp for packet in dry.packets()]
    sampled = stamps[ALWAYS:]
    assert all(not stamp & SAMPLE_MASK for stamp in sampled)
    assert 3 <= len(sampled) <= 40  # 1 in 256 of 2,984
    # the other direction, like another tap, chooses the same ones
    for frame in frames:
        dry.run(frame, program="ethernet_egress")
    chosen = {packet.stamp for packet in dry.packets() if packet.leaving}
    assert set(sampled) <= chosen


def test_every_syn_is_stamped(dry):
    for number in range(100):
        dry.run(six(TCP(sport=1, dport=2, seq=number, flags="S")))
    assert len({packet.stamp for packet in dry.packets()}) == 100


def test_events_that_find_no_room_are_counted(dry):
    syn = six(TCP(flags="S"))
    dry.run(syn, repeat=100_000)
    books = dry.books()
    assert books.lost > 0
    assert books.stamped + books.lost == 100_000
    assert len(dry.packets()) == books.stamped
    (report,) = dry.stamps.reports()
    assert (report.probe, report.where, report.hook) == ("stamps", "tap", "none")
    assert (report.counted, report.recorded) == (100_000, books.stamped)
    assert (report.lost, report.evicted) == (books.lost, 0)


def test_events_that_nobody_takes_are_dropped_and_reported():
    with Flows.open([LOOPBACK], stamping=True) as flows:
        stamps = Stamps(flows, most=3)
        program = flows.module.program("ethernet_ingress")
        for number in range(5):
            bpfcall.dry_run(program, six(TCP(seq=number, flags="S")))
        stamps.ring.consume()
        (report,) = stamps.reports()
        assert (report.recorded, report.evicted) == (5, 2)
        assert len(stamps.read()) == 3


def test_counting_alone_stamps_nothing(dry):
    settings = dry.flows.module.table("settings")
    before = settings.get(settings.key.pack())
    settings.put(settings.key.pack(), settings.value.pack(tap_mask=63))
    try:
        assert stamp_of(dry, six(TCP(flags="S"))) is None
    finally:
        settings.put(settings.key.pack(), before)
    assert dry.books().packets == 1
