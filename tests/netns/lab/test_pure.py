"""The lab's pure parts: DNS on the wire, prefixes that stand in for others, rulesets, names."""

import dataclasses
import ipaddress
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

import dns.message
import dns.rrset
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, IPv6

from dataplane.model.address import Family
from dataplane.model.topology import MasqueradeSpec, ServiceRule
from dataplane.rules import rfc1035
from labs import netfilter
from labs.engines import relay
from labs.resolution import nameservers
from labs.services import chain_name, render_services
from tests.netns.lab.world import world

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)
V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
LOCAL_USE = st.integers(0, 0xFFFF_FFFF_FFFF).map(
    lambda middle: IPv6Network((0x0064_FF9B_0001 << 80 | middle << 32, 96))
)


@given(NAME, st.sampled_from(["A", "AAAA", "PTR", "SOA", "TXT"]), st.integers(0, 0xFFFF))
def test_a_query_is_what_dnspython_makes_of_it(name, type_, number):
    theirs = dns.message.make_query(name, type_, id=number)
    assert rfc1035.query(number, name, type_) == theirs.to_wire()


@given(NAME, st.lists(V4, max_size=3), st.lists(V6, max_size=3), NAME)
def test_an_answer_is_what_dnspython_put_into_it(name, four, six, target):
    query = dns.message.make_query(name, "AAAA", id=7)
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{target}."))
    for type_, values in (("A", four), ("AAAA", six)):
        if values:
            response.answer.append(
                dns.rrset.from_text(f"{target}.", 60, "IN", type_, *map(str, values))
            )
    found = rfc1035.answer(response.to_wire(), 7, query.to_wire())
    assert found.rcode == "NOERROR"
    assert found.values("CNAME") == (target,)
    assert set(found.values("A")) == set(map(str, four))
    assert set(found.values("AAAA")) == {str(address) for address in six}


@given(st.binary(max_size=200))
def test_a_hostile_answer_is_refused_not_believed(data):
    question = rfc1035.query(7, "www.example.org", "AAAA")
    try:
        found = rfc1035.answer(b"\x00\x07\x80\x00" + data, 7, question)
    except rfc1035.MalformedError:
        return
    assert found is None or found.rcode


def test_an_answer_to_something_else_is_no_answer():
    query = rfc1035.query(7, "www.example.org", "AAAA")
    other = dns.message.make_response(dns.message.make_query("www.example.com", "AAAA", id=7))
    assert rfc1035.answer(other.to_wire(), 7, query) is None
    same = dns.message.make_response(dns.message.make_query("www.example.org", "AAAA", id=8))
    assert rfc1035.answer(same.to_wire(), 7, query) is None
    assert rfc1035.answer(query, 7, query) is None, "a query is no response"


def test_a_name_that_points_at_itself_ends():
    message = b"\x00\x07\x80\x00\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c" + bytes(10)
    with pytest.raises(rfc1035.MalformedError, match="pointers"):
        rfc1035.answer(message, 7, rfc1035.query(7, "a", "A"))


@pytest.mark.parametrize("name", ["a..b", "a" * 64, ".".join(["a" * 60] * 5)])
def test_a_name_that_cannot_be_asked_for(name):
    with pytest.raises(ValueError, match="octets"):
        rfc1035.encode_name(name)


def test_the_prefixes_that_tayga_refuses():
    assert relay.refused(IPv6Network("64:ff9b:1::/96"))
    assert relay.refused(IPv6Network("64:ff9b:1:fffe::/96"))
    assert not relay.refused(IPv6Network("64:ff9b::/96"))
    assert not relay.refused(IPv6Network("2001:db8:64::/96"))
    with pytest.raises(ValueError, match="shorter than /48"):
        relay.stand_in(IPv6Network("64::/32"))


@given(LOCAL_USE)
def test_a_stand_in_has_the_same_sum(prefix):
    def total(network):
        packed = network.network_address.packed
        return sum(int.from_bytes(packed[i : i + 2], "big") for i in range(0, 16, 2)) % 0xFFFF

    standing = relay.stand_in(prefix)
    assert standing.prefixlen == prefix.prefixlen
    assert standing.subnet_of(IPv6Network("2001:db8::/32"))
    assert total(standing) == total(prefix)


