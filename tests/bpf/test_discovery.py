"""Messages of neighbour discovery are told with what they are about; nothing else is taken for one."""

import time
from ipaddress import ip_address

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    IPv6,
    IPv6ExtHdrFragment,
)

from dataplane.model.seen import DiscoveryMessage
from tests.bpf.frames import V4, V6, ether

pytestmark = pytest.mark.needs("root", "bpf")

TARGET = "fe80::abcd"


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (ICMPv6ND_RS(), (DiscoveryMessage.ROUTER_SOLICITATION, None, None)),
        (ICMPv6ND_RA(routerlifetime=1800), (DiscoveryMessage.ROUTER_ADVERTISEMENT, None, 1800)),
        (ICMPv6ND_RA(routerlifetime=0), (DiscoveryMessage.ROUTER_ADVERTISEMENT, None, 0)),
        (ICMPv6ND_NS(tgt=TARGET), (DiscoveryMessage.NEIGHBOUR_SOLICITATION, TARGET, None)),
        (ICMPv6ND_NA(tgt=TARGET), (DiscoveryMessage.NEIGHBOUR_ADVERTISEMENT, TARGET, None)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_field_of_a_message(dry, message, wanted):
    before = time.monotonic_ns()
    dry.run(ether(IPv6(src="fe80::1", dst="ff02::1"), message), program="ethernet_egress")
    assert not dry.packets()
    assert not dry.stamps.too_big()
    (told,) = dry.discoveries()
    assert (told.tap, told.leaving) == ("tap", True)
    assert (told.source, told.destination) == (ip_address("fe80::1"), ip_address("ff02::1"))
    kind, target, lifetime = wanted
    assert told.message is kind
    assert told.target == (None if target is None else ip_address(target))
    assert told.lifetime == lifetime
    assert before < told.time_ns < time.monotonic_ns()
    assert dry.books().stamped == 1


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(ether(IPv6(**V6), ICMPv6ND_Redirect()), id="a redirect: another form"),
        pytest.param(ether(IPv6(**V6, nh=58), bytes(ICMPv6ND_NS())[:12]), id="cut off"),
        pytest.param(ether(IP(**V4, proto=58), bytes(ICMPv6ND_NS())), id="inside IPv4"),
        pytest.param(
            ether(IPv6(**V6), IPv6ExtHdrFragment(nh=58, offset=9, id=1), bytes(ICMPv6ND_NS())),
            id="later fragment",
        ),
    ],
)
def test_what_is_none(dry, frame):
    dry.run(frame)
    assert not dry.discoveries()
    assert dry.books().packets == 1


def test_what_was_told_is_forgotten_with_the_packets_that_are_taken(dry):
    dry.run(ether(IPv6(**V6), ICMPv6ND_NS(tgt=TARGET)))
    dry.run(ether(IPv6(**V6), UDP(sport=1, dport=2), b"x"))
    assert len(dry.discoveries()) == 1
    assert len(dry.stamps.take()) == 1
    assert dry.discoveries() == []
    assert {report.evicted for report in dry.stamps.reports()} == {0}
