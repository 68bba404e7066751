"""What the check `overlay` knows encapsulations by is what the packet program reads from real ones."""

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN

from dataplane.checks.overlay import encapsulation
from tests.bpf.frames import V4, V6, ether

pytestmark = pytest.mark.needs("root", "bpf")

INNER6 = IPv6(src="2001:db8:a::1", dst="2001:db8:b::1") / TCP(sport=1, dport=2)
INNER4 = IP(src="198.18.0.1", dst="198.18.1.1") / TCP(sport=1, dport=2)
FRAME = Ether() / INNER6
HANDSHAKE = b"\x01\0\0\0" + bytes(144)  # WireGuard's first message


@pytest.mark.parametrize(
    ("layers", "name"),
    [
        ((IPv6(**V6), UDP(sport=50_000, dport=4789), VXLAN(vni=1), FRAME), "VXLAN"),
        ((IP(**V4), UDP(sport=50_000, dport=8472), VXLAN(vni=1), FRAME), "VXLAN"),
        ((IPv6(**V6), UDP(sport=50_000, dport=6081), GENEVE(vni=1), FRAME), "Geneve"),
        ((IPv6(**V6), UDP(sport=51_820, dport=51_820), HANDSHAKE), "WireGuard"),
        ((IP(**V4), INNER4), "IPIP"),
        ((IPv6(**V6), INNER4), "4in6"),
        ((IP(**V4), INNER6), "6in4"),
        ((IPv6(**V6), INNER6), "6in6"),
        ((IP(**V4), GRE(), INNER6), "GRE"),
        ((IPv6(**V6), GRE(), INNER6), "GRE"),
        ((IPv6(**V6), IPv6ExtHdrFragment(nh=41, offset=9, m=0, id=1), bytes(64)), "6in6"),
        ((IPv6(**V6), UDP(sport=4789, dport=53), b"dns"), None),
        ((IPv6(**V6), TCP(sport=50_000, dport=4789)), None),
    ],
)
def test_an_encapsulation_is_known_by_what_was_read_of_its_packet(dry, layers, name):
    dry.run(ether(*layers))

    assert encapsulation(dry.the_flow()) == name