@given(LOCAL_USE, V4, V6, st.sampled_from(["tcp", "udp", "echo", "error"]), st.binary(max_size=64))
def test_exchanging_a_prefix_keeps_every_checksum(prefix, server, pod, kind, payload):
    assume(pod not in prefix)  # what is to be translated is no pod: both ends would be exchanged
    standing = relay.stand_in(prefix)

    def packet(of):
        far = str(of[int(server)])
        inner = {
            "tcp": TCP(sport=1, dport=2) / payload,
            "udp": UDP(sport=1, dport=2) / payload,
            "echo": ICMPv6EchoRequest(data=payload),
            "error": ICMPv6DestUnreach(code=4)
            / IPv6(bytes(IPv6(src=str(pod), dst=far) / UDP(sport=1, dport=2) / payload)),
        }[kind]
        return bytearray(bytes(IPv6(src=far, dst=str(pod)) / inner))

    ours = packet(prefix)
    relay.exchange(
        ours, prefix.network_address.packed, standing.network_address.packed, prefix.prefixlen
    )
    again = IPv6(bytes(ours))
    assert IPv6Address(again.src) == standing[int(server)]
    # What scapy computes for the new addresses is what the old checksum already says.
    assert _modulo(packet(standing)) == _modulo(ours)
    relay.exchange(
        ours, standing.network_address.packed, prefix.network_address.packed, prefix.prefixlen
    )
    assert ours == packet(prefix)


def _modulo(packet):
    """A packet with its checksums as numbers modulo 0xffff: 0 and 0xffff are the same (RFC 1624)."""
    parsed = IPv6(bytes(packet))
    sums = []
    for layer, field in ((TCP, "chksum"), (UDP, "chksum"), (ICMPv6EchoRequest, "cksum")):
        if parsed.haslayer(layer):
            sums.append(getattr(parsed[layer], field) % 0xFFFF)
            setattr(parsed[layer], field, 0)
    if parsed.haslayer(ICMPv6DestUnreach):
        sums.append(parsed[ICMPv6DestUnreach].cksum % 0xFFFF)
        parsed[ICMPv6DestUnreach].cksum = 0
    return sums, bytes(parsed)


@given(st.binary(max_size=100).map(bytearray))
def test_a_packet_that_is_none_stays_as_it_is(data):
    if not data:
        return
    before = bytes(data)
    prefix = IPv6Network("64:ff9b:1::/96").network_address.packed
    relay.exchange(data, prefix, prefix, 96)
    assert bytes(data) == before


def test_services_look_like_those_of_kube_proxy():
    rules = [
        ServiceRule(
            name="default/echo",
            address=ip_address("fd00::a"),
            port=80,
            endpoints=(ip_address("2001:db8::1"), ip_address("2001:db8::2")),
            target_port=8080,
        ),
        ServiceRule(
            name="default/none", address=ip_address("10.0.0.1"), port=1, endpoints=(), target_port=1
        ),
    ]
    text = render_services(rules)
    assert text.count("table ip6 kube-proxy") == 1
    assert text.count("table ip kube-proxy") == 1
    assert "numgen random mod 2 vmap" in text
    assert "dnat to [2001:db8::1]:8080" in text
    assert "10.0.0.1 . tcp . 1 : goto reject-chain" in text
    for word in ("0x4000", "chain masquerading", "chain mark-for-masquerade", "@service-ips"):
        assert word in text


@given(st.text(max_size=200))
def test_a_chain_name_is_one_word_whatever_the_service_is_called(name):
    found = chain_name("service", f"{name}/tcp/80")
    assert len(found) < 128
    assert found.isascii()
    assert not set(found) - set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-."
    )


def test_overlapping_sources_are_said_once():
    spec = MasqueradeSpec(
        namespace="gateway",
        interface="edge",
        sources=(ip_network("10.1.0.0/16"), ip_network("10.0.0.0/8"), ip_network("192.0.2.0/24")),
    )
    assert "ip saddr { 10.0.0.0/8, 192.0.2.0/24 }" in netfilter.render_masquerade(spec)


def test_blocking_speaks_of_one_family():
    assert "table ip6 " in netfilter.render_block(Family.IPV6)
    assert "table ip " not in netfilter.render_block(Family.IPV6)


def test_pods_ask_the_service_and_else_the_resolver():
    topology = world(pods=1)
    assert nameservers(topology) == (ipaddress.ip_address("fd00:5e::a"),)
    assert nameservers(dataclasses.replace(topology, services=())) == topology.resolver.listen
