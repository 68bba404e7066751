"""DNS messages are told with what is in them where that is asked for; nothing else is taken for one."""

import time
from ipaddress import ip_address

import dns.message
import dns.rrset
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6, IPv6ExtHdrFragment

from dataplane.model.address import Family
from tests.bpf.conftest import Dry, pinned
from tests.bpf.frames import V4, V6, ether

pytestmark = pytest.mark.needs("root", "bpf")

QUERY = dns.message.make_query("Www.Example.org", "AAAA", id=4711)
ANSWER_TO = UDP(sport=53, dport=40000)
ASKED_FROM = UDP(sport=40000, dport=53)


@pytest.fixture(scope="module")
def opened():
    dry = Dry(names=True)
    yield dry
    dry.flows.close()


@pytest.fixture
def asking(opened):
    with pinned():
        opened.reset()
        yield opened


def told(dry):
    dry.stamps.ring.consume()
    return dry.stamps.take_dns()


def answer(count=1):
    made = dns.message.make_response(QUERY)
    values = [f"2001:db8::{number:x}" for number in range(1, count + 1)]
    made.answer.append(dns.rrset.from_text("www.example.org.", 60, "IN", "AAAA", *values))
    return made.to_wire()


def test_every_field_of_an_answer(asking):
    before = time.monotonic_ns()
    asking.run(ether(IPv6(**V6), ANSWER_TO, answer()))

    (seen,) = told(asking)
    assert (seen.tap, seen.leaving, seen.family) == ("tap", False, Family.IPV6)
    assert (str(seen.source), str(seen.destination)) == (V6["src"], V6["dst"])
    assert (seen.source_port, seen.destination_port) == (53, 40000)
    assert (seen.identifier, seen.response, seen.rcode) == (4711, True, "NOERROR")
    assert (seen.name, seen.type) == ("www.example.org", "AAAA")
    assert (seen.addresses, seen.whole) == ((ip_address("2001:db8::1"),), True)
    assert before < seen.time_ns < time.monotonic_ns()
    assert told(asking) == ()
    (report,) = asking.stamps.reports()
    assert (report.recorded, report.evicted, report.lost) == (
        2,
        0,
        0,
    )  # its stamp, and what it says
    assert len(asking.packets()) == 1


def test_a_question_that_leaves(asking):
    asking.run(ether(IP(**V4), ASKED_FROM, QUERY.to_wire()), program="ethernet_egress")

    (seen,) = told(asking)
    assert (seen.leaving, seen.response, seen.family) == (True, False, Family.IPV4)
    assert (seen.destination_port, seen.name, seen.addresses) == (53, "www.example.org", ())


def test_a_resolver_with_a_link_local_address_is_heard(asking):
    asking.run(ether(IP(src="169.254.20.10", dst=V4["dst"]), ANSWER_TO, answer()))
    asking.run(ether(IP(src=V4["src"], dst="169.254.20.10"), ASKED_FROM, QUERY.to_wire()))

    assert [seen.response for seen in told(asking)] == [True, False]


@pytest.mark.parametrize(("count", "whole"), [(17, True), (18, False), (40, False)])
def test_of_a_long_message_the_beginning_is_kept(asking, count, whole):
    octets = answer(count)
    assert (len(octets) <= 512) is whole

    asking.run(ether(IPv6(**V6), ANSWER_TO, octets))

    (seen,) = told(asking)
    assert seen.whole is whole
    assert len(seen.addresses) == min(count, 17)


@pytest.mark.parametrize(
    "frame",
    [
        ether(IPv6(**V6), UDP(sport=54, dport=5353), answer()),
        ether(IPv6(**V6), TCP(sport=53, dport=5353, flags="PA"), answer()),
        ether(IPv6(**V6), UDP(sport=53, dport=5353)),
        ether(IPv6(**V6), UDP(sport=53, dport=5353), b"\1\2\3\4" * 9),
        ether(IPv6(**V6), IPv6ExtHdrFragment(offset=9, nh=17), ANSWER_TO, answer()),
    ],
    ids=["another-port", "tcp", "empty", "no-dns", "later-fragment"],
)
def test_nothing_else_is_told(asking, frame):
    asking.run(frame)

    assert told(asking) == ()
    assert asking.books().lost == 0


@pytest.mark.parametrize("code", [0, 1, 4])
def test_who_says_unreachable_is_told_with_the_packet(asking, code):
    packet = IPv6(**V6) / TCP(sport=40000, dport=443, flags="S")
    asking.run(ether(IPv6(src="2001:db8::f", dst=V6["src"]), ICMPv6DestUnreach(code=code), packet))

    asking.stamps.ring.consume()
    (seen,) = asking.stamps.take_unreachable()
    assert (str(seen.source), seen.code, seen.leaving) == ("2001:db8::f", code, False)
    assert (str(seen.refused.source), str(seen.refused.destination)) == (V6["src"], V6["dst"])
    assert (seen.refused.source_port, seen.refused.destination_port) == (40000, 443)
    assert asking.stamps.take_unreachable() == asking.stamps.too_big() == ()


def test_too_big_is_no_unreachable_in_ipv4(asking):
    packet = IP(**V4) / UDP(sport=40000, dport=443)
    for code in (3, 4):
        asking.run(ether(IP(src="192.0.2.9", dst=V4["src"]), ICMP(type=3, code=code), packet))

    asking.stamps.ring.consume()
    assert [seen.code for seen in asking.stamps.take_unreachable()] == [3]
    assert len(asking.stamps.too_big()) == 1


def test_without_being_asked_for_it_is_not_there(dry):
    dry.run(ether(IPv6(**V6), ANSWER_TO, answer()))

    assert told(dry) == ()
    assert dry.books().stamped == 1
