"""The egress proxy on paper: where it stands, what leads to it, and where it asks for names."""

import pytest

from dataplane.model.address import Family
from dataplane.model.problem import InvalidInputError
from dataplane.model.topology import Point, Role
from dataplane.planning.plan import plan
from dataplane.planning.render import render_text
from dataplane.planning.topology import topology
from labs import resolution
from tests.unit.planning.clusters import networking
from tests.unit.planning.forwarding import Paper
from tests.unit.planning.test_topology import DUAL, SIX

FOUR = {"type": "calico", "nodes": "v4private", "pods": "v4private", "services": "v4private"}
PROXY = "egress-proxy"


def test_pods_reach_it_over_ipv6_and_it_reaches_servers_of_both_families():
    made = plan(networking(**SIX), nat64_place=None, egress_proxy=True)
    built = topology(made)
    paper = Paper(built)
    (inside,) = made.egress.inside
    assert {a.version for a in made.egress.outside} == {4, 6}
    for pod in made.pods:
        assert paper.way(pod.name, inside) == [pod.name, pod.node, "fabric", PROXY]
        assert paper.way(PROXY, pod.addresses[0]) == [PROXY, "fabric", pod.node, pod.name]
    for server in made.servers:
        for address in server.addresses:
            assert paper.way(PROXY, address) == [PROXY, "internet", server.name]
            own = made.egress.address(Family.IPV4 if address.version == 4 else Family.IPV6)
            assert paper.way(server.name, own) == [server.name, "internet", PROXY]
    taps = {tap.name for tap in built.taps if tap.point is Point.PROXY}
    assert taps == {f"{PROXY}-inside", f"{PROXY}-outside"}
    (spec,) = built.forward_proxies
    assert [(e.address, e.port) for e in spec.listen] == [(inside, made.egress.port)]


def test_its_name_has_no_ipv4_and_it_asks_a_server_without_dns64():
    made = plan(networking(**SIX), egress_proxy=True)
    built = topology(made)
    records = [r for r in built.authority.records if r.name == made.egress.dns_name]
    assert [(r.type, r.value) for r in records] == [("AAAA", str(made.egress.inside[0]))]
    assert resolution.servers_of(built, PROXY) == made.transit.internet
    assert built.resolver.dns64 == made.nat64.prefix
    assert not set(built.resolver.listen) & set(made.transit.internet)


def test_without_one_nothing_of_it_is_there():
    made = plan(networking(**SIX))
    built = topology(made)
    assert made.egress is None
    assert built.forward_proxies == ()
    assert not [n for n in built.namespaces if n.role is Role.PROXY]
    assert "EGRESS" not in render_text(made)


def test_a_plan_says_where_it_is():
    made = plan(networking(**DUAL), egress_proxy=True)
    assert f"EGRESS PROXY  {made.egress.dns_name} at {made.egress.inside[0]} port 3128" in (
        render_text(made)
    )


@pytest.mark.parametrize(
    ("cluster", "options", "why"),
    [(FOUR, {}, "no IPv6"), (DUAL, {"model": "openstack"}, "a router for each subnet")],
)
def test_where_it_has_no_place_it_is_refused(cluster, options, why):
    with pytest.raises(InvalidInputError) as caught:
        plan(networking(**cluster), egress_proxy=True, **options)

    (problem,) = caught.value.problems
    assert problem.field == "egress_proxy"
    assert why in problem.detail
    assert problem.remedy
