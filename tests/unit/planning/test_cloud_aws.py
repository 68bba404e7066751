"""The `aws` model: numbers of VPC, subnets and prefixes, route tables, limits, refusals."""

from ipaddress import IPv6Network, ip_network

import pytest

from dataplane.model.cloud import Allocator
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import InvalidInputError, ProblemType, Source
from dataplane.planning.plan import plan
from dataplane.rules import clusterip, rfc4193
from tests.unit.planning.shoots import VPC, dual, four, prefixes, refused, six, texts, wish

GIVEN_VPC = Infrastructure(prefix=VPC)


def test_aws_numbers():
    made = plan(six("aws"), nodes=4, infrastructure=Infrastructure(prefix=VPC, zones=2))
    subnets = {s.name: str(s.network) for s in made.cloud.subnets}
    assert subnets == {
        "workers-0": "2001:db8:1234:5600::/64",
        "internal-0": "2001:db8:1234:5601::/64",
        "public-0": "2001:db8:1234:5602::/64",
        "workers-1": "2001:db8:1234:5603::/64",
        "internal-1": "2001:db8:1234:5604::/64",
        "public-1": "2001:db8:1234:5605::/64",
        "services": "2001:db8:1234:5600::10:0/108",
    }
    assert texts(made.node_ranges) == texts(made.pod_ranges) == ["2001:db8:1234:5600::/56"]
    assert texts(made.service_ranges) == ["2001:db8:1234:5600::10:0/108"]
    assert str(clusterip.api_server_address(made.service_ranges[0])) == "2001:db8:1234:5600::10:1"
    assert texts(made.dns_addresses) == ["2001:db8:1234:5600::10:a"]
    assert [str(node.addresses[0]) for node in made.nodes] == [
        "2001:db8:1234:5600::10",
        "2001:db8:1234:5603::10",
        "2001:db8:1234:5600::11",
        "2001:db8:1234:5603::11",
    ]
    assert prefixes(made) == [
        "2001:db8:1234:5600:1::/80",
        "2001:db8:1234:5603:1::/80",
        "2001:db8:1234:5600:2::/80",
        "2001:db8:1234:5603:2::/80",
    ]


def test_aws_never_gives_the_first_prefix_to_a_node():
    made = plan(six("aws"), nodes=300, infrastructure=GIVEN_VPC)
    first = IPv6Network("2001:db8:1234:5600::/80")
    assert made.service_ranges[0].subnet_of(first)
    assert all(node.addresses[0] in first for node in made.nodes)
    assert not any(p.overlaps(first) for node in made.nodes for p in node.pod_prefixes)
    assert prefixes(made)[-1] == "2001:db8:1234:5600:12c::/80"


def test_aws_route_tables():
    made = plan(six("aws"), infrastructure=GIVEN_VPC)
    routes = {(r.table, str(r.destination)): r.target for r in made.cloud.routes}
    assert routes == {
        ("main", "0.0.0.0/0"): "internet gateway",
        ("main", "::/0"): "internet gateway",
        ("private-0", "0.0.0.0/0"): "NAT gateway 0",
        ("private-0", "::/0"): "egress-only internet gateway",
        ("private-0", "64:ff9b::/96"): "NAT gateway 0 (NAT64)",
    }
    assert [s.name for s in made.cloud.subnets if s.dns64] == ["workers-0"]


def test_aws_dual_stack_has_no_dns64_and_routes_ipv4_pods():
    made = plan(dual("aws"), infrastructure=GIVEN_VPC)
    assert not any(subnet.dns64 for subnet in made.cloud.subnets)
    assert ("64:ff9b::/96" in texts(r.destination for r in made.cloud.routes)) is True
    routed = {str(r.destination): str(r.via) for r in made.cloud.routes if r.via}
    assert routed == {"100.96.0.0/24": "10.250.0.10", "100.96.1.0/24": "10.250.0.11"}
    assert {pool.setter for pool in made.pools} == {"aws-ipam-controller"}
    limits = {limit.name: (limit.used, limit.most) for limit in made.cloud.limits}
    assert limits["IPv4 routes of a route table"] == (3, 50)
    assert limits["targets of a network load balancer, per zone"] == (2, 500)
    assert limits["zones of a /56"] == (1, 85)


