"""Clusters on clouds, for tests: as Gardener's documentation has them, and the seeds' examples."""

from ipaddress import IPv6Network, ip_address, ip_network

import pytest

from dataplane.model.address import Family
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import InvalidInputError
from dataplane.planning.plan import plan

V4, V6 = Family.IPV4, Family.IPV6
IPV4_RANGES = {"nodes": "10.250.0.0/16", "pods": "100.96.0.0/11", "services": "100.64.0.0/13"}
KINDS = ("nodes", "pods", "services")
VPC = IPv6Network("2001:db8:1234:5600::/56")
GCP = IPv6Network("2001:db8:4000:abcd::/64")
SEED = IPv6Network("2001:db8::/64")


def wish(value, family=V6, **more):
    """Return a wish: a CIDR, or a strategy."""
    if isinstance(value, str) and "/" in value:
        network = ip_network(value)
        return RangeWish(
            family=Family(f"IPv{network.version}"),
            strategy=Strategy.CIDR,
            network=network,
            **more,
        )
    return RangeWish(family=family, strategy=Strategy(value), **more)


def shoot(*families, provider="local", name="shoot", masks=None, **given):
    """Return a cluster: IPv4 ranges as documented, IPv6 left to the provider, `given` wishes apart."""
    wishes = {}
    for kind in KINDS:
        usual = {V4: wish(IPV4_RANGES[kind]), V6: wish("provider")}
        own = {w.family: w for w in given.get(kind, ())}
        wishes[kind] = tuple(own.get(family, usual[family]) for family in families)
    return Cluster(
        name=name, families=families, provider=provider, node_mask_size=masks or {}, **wishes
    )


def six(provider="local", **more):
    return shoot(V6, provider=provider, **more)


def dual(provider="local", **more):
    return shoot(V4, V6, provider=provider, **more)


def four(provider="local", **more):
    return shoot(V4, provider=provider, **more)


def seed_diagram(**more):
    """Return the diagram of the dual-stack seed; its IPv4 pods and Services had one range."""
    cluster = dual(
        "openstack",
        name="openstack-seed",
        nodes=(wish("100.0.0.0/24"),),
        pods=(wish("10.0.0.0/16"),),
        services=(wish("10.1.0.0/16"),),
    )
    given = Infrastructure(
        prefix=SEED,
        node_addresses=(
            (ip_address("100.0.0.10"), ip_address("2001:db8::a1")),
            (ip_address("100.0.0.15"), ip_address("2001:db8::b4")),
        ),
        **more,
    )
    return cluster, given


def refused(cluster, **options):
    """Return why a cluster cannot be planned; every problem says what to do."""
    with pytest.raises(InvalidInputError) as caught:
        plan(cluster, **options)
    assert all(problem.remedy for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


def prefixes(made, family=V6):
    """Return the nodes' pod prefixes of a family."""
    return [str(p) for n in made.nodes for p in n.pod_prefixes if p.max_prefixlen == family.bits]


def texts(values):
    return [str(value) for value in values]
