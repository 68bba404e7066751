"""Who leases what: one server, an address of its own, and reservations that are the plan's addresses."""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest

from dataplane import manifest
from dataplane.model.address import Family
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import InvalidInputError
from dataplane.model.topology import Role
from dataplane.planning.plan import plan
from dataplane.planning.topology import topology
from labs.scenario import MANIFESTS
from tests.unit.plans import dual_stack, six_only


def cluster(name):
    return manifest.parse((MANIFESTS / name).read_text(), name=name).cluster


def leased(name="openstack.yaml", **options):
    return plan(cluster(name), node_addresses="leased", **options)


@pytest.mark.parametrize("name", ["openstack.yaml", "openstack-dual.yaml"])
def test_the_addresses_of_a_plan_are_the_same_leased_or_not(name):
    static, made = plan(cluster(name)), leased(name)

    assert replace(made, leases=None, default_routes="static") == static
    assert made.leases.pool == IPv6Network("2001:db8::/66")
    assert made.leases.subnet == IPv6Network("2001:db8::/64")
    assert made.leases.address == IPv6Address("2001:db8::2")
    assert made.default_routes == "advertised"


def test_the_server_has_an_address_that_no_node_has():
    given = Infrastructure(node_addresses=tuple((IPv6Address(f"2001:db8::{n}"),) for n in (2, 3)))

    assert leased(infrastructure=given).leases.address == IPv6Address("2001:db8::4")


@pytest.mark.parametrize("name", ["openstack.yaml", "openstack-dual.yaml"])
def test_a_node_has_no_ipv6_address_before_it_leases_the_one_of_the_plan(name):
    made = leased(name, nodes=3)

    built = topology(made)

    ends = {(end.namespace, end.interface): end for link in built.links for end in (link.a, link.b)}
    (server,) = built.dhcp_servers
    assert {n.name for n in built.namespaces if n.role is Role.DHCP} == {server.namespace}
    assert (server.first, server.last) == (made.leases.pool[0], made.leases.pool[-1])
    assert not server.preferred
    reserved = dict(server.reserved)
    assert [client.namespace for client in built.dhcp_clients] == [n.name for n in made.nodes]
    for node, client in zip(made.nodes, built.dhcp_clients, strict=True):
        end = ends[node.name, client.interface]
        assert reserved[end.mac] == node.address(Family.IPV6)
        assert all(a.version == 4 or a.is_link_local for a in end.addresses)
        assert set(end.addresses) >= {a for a in node.addresses if a.version == 4}
    (advertiser,) = built.advertisers
    assert advertiser.managed
    assert advertiser.prefixes == (made.leases.subnet,)


def test_a_plan_whose_addresses_are_written_down_has_no_dhcp():
    built = topology(plan(cluster("openstack.yaml"), default_routes="advertised"))

    assert (built.dhcp_servers, built.dhcp_clients) == ((), ())
    assert Role.DHCP not in {namespace.role for namespace in built.namespaces}
    (advertiser,) = built.advertisers
    assert (advertiser.managed, advertiser.prefixes) == (False, ())


def refusal(make, **options):
    with pytest.raises(InvalidInputError) as caught:
        make(**options)
    (problem,) = caught.value.problems
    assert problem.field == "node_addresses"
    return problem.detail


@pytest.mark.parametrize("make", [six_only, dual_stack])
def test_where_nobody_says_what_may_be_leased_it_is_refused(make):
    assert "no IPv6 subnet with a router" in refusal(make, node_addresses="leased")


def test_node_addresses_outside_of_the_pool_cannot_be_leased():
    text = (
        (MANIFESTS / "openstack.yaml")
        .read_text()
        .replace("nodes: 2001:db8::/66", "nodes: 2001:db8::/64")
    )
    wide = manifest.parse(text, name="wide").cluster
    free = Infrastructure(
        node_addresses=tuple((IPv6Address(f"2001:db8:0:0:c000::{n}"),) for n in (2, 3))
    )

    detail = refusal(plan, cluster=wide, node_addresses="leased", infrastructure=free)

    assert detail.startswith("2001:db8::c000:0:0:2, 2001:db8::c000:0:0:3 cannot be leased")
    assert detail.endswith("outside of the allocation pool 2001:db8::/66")


def test_a_subnet_that_one_range_cannot_be_a_part_of_is_refused():
    text = (MANIFESTS / "openstack.yaml").read_text()
    for written, shorter in (
        ("nodes: 2001:db8::/66", "nodes: 2001:db8::/62"),
        ("pods: 2001:db8:0:0:4000::/66", "pods: 2001:db8:0:1::/64"),
        ("services: 2001:db8:0:0:8000::/66", "services: 2001:db8:0:2::/108"),
    ):
        text = text.replace(written, shorter)
    short = manifest.parse(text, name="short").cluster

    detail = refusal(plan, cluster=short, node_addresses="leased")

    assert detail.startswith("the subnet 2001:db8::/62 is no /64")
