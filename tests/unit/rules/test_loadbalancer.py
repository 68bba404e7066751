"""Addresses of a load balancer's status, and the families behind it."""

import pytest

from dataplane.model.address import Family
from dataplane.model.problem import Severity, Source
from dataplane.rules.gardener import loadbalancer

V4, V6 = Family.IPV4, Family.IPV6


@pytest.mark.parametrize(
    ("addresses", "families", "fields"),
    [
        (["::1"], [V6], []),
        (["127.0.0.1"], [V4], []),
        (["127.0.0.1"], [V6], ["s[0].ip"]),
        (["::1"], [V4], ["s[0].ip"]),
        (["192.0.2.1", "2001:db8::1"], [V4], []),  # a dual-stack balancer, a single-stack cluster
        (["nonsense", "192.0.2.1"], [V6], ["s[1].ip"]),
        (["192.0.2.1"], [V6, V4], []),
        ([], [V6], []),
        (["192.0.2.1"], [], []),
    ],
)
def test_one_address_is_of_the_clusters_family(addresses, families, fields):
    problems = loadbalancer.status("s", addresses, families)
    assert [p.field for p in problems] == fields
    assert all((p.severity, p.source) == (Severity.WARNING, Source.SEED) for p in problems)


def test_it_says_what_to_set():
    (problem,) = loadbalancer.status("s", ["127.0.0.1"], [V6])
    assert problem.message == "s[0].ip: 127.0.0.1 is an IPv4 address, and the Service has [IPv6]"
    assert problem.remedy == "let the provider set an IPv6 address (locally ::1)"
