"""DHCPv6 messages are told with what is in them; nothing else is taken for one."""

import time
from ipaddress import ip_address

import pytest
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_RelayForward,
    DHCP6_Reply,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptDNSServers,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptServerId,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment

from dataplane.model.seen import DhcpMessage
from tests.bpf.frames import V4, V6, ether

pytestmark = pytest.mark.needs("root", "bpf")

HOST, SERVER, ALL_SERVERS = "fe80::10", "fe80::547", "ff02::1:2"
MAC = "02:53:00:00:03:ea"
LEASED = DHCP6OptIA_NA(ianaopts=[DHCP6OptIAAddress(addr="2001:db8::10", preflft=9, validlft=9)])
TO_CLIENT = UDP(sport=547, dport=546)
TO_SERVER = UDP(sport=546, dport=547)


def reply(*options):
    message = DHCP6_Reply(trid=0xABCDEF) / DHCP6OptServerId(duid=DUID_LL(lladdr=MAC)) / LEASED
    for option in options:
        message /= option
    return message


def test_every_field_of_a_reply(dry):
    before = time.monotonic_ns()
    dry.run(ether(IPv6(src=SERVER, dst=HOST), TO_CLIENT, reply()))

    assert not dry.packets()
    assert not dry.discoveries()
    (told,) = dry.dhcp()
    assert (told.tap, told.leaving) == ("tap", False)
    assert (told.message, told.transaction) == (DhcpMessage.REPLY, 0xABCDEF)
    assert (told.source, told.destination) == (ip_address(SERVER), ip_address(HOST))
    assert (told.client, told.server) == (None, "00030001" + MAC.replace(":", ""))
    assert (told.addresses, told.whole) == ((ip_address("2001:db8::10"),), True)
    assert before < told.time_ns < time.monotonic_ns()
    assert dry.books().stamped == 1


def test_a_solicit_that_leaves(dry):
    message = DHCP6_Solicit(trid=1) / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC))
    dry.run(ether(IPv6(src=HOST, dst=ALL_SERVERS), TO_SERVER, message), program="ethernet_egress")

    (told,) = dry.dhcp()
    assert (told.leaving, told.message) == (True, DhcpMessage.SOLICIT)
    assert (told.client, told.addresses) == ("00030001" + MAC.replace(":", ""), ())


@pytest.mark.parametrize("room", [255, 256, 257, 900])
def test_of_a_long_message_the_beginning_is_kept(dry, room):
    short = len(bytes(reply()))
    servers, rest = divmod(room - short - 4, 16)
    more = DHCP6OptDNSServers(dnsservers=["2001:db8::53"] * servers)
    octets = bytes(reply(more)) + bytes(rest)
    assert len(octets) == room

    dry.run(ether(IPv6(src=SERVER, dst=HOST), TO_CLIENT, octets))

    (told,) = dry.dhcp()
    assert told.addresses == (ip_address("2001:db8::10"),)
    if room > 256:
        assert not told.whole


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(
            ether(IPv6(src=SERVER, dst=HOST), UDP(sport=547, dport=5460), reply()),
            id="another port",
        ),
        pytest.param(
            ether(IPv6(src=SERVER, dst=HOST), UDP(sport=547, dport=546)), id="an empty datagram"
        ),
        pytest.param(
            ether(IPv6(src=SERVER, dst=HOST), TO_SERVER, DHCP6_RelayForward()), id="of a relay"
        ),
        pytest.param(ether(IP(**V4), TO_CLIENT, bytes(reply())), id="inside IPv4"),
        pytest.param(
            ether(
                IPv6(src=SERVER, dst=HOST),
                IPv6ExtHdrFragment(nh=17, offset=9, id=1),
                bytes(TO_CLIENT / reply()),
            ),
            id="later fragment",
        ),
    ],
)
def test_what_is_none(dry, frame):
    dry.run(frame)
    assert not dry.dhcp()
    assert dry.books().packets == 1


def test_what_leaves_its_link_is_stamped_like_any_datagram(dry):
    dry.run(ether(IPv6(**V6), TO_CLIENT, reply()))
    assert not dry.dhcp()
    assert len(dry.packets()) == 1


def test_a_header_that_says_more_than_there_is(dry):
    octets = bytes(reply())
    dry.run(ether(IPv6(src=SERVER, dst=HOST), UDP(sport=547, dport=546, len=600), octets))

    (told,) = dry.dhcp()
    assert not told.whole


def test_what_was_told_is_forgotten_with_the_packets_that_are_taken(dry):
    dry.run(ether(IPv6(src=SERVER, dst=HOST), TO_CLIENT, reply()))
    assert len(dry.dhcp()) == 1
    assert dry.stamps.take() == ()
    assert dry.dhcp() == []
    assert {report.evicted for report in dry.stamps.reports()} == {0}
