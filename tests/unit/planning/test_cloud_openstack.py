"""The `openstack` model: the diagram of the seed, and what would lose packets."""

from ipaddress import ip_network

import pytest

from dataplane.model.cloud import Allocator
from dataplane.model.infrastructure import Infrastructure
from dataplane.planning.plan import plan
from tests.unit.planning.shoots import SEED, V6, prefixes, refused, seed_diagram, six, texts, wish


def test_the_diagram_of_the_seed():
    cluster, given = seed_diagram()
    made = plan(cluster, infrastructure=given)
    assert texts(made.node_ranges) == ["100.0.0.0/24", "2001:db8::/66"]
    assert texts(made.pod_ranges) == ["10.0.0.0/16", "2001:db8:0:0:4000::/66"]
    assert texts(made.service_ranges) == ["10.1.0.0/16", "2001:db8:0:0:8000::/112"]
    assert [texts(node.addresses) for node in made.nodes] == [
        ["100.0.0.10", "2001:db8::a1"],
        ["100.0.0.15", "2001:db8::b4"],
    ]
    assert prefixes(made) == ["2001:db8:0:0:4000::/112", "2001:db8::4000:0:1:0/112"]
    routes = {(r.table, str(r.destination)): (r.target, str(r.via)) for r in made.cloud.routes}
    assert routes == {
        ("upstream-v6", "2001:db8::/64"): ("router-v6", "None"),
        ("router-v6", "2001:db8:0:0:4000::/112"): ("node-0", "2001:db8::a1"),
        ("router-v6", "2001:db8::4000:0:1:0/112"): ("node-1", "2001:db8::b4"),
        ("router-v6", "2001:db8:0:0:8000::/112"): ("any node (ECMP)", "2001:db8::a1"),
    }
    subnets = {s.name: (str(s.network), str(s.pool)) for s in made.cloud.subnets}
    assert subnets == {
        "subnet-v4": ("100.0.0.0/24", "100.0.0.0/24"),
        "subnet-v6": ("2001:db8::/64", "2001:db8::/66"),
        "nodes": ("2001:db8::/66", "None"),
        "pods": ("2001:db8:0:0:4000::/66", "None"),
        "services": ("2001:db8:0:0:8000::/66", "2001:db8:0:0:8000::/112"),
        "free": ("2001:db8:0:0:c000::/66", "None"),
    }
    pool = made.pools[1]
    assert (pool.bits, pool.allocator, pool.setter) == (46, "external", "another controller")


def test_the_diagram_as_it_is_written():
    nodes = [wish("2001:db8::/66")]
    pods, services = [wish("2001:db8:0:0:4000::/66")], [wish("2001:db8:0:0:8000::/66")]
    made = plan(six("openstack", nodes=nodes, pods=pods, services=services))
    assert str(made.cloud.subnet("subnet-v6").network) == "2001:db8::/64"
    assert prefixes(made) == ["2001:db8:0:0:4000::/112", "2001:db8::4000:0:1:0/112"]
    assert texts(made.service_ranges) == ["2001:db8:0:0:8000::/112"]


def test_range_allocator_cannot_do_the_diagram_unless_the_pool_is_small():
    given = Infrastructure(prefix=SEED)
    (message,) = refused(six("openstack"), allocator=Allocator.RANGE, infrastructure=given)
    assert "New CIDR set failed; the node CIDR size is too big" in message
    small = six("openstack", masks={V6: 82})
    made = plan(small, allocator=Allocator.RANGE, infrastructure=given)
    assert prefixes(made) == ["2001:db8:0:0:4000::/82", "2001:db8::4000:4000:0:0/82"]
    assert made.pools[0].rule == "at the limit"
    assert "the most that nodeipam takes" in made.advice[0].message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"nodes": [wish("2001:db8::/66")], "pods": [wish("2001:db8:1::/66")]},
            'must be a subset of "the IPv6 subnet of the nodes" ("2001:db8::/64")',
        ),
        (
            {"nodes": [wish("2001:db8::/66")], "pods": [wish("2001:db8::/96")]},
            "shares addresses with the allocation pool 2001:db8::/66 of DHCPv6",
        ),
        (
            {"nodes": [wish("2001:db8::/66")], "services": [wish("2001:db8::1:0/112")]},
            "shares addresses with the allocation pool",
        ),
        (
            {
                "nodes": [wish("2001:db8::/66")],
                "pods": [wish("2001:db8:0:0:4000::/66")],
                "services": [wish("2001:db8:0:0:4000::/112")],
            },
            'must not overlap with "spec.networking.services" ("2001:db8:0:0:4000::/112")',
        ),
        ({"nodes": [wish("v6global", node_prefix=96)]}, "OpenStack gives a port addresses"),
        ({"pods": [wish("v6fromNode")]}, "OpenStack gives a node no prefix"),
    ],
)
def test_what_openstack_refuses(options, message):
    assert message in refused(six("openstack", **options))[0]


def test_nodes_lie_in_the_subnet_that_is_given():
    nodes = [wish("2001:db8:9::/66")]
    (message,) = refused(six("openstack", nodes=nodes), infrastructure=Infrastructure(prefix=SEED))
    assert message.startswith('spec.networking.nodes: Invalid value: "2001:db8:9::/66": must be a')
    assert 'must be a subset of "the IPv6 subnet of the nodes" ("2001:db8::/64")' in message


def test_openstack_serves_a_part_of_a_subnet_that_is_written_whole():
    made = plan(six("openstack", nodes=[wish("2001:db8:7::/64")]))
    assert texts(made.node_ranges) == ["2001:db8:7::/64"]
    assert str(made.cloud.subnet("subnet-v6").pool) == "2001:db8:7::/66"
    assert all(node.addresses[0] in ip_network("2001:db8:7::/66") for node in made.nodes)
    assert made.pod_ranges[0].subnet_of(ip_network("2001:db8:7::/64"))


def test_node_number_65536_of_the_diagram():
    cidrs = tuple((ip_network(f"2001:db8:0:0:4000:{k:x}:0:0/112"),) for k in (1, 2))
    given = Infrastructure(prefix=SEED, pod_cidrs=cidrs)
    made = plan(six("openstack"), allocator=Allocator.EXTERNAL, infrastructure=given)
    assert prefixes(made) == ["2001:db8::4000:1:0:0/112", "2001:db8::4000:2:0:0/112"]
