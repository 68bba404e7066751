"""The `azure` model: private addresses, a route per node, translation at the edge."""

import pytest

from dataplane.model.cloud import Allocator
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import Severity
from dataplane.planning.plan import plan
from dataplane.rules import rfc4193
from tests.unit.planning.shoots import refused, six, wish


def test_azure_is_private_and_translated_at_the_edge():
    made = plan(six("azure"), infrastructure=Infrastructure(zones=2))
    ranges = (*made.node_ranges, *made.pod_ranges, *made.service_ranges)
    assert all(network.subnet_of(rfc4193.LOCALLY_ASSIGNED) for network in ranges)
    assert made.cloud.nat66 == (*made.node_ranges, *made.pod_ranges)
    assert made.node_ranges[0].prefixlen == 48
    zones = [s.network for s in made.cloud.subnets if s.purpose == "nodes"]
    assert [z.prefixlen for z in zones] == [64, 64]
    assert [n.addresses[0] in z for n, z in zip(made.nodes, zones, strict=True)] == [True, True]
    assert {p.prefixlen for n in made.nodes for p in n.pod_prefixes} == {80}
    assert [(p.allocator, p.bits) for p in made.pools] == [(Allocator.RANGE, 12)]
    assert [(r.destination, r.via) for r in made.cloud.routes] == [
        (node.pod_prefixes[0], node.addresses[0]) for node in made.nodes
    ]
    assert made.advice == ()


def test_azure_has_no_global_range():
    for kind in ("nodes", "pods", "services"):
        (message,) = refused(six(**{kind: [wish("v6global", size=64)]}), model="azure")
        assert "Azure has no IPv6 pool of its own" in message


def test_azure_advises_against_global_addresses():
    nodes, pods = [wish("2001:db8:2::/48")], [wish("2001:db8:1::/64")]
    made = plan(six("azure", nodes=nodes, pods=pods))
    assert [problem.severity for problem in made.advice[:2]] == [Severity.WARNING] * 2
    assert "is not unique local" in made.advice[0].message
    assert made.pools[0].mask_size == 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": [wish("v6private", node_prefix=80)]}, "Azure gives a VM addresses, no prefix"),
        ({"pods": [wish("v6fromNode")]}, "Azure gives a VM addresses, no prefix"),
        ({"nodes": [wish("fd00::/80")]}, "has no /64 for each of 1 zones"),
    ],
)
def test_what_azure_refuses(options, message):
    assert message in refused(six("azure", **options))[0]
