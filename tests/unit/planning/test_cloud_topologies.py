"""Every cloud model's plan is a lab: each packet finds its way on paper, each address is one's own."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataplane.model.cloud import Allocator
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.plan import ClatPlacement
from dataplane.planning import clouds
from dataplane.planning.drawing import render_svg
from dataplane.planning.plan import plan
from dataplane.planning.render import render_text
from dataplane.planning.topology import topology
from dataplane.rules import rfc6052
from tests.unit.planning.clusters import clusters
from tests.unit.planning.forwarding import Paper
from tests.unit.planning.shoots import V4, V6, seed_diagram, shoot
from tests.unit.planning.test_topology import OPTIONS, pairs, possible

FAMILIES = ((V6,), (V4,), (V4, V6), (V6, V4))


@st.composite
def plans(draw):
    """Draw a plan of a model: families, sizes and zones."""
    cluster = shoot(
        *draw(st.sampled_from(FAMILIES)),
        provider=draw(st.sampled_from(clouds.names())),
        name=draw(st.sampled_from(["a", "b", "ü\n"])),
    )
    return plan(
        cluster,
        nodes=draw(st.integers(1, 7)),
        pods=draw(st.integers(1, 12)),
        seed=draw(st.integers(0, 3)),
        clat=draw(st.sampled_from([None, *ClatPlacement])),
        infrastructure=Infrastructure(zones=draw(st.integers(1, 3))),
    )


def check_ways(made):
    """Every native connection arrives, and NAT64 gets what is for it."""
    paper = Paper(topology(made))
    for start, end, target in pairs(made):
        hidden = target.version == 6 and any(target in n for n in made.cloud.nat66)
        if start.startswith("server-") and hidden:
            assert paper.way(start, target)[-1] is None, "NAT66 hides the cluster"
        else:
            assert paper.way(start, target)[-1] == end, (start, end, target)
    if made.nat64 is not None:
        for pod in made.pods:
            for server in made.servers:
                for address in server.addresses:
                    if address.version == 4:
                        mapped = rfc6052.embed(made.nat64.prefix, address)
                        assert paper.way(pod.name, mapped)[-1] == ("gateway", "nat64")


def check_addresses(made):
    """Every address is in its range and nobody else's; pod prefixes are disjoint."""
    prefixes = [prefix for node in made.nodes for prefix in node.pod_prefixes]
    assert len(set(prefixes)) == len(prefixes)
    for one in prefixes:
        assert sum(one.version == other.version and one.overlaps(other) for other in prefixes) == 1
        assert any(one.version == r.version and one.subnet_of(r) for r in made.pod_ranges)
        for services in made.service_ranges:
            assert one.version != services.version or not one.overlaps(services)
    for node in made.nodes:
        for address in node.addresses:
            assert any(address in network for network in made.node_ranges)
            inside = [p for p in prefixes if address in p]
            if made.cloud.model == "gcp" and address.version == 6:
                assert inside == [p for p in node.pod_prefixes if p.version == 6]
            else:
                assert not inside
        for pod in node.pods:
            for address, prefix in zip(pod.addresses, node.pod_prefixes, strict=True):
                assert address in prefix
    owned = [a for node in made.nodes for a in node.addresses]
    owned += [a for pod in made.pods for a in pod.addresses]
    owned += [a for service in made.services for a in service.addresses]
    owned += [*made.dns_addresses, *made.resolver, *made.transit.fabric]
    owned += [a for server in made.servers for a in server.addresses]
    assert len(set(owned)) == len(owned)
    outside = [*made.resolver, *made.transit.fabric, *made.transit.edge, *made.transit.internet]
    ranges = (*made.node_ranges, *made.pod_ranges, *made.service_ranges)
    assert not any(address in network for address in outside for network in ranges)


@given(plans())
def test_every_model_is_a_lab(made):
    check_ways(made)
    check_addresses(made)


@given(plans())
def test_a_pool_tells_how_its_prefixes_were_cut(made):
    assert [pool.network for pool in made.pools] == list(made.pod_ranges)
    for place, pool in enumerate(made.pools):
        lengths = {node.pod_prefixes[place].prefixlen for node in made.nodes}
        assert lengths == {pool.mask_size}
        assert pool.bits == pool.mask_size - pool.network.prefixlen
        assert pool.setter in pool.explanation
    assert len({pool.setter for pool in made.pools}) == 1, "v1.Node's podCIDRs are written once"


@given(plans())
def test_subnets_hold_their_pools_and_routes_lead_to_nodes(made):
    for subnet in made.cloud.subnets:
        assert subnet.pool is None or subnet.pool.subnet_of(subnet.network)
    addresses = {a for node in made.nodes for a in node.addresses}
    for route in made.cloud.routes:
        assert route.via is None or route.via in addresses
        assert route.via is None or route.via.version == route.destination.version


@pytest.mark.parametrize("provider", clouds.names())
@pytest.mark.parametrize("families", FAMILIES)
def test_the_same_input_gives_the_same_plan(provider, families):
    cluster = shoot(*families, provider=provider)
    assert plan(cluster) == plan(cluster)
    assert topology(plan(cluster)) == topology(plan(cluster))


@pytest.mark.parametrize("provider", clouds.names())
def test_many_nodes(provider):
    made = plan(shoot(V4, V6, provider=provider), nodes=200, pods=400)
    check_addresses(made)
    paper = Paper(topology(made))
    last = made.pods[-1]
    assert paper.way("pod-a", last.address(V6))[-1] == last.name


def test_the_diagram_of_the_seed_is_a_lab():
    cluster, given_ones = seed_diagram()
    made = plan(cluster, infrastructure=given_ones)
    check_ways(made)
    check_addresses(made)


def test_nat66_is_at_the_edge_and_nowhere_else():
    built = topology(plan(shoot(V6, provider="azure")))
    (ruleset,) = built.rulesets
    assert ruleset.namespace == "gateway"
    made = plan(shoot(V6, provider="azure"))
    sources = ", ".join(sorted(str(n) for n in made.cloud.nat66))
    assert f'ip6 saddr {{ {sources} }} oifname "edge" masquerade' in ruleset.text
    for provider in ("aws", "gcp", "local", "openstack", "prefix64"):
        assert topology(plan(shoot(V6, provider=provider))).rulesets == ()


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    clusters(),
    OPTIONS,
    st.sampled_from(clouds.names()),
    st.sampled_from([None, *Allocator]),
    st.integers(1, 3),
)
def test_whatever_is_asked_of_a_model_is_planned_or_refused_in_words(
    cluster, options, model, allocator, zones
):
    infrastructure = Infrastructure(zones=zones)
    made = possible(
        cluster,
        {**options, "model": model, "allocator": allocator, "infrastructure": infrastructure},
    )
    check_addresses(made)
    check_ways(made)
    assert render_text(made)
    assert render_svg(made)
