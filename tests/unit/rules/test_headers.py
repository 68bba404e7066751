"""What a captured frame's headers say, against frames that scapy builds."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether

from dataplane.model.address import Family
from dataplane.model.seen import PacketKind
from dataplane.rules.headers import headers

SIX = {"src": "2001:db8::1", "dst": "64:ff9b::c633:6404", "hlim": 61}
FOUR = {"src": "192.0.2.1", "dst": "198.51.100.4", "ttl": 60}


def read(packet, layer=3):
    return headers(bytes(packet), layer)


@pytest.mark.parametrize(
    ("packet", "kind"),
    [
        (TCP(sport=40_000, dport=80, flags="S"), PacketKind.TCP_SYN),
        (TCP(sport=40_000, dport=80, flags="SA"), PacketKind.TCP_SYN_ACK),
        (TCP(sport=40_000, dport=80, flags="RA"), PacketKind.TCP_RST),
        (TCP(sport=40_000, dport=80, flags="A"), None),
        (UDP(sport=40_000, dport=80), PacketKind.UDP),
    ],
)
def test_ends_hop_limit_and_length_of_both_families(packet, kind):
    six, four = read(IPv6(**SIX) / packet / b"abc"), read(IP(**FOUR) / packet / b"abc")

    assert (six.family, four.family) == (Family.IPV6, Family.IPV4)
    assert (six.hop_limit, four.hop_limit) == (61, 60)
    assert six.length == four.length + 20
    for found in (six, four):
        assert (found.packet, found.source_port, found.destination_port) == (kind, 40_000, 80)
    assert (str(six.source), str(four.destination)) == ("2001:db8::1", "198.51.100.4")


def test_the_same_packet_behind_ethernet_and_a_vlan_tag():
    packet = IPv6(**SIX) / UDP(sport=1, dport=2)

    assert read(Ether() / packet, 2) == read(Ether() / Dot1Q(vlan=5) / packet, 2) == read(packet)


def test_behind_extension_headers_and_in_first_fragments_only():
    datagram = UDP(sport=1, dport=2) / b"x"

    assert read(IPv6(**SIX) / IPv6ExtHdrDestOpt() / datagram).destination_port == 2
    assert read(IPv6(**SIX) / IPv6ExtHdrFragment(m=1) / datagram).destination_port == 2
    assert read(IPv6(**SIX) / IPv6ExtHdrFragment(offset=8) / datagram) is None
    assert read(IP(**FOUR, frag=8) / datagram) is None


def test_echoes_have_their_identifier_for_ports():
    for packet, kind in (
        (IPv6(**SIX) / ICMPv6EchoRequest(id=77), PacketKind.ECHO_REQUEST),
        (IPv6(**SIX) / ICMPv6EchoReply(id=77), PacketKind.ECHO_REPLY),
        (IP(**FOUR) / ICMP(type=8, id=77), PacketKind.ECHO_REQUEST),
        (IP(**FOUR) / ICMP(type=0, id=77), PacketKind.ECHO_REPLY),
    ):
        found = read(packet)
        assert (found.packet, found.source_port, found.destination_port) == (kind, 77, 77)


@pytest.mark.parametrize(
    ("packet", "complaint", "mtu"),
    [
        (IPv6(**SIX) / ICMPv6PacketTooBig(mtu=1400), "packet too big", 1400),
        (IPv6(**SIX) / ICMPv6DestUnreach(code=4), "port unreachable", None),
        (IPv6(**SIX) / ICMPv6DestUnreach(code=77), "unreachable, code 77", None),
        (IPv6(**SIX) / ICMPv6TimeExceeded(), "hop limit exceeded", None),
        (IP(**FOUR) / ICMP(type=3, code=4, nexthopmtu=576), "packet too big", 576),
        (IP(**FOUR) / ICMP(type=3, code=13), "administratively prohibited", None),
        (IP(**FOUR) / ICMP(type=11), "hop limit exceeded", None),
    ],
)
def test_errors_say_what_and_about_whom_though_little_is_quoted(packet, complaint, mtu):
    about = IPv6(**SIX) if packet.version == 6 else IP(**FOUR)
    quoted = bytes(about / TCP(sport=7, dport=8, flags="S"))[: len(about) + 8]  # RFC 792: 64 bits

    found = read(packet / quoted)

    assert (found.complaint, found.mtu, found.packet) == (complaint, mtu, None)
    assert (found.quoted.source_port, found.quoted.destination_port) == (7, 8)
    assert str(found.quoted.destination) == (SIX if packet.version == 6 else FOUR)["dst"]


def test_what_is_no_ip_and_what_is_cut_off_is_nothing():
    assert read(Ether() / ARP(), 2) is None
    whole = bytes(IPv6(**SIX) / TCP(sport=1, dport=2, flags="S"))
    for length in range(40 + 14):
        assert headers(whole[:length], 3) is None, length
    assert headers(whole[:54], 3) is not None
