"""Frames to try the packet program with: honest ones from scapy, and what mutation makes of them."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH, ESP
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP

MAC = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
V6 = {"src": "2001:db8::1", "dst": "2001:db8:2::2"}
V4 = {"src": "192.0.2.1", "dst": "198.51.100.2"}
PAYLOAD = bytes(range(48))


LONG_OPTIONS = bytes((6, 255)) + bytes(2046)  # Pad1 options (RFC 8200 section 4.2)
UDP_BEHIND_OPTIONS = bytes((17,)) + LONG_OPTIONS[1:]


def ether(*layers):
    """Put layers on top of an Ethernet header and return the octets."""
    packet = Ether(**MAC)
    for layer in layers:
        packet /= layer
    return bytes(packet)


def bases():
    """One honest frame for every branch of the parser."""
    six, four = IPv6(**V6), IP(**V4)
    tcp, udp = TCP(sport=40000, dport=443, seq=0x12345678, flags="S"), UDP(sport=5353, dport=53)
    payload = PAYLOAD
    return [
        ether(six, tcp),
        ether(four, tcp),
        ether(six, TCP(sport=1, dport=2, flags="SA", seq=9, ack=10)),
        ether(four, TCP(sport=1, dport=2, flags="RA", seq=9, ack=0)),
        ether(six, TCP(sport=1, dport=2, flags="R", seq=9, ack=10)),
        ether(six, TCP(sport=1, dport=2, flags="A"), payload),
        ether(six, udp, payload),
        ether(four, udp, payload[:5]),
        ether(six, udp),
        ether(four, UDP(sport=7, dport=9, chksum=0), payload[:31]),
        ether(six, ICMPv6EchoRequest(id=77, seq=3, data=payload)),
        ether(six, ICMPv6EchoReply(id=77, seq=3, data=payload)),
        ether(four, ICMP(type=8, id=77, seq=3), payload),
        ether(four, ICMP(type=0, id=77, seq=3), payload[:7]),
        ether(four, ICMP(type=3, code=1), payload),
        ether(six, ICMPv6PacketTooBig(mtu=1280), payload),
        ether(six, IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), tcp),
        ether(six, IPv6ExtHdrRouting(addresses=["2001:db8::9"]), udp, payload),
        ether(six, IPv6ExtHdrFragment(offset=0, m=1, id=5), udp, payload),
        ether(six, IPv6ExtHdrFragment(offset=9, m=0, id=5, nh=17), payload),
        ether(six, IPv6ExtHdrFragment(offset=0, m=0, id=5), ICMPv6EchoRequest(id=1, seq=1)),
        ether(six, *[IPv6ExtHdrDestOpt() for _ in range(8)], tcp),
        ether(six, *[IPv6ExtHdrDestOpt() for _ in range(9)], tcp),
        # headers so long that what follows is not looked for where it lies
        ether(IPv6(**V6, nh=0), LONG_OPTIONS, TCP(sport=1, dport=2, flags="S", seq=9)),
        ether(IPv6(**V6, nh=0), UDP_BEHIND_OPTIONS, udp, payload),
        ether(six, AH(spi=1, seq=1, icv=bytes(12)), tcp),
        ether(six, ESP(spi=1, seq=1, data=payload)),
        ether(IPv6(**V6, nh=59), payload),
        ether(IPv6(**V6, plen=0), IPv6ExtHdrHopByHop(), udp, payload),
        ether(six, SCTP(sport=38412, dport=38412), payload),
        ether(IPv6(**V6, nh=136), bytes(udp), payload),
        ether(IP(**V4, proto=33), bytes(udp), payload),
        ether(IP(**V4, flags="MF", id=9), udp, payload),
        ether(IP(**V4, frag=40, id=9, proto=17), payload),
        ether(IP(**V4, options=b"\x07\x07\x04\0\0\0\0\0"), tcp),
        ether(four, IPv6(**V6), tcp),
        ether(Dot1Q(vlan=7), six, tcp),
        ether(Dot1AD(vlan=7), Dot1Q(vlan=8), four, udp, payload),
        ether(Dot1AD(vlan=7), Dot1Q(vlan=8), Dot1Q(vlan=9), four, udp, payload),
        ether(ARP()),
    ]


def mutations(count, seed):
    """Yield frames made from honest ones: truncated, with octets changed, with chains of headers."""
    dice = random.Random(seed)
    honest = bases()
    for _ in range(count):
        frame = bytearray(dice.choice(honest))
        if dice.random() < 0.3:
            frame[14:14] = b""
            _put_headers(dice, frame)
        for _ in range(dice.choice((0, 1, 1, 2, 4))):
            # mostly headers: a changed address or payload takes no other branch
            place = dice.randrange(12, min(len(frame), 90))
            frame[place] = dice.choice((dice.randrange(256), *INTERESTING))
        if dice.random() < 0.4:
            del frame[dice.randrange(14, len(frame) + 1) :]
        elif dice.random() < 0.1:
            frame += dice.randbytes(dice.randrange(1, 1400))
        yield bytes(frame)


INTERESTING = (0, 1, 4, 5, 6, 17, 43, 44, 50, 51, 58, 59, 60, 132, 135, 139, 140, 0x45, 0x60, 0xFF)


def _put_headers(dice, frame):
    """Put one to ten extension headers behind the IPv6 header, with lengths that need not be true."""
    if frame[12:14] != b"\x86\xdd" or len(frame) < 54:
        return
    chain, following = bytearray(), frame[20]
    for _ in range(dice.randint(1, 10)):
        kind = dice.choice((0, 43, 44, 51, 60, 135, 139, 140))
        octets = dice.choice((0, 0, 0, 1, 2, dice.randrange(256)))
        size = 8 if kind == 44 else 4 * (octets + 2) if kind == 51 else 8 * (octets + 1)
        header = bytearray(dice.randbytes(min(size, 64)))
        header[0], header[1] = following, octets
        if kind == 44:
            header[2:4] = dice.choice((b"\0\0", b"\0\1", b"\0\x08", b"\x12\x39"))
        chain[:0] = header
        following = kind
    frame[20] = following
    frame[54:54] = chain
    frame[18:20] = (len(frame) - 54).to_bytes(2)