def test_aws_takes_the_next_block_on_conflict():
    occupied = (ip_network("2001:db8:1234:5601::/64"), ip_network("2001:db8:1234:5603::/64"))
    given = Infrastructure(prefix=VPC, zones=2, occupied=occupied)
    made = plan(six("aws"), infrastructure=given)
    subnets = {s.name: str(s.network)[14:] for s in made.cloud.subnets if s.name != "services"}
    assert subnets == {
        "workers-0": "5600::/64",
        "internal-0": "5602::/64",
        "public-0": "5604::/64",
        "workers-1": "5605::/64",
        "internal-1": "5606::/64",
        "public-1": "5607::/64",
    }
    full = Infrastructure(prefix=VPC, occupied=tuple(VPC.subnets(new_prefix=57)))
    assert (
        "no /64 is left for 1 zones: already at maximum index (255)"
        in refused(six("aws"), infrastructure=full)[0]
    )


def test_aws_zones_have_an_end():
    made = plan(six("aws"), infrastructure=Infrastructure(prefix=VPC, zones=85))
    assert str(made.cloud.subnet("public-84").network) == "2001:db8:1234:56fe::/64"
    for zones in (0, 86):
        (message,) = refused(six("aws"), infrastructure=Infrastructure(zones=zones))
        assert f"Invalid value: {zones}: a /56 has three /64 for each of at most 85" in message


def test_aws_ingress_only():
    made = plan(four("aws"), infrastructure=Infrastructure(prefix=VPC, ingress=True))
    assert str(made.cloud.subnet("public-0").network) == "2001:db8:1234:5602::/64"
    assert all(a.version == 4 for node in made.nodes for a in node.addresses)
    assert all(n.version == 4 for n in (*made.node_ranges, *made.pod_ranges, *made.service_ranges))
    routes = [
        (r.table, str(r.destination)) for r in made.cloud.routes if r.destination.version == 6
    ]
    assert routes == [("main", "::/0")]
    assert made.pools[0].allocator is Allocator.RANGE
    assert "no node and no pod gets an address" in made.cloud.notes[0]
    assert plan(four("aws")).cloud.subnets == ()


def test_aws_needs_to_know_the_block_of_a_vpc_that_is_there():
    given = Infrastructure(existing=True)
    for cluster in (six("aws"), dual("aws")):
        with pytest.raises(InvalidInputError) as caught:
            plan(cluster, infrastructure=given)
        (problem,) = caught.value.problems
        assert (problem.type, problem.source) == (ProblemType.REQUIRED, Source.PROVIDER)
        assert problem.field.endswith("vpc.id")
    assert plan(four("aws"), infrastructure=given).cloud.model == "aws"
    with pytest.raises(InvalidInputError):
        plan(four("aws"), infrastructure=Infrastructure(existing=True, ingress=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nodes": [wish("2001:db8::/48")]}, "a VPC has an IPv6 block of /56"),
        ({"pods": [wish("2001:db8:1::/48")]}, "nodes and pods have the VPC's /56"),
        ({"nodes": [wish("v6global", size=48)]}, "Amazon gives a VPC a /56"),
        ({"nodes": [wish("v6global", size=64, node_prefix=72)]}, "AWS delegates a /80"),
    ],
)
def test_what_aws_refuses(given, message):
    assert message in refused(six("aws", **given))[0]


def test_aws_with_keywords():
    nodes = [wish("v6global", size=64, node_prefix=80)]
    made = plan(six("aws", nodes=nodes, pods=[wish("v6fromNode", size=96)]))
    assert made.node_ranges[0].prefixlen == 56
    assert {p.prefixlen for n in made.nodes for p in n.pod_prefixes} == {96}
    own = plan(six("aws", nodes=[wish(str(VPC))], pods=[wish(str(VPC))]))
    assert own.node_ranges == own.pod_ranges == (VPC,)
    assert own.cloud.source == f"{VPC}, brought along"
    private = plan(six("aws", nodes=[wish("v6private", size=48)]))
    assert private.node_ranges[0].subnet_of(rfc4193.LOCALLY_ASSIGNED)
    assert private.node_ranges[0].prefixlen == 56


def test_range_allocator_cannot_do_what_aws_and_gcp_delegate():
    for provider in ("aws", "gcp"):
        (message,) = refused(dual(provider), allocator=Allocator.RANGE)
        assert "New CIDR set failed; the node CIDR size is too big" in message
