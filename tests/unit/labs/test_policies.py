"""Policies in nft's words: what passes, whose interface it is about, and one family alone."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from dataplane.model.address import Family
from dataplane.model.policy import Direction
from dataplane.model.topology import PolicyFilter, PolicySpec
from labs.policies import render

SPEC = PolicySpec(
    namespace="node-0", interface="pod-a", direction=Direction.EGRESS, allowed=(PolicyFilter(),)
)
NET = ip_network("2001:db8::/32")


def lines(*specs):
    return [line.strip() for line in render(specs).splitlines()]


@pytest.mark.parametrize(
    ("found", "egress", "ingress"),
    [
        (PolicyFilter(), "return", "return"),
        (PolicyFilter(network=NET), f"ip6 daddr {NET} return", f"ip6 saddr {NET} return"),
        (
            PolicyFilter(
                network=ip_network("0.0.0.0/0"),
                exceptions=(ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32")),
            ),
            "ip daddr 0.0.0.0/0 ip daddr != { 10.0.0.0/8, 192.0.2.1/32 } return",
            "ip saddr 0.0.0.0/0 ip saddr != { 10.0.0.0/8, 192.0.2.1/32 } return",
        ),
        (PolicyFilter(protocol="tcp", first=1, last=1), "tcp dport 1 return", "tcp dport 1 return"),
        (
            PolicyFilter(protocol="udp", first=1, last=9),
            "udp dport 1-9 return",
            "udp dport 1-9 return",
        ),
        (PolicyFilter(protocol="sctp"), "meta l4proto sctp return", "meta l4proto sctp return"),
    ],
)
def test_what_a_filter_lets_through(found, egress, ingress):
    spec = replace(SPEC, allowed=(found,))

    assert egress in lines(spec)
    assert ingress in lines(replace(spec, direction=Direction.INGRESS))


def test_the_rest_is_dropped_behind_what_is_allowed_and_what_a_pod_sends_to_itself():
    found = lines(replace(SPEC, allowed=(PolicyFilter(network=NET),)))
    begin = found.index("chain egress-0 {")

    assert found[begin + 1 : begin + 4] == [
        'iifname "pod-a" oifname "pod-a" return',
        f"ip6 daddr {NET} return",
        "counter drop",
    ]


def test_answers_errors_and_neighbour_discovery_come_before_every_policy():
    found = lines(SPEC, replace(SPEC, direction=Direction.INGRESS))
    begin = found.index("chain forward {")

    assert found[begin + 2] == "ct state established,related accept"
    assert found[begin + 3].startswith("icmpv6 type { nd-router-solicit, ")
    assert found[begin + 4 : begin + 6] == [
        'iifname "pod-a" jump egress-0',
        'oifname "pod-a" jump ingress-1',
    ]


def test_one_family_alone_is_enforced_for_that_one():
    assert 'meta nfproto ipv4 iifname "pod-a" jump egress-0' in lines(
        replace(SPEC, families=(Family.IPV4,))
    )
