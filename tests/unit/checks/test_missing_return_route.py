from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dataplane.checks.missing_return_route import CHECK
from dataplane.checks.reachability import CHECK as TRAFFIC
from dataplane.model.address import Family, family_of
from dataplane.model.answer import State
from dataplane.model.seen import RouteSeen
from dataplane.model.topology import Point
from dataplane.verify import judge
from tests.unit.network import DROP, Faults, at_node_of
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

SIX, DUAL = six_only(), dual_stack()
PREFIXES = {node.name: next(p for p in node.pod_prefixes if p.version == 6) for node in DUAL.nodes}
NODE = {node.name: node.address(Family.IPV6) for node in DUAL.nodes}


def world(plan=DUAL, **broken):
    return World(plan, Faults(**broken)).drive(TRAFFIC.stimuli(plan)).evidence()


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def route(destination, *, via=None, interface="node-0", owner="fabric"):
    hop = None if via is None else ip_address(via)
    return RouteSeen(
        owner=owner, destination=ip_network(str(destination)), via=hop, interface=interface
    )


def routed(*more, without=()):
    """Return the healthy world with other routes of the fabric."""
    evidence = world()
    kept = [r for r in evidence.routes if r.destination not in without]
    return replace(evidence, routes=(*kept, *more))


@pytest.mark.parametrize("plan", [SIX, DUAL], ids=["six", "dual"])
def test_prefixes_that_are_routed_hold(plan):
    found = answer(world(plan))

    assert (found.state, found.findings) == (State.HOLDS, ())
    assert found.looked_at > len(plan.nodes)


@pytest.mark.parametrize("node", ["node-0", "node-1"])
@pytest.mark.parametrize("plan", [SIX, DUAL], ids=["six", "dual"])
def test_a_missing_route_names_node_prefix_and_router(plan, node):
    (finding,) = answer(world(plan, lost_prefixes={(node, Family.IPV6)})).findings

    prefix = next(p for p in plan.node(node).pod_prefixes if p.version == 6)
    assert finding.subject == node
    assert finding.cause == f"fabric does not route {prefix}, the pod prefix of {node}, to {node}"
    assert finding.seen == "fabric: ::/0 via fe80::1 dev gateway takes it"
    assert any(piece.startswith("lost on the way: ") for piece in finding.evidence)


def router_of(family, *, name, without=()):
    """Return the routes of a router that carries one family: nodes by their addresses, pods by node."""
    for node in DUAL.nodes:
        for address in (a for a in node.addresses if family_of(a) is family):
            yield route(f"{address}/{family.bits}", interface="nodes", owner=name)
            for prefix in node.pod_prefixes:
                if family_of(prefix) is family and node.name not in without:
                    yield route(prefix, via=address, interface="nodes", owner=name)


@pytest.mark.parametrize("missing", [(), ("node-1",)])
def test_of_two_routers_each_is_asked_for_its_own_family(missing):
    routes = (
        *router_of(Family.IPV4, name="router-v4"),
        *router_of(Family.IPV6, name="router-v6", without=missing),
    )
    found = answer(replace(world(DUAL), routes=routes))

    assert [finding.subject for finding in found.findings] == list(missing)
    assert all("router-v6 does not route" in finding.cause for finding in found.findings)
    assert not any("router-v4" in finding.cause for finding in found.findings)


def test_lost_packets_alone_are_enough_where_no_router_can_be_asked():
    evidence = world(lost_prefixes={("node-1", Family.IPV6)})

    (finding,) = answer(replace(evidence, routes=())).findings

    assert finding.subject == "node-1"
    assert finding.cause.startswith("nobody outside routes")
    assert finding.seen.startswith("none of ")


def test_missing_routes_alone_are_enough_where_no_packet_was_seen():
    evidence = world(lost_prefixes={("node-1", Family.IPV6)})

    (finding,) = answer(replace(evidence, packets=())).findings

    assert (finding.subject, len(finding.evidence)) == ("node-1", 1)


def test_some_that_arrive_show_that_the_route_is_there():
    evidence = world()
    uplink = {t.name for t in evidence.header.taps if t.point is Point.UPLINK}
    first = next(p for p in evidence.packets if p.tap in uplink and not p.leaving)
    without = tuple(
        p for p in evidence.packets if p.stamp != first.stamp or p.tap != first.tap or p.leaving
    )

    assert len(without) < len(evidence.packets)
    assert answer(replace(evidence, packets=without)).findings == ()


def test_what_ends_inside_of_the_node_is_not_the_routers_doing():
    pod = DUAL.pod("pod-c")
    rule = at_node_of(pod, DROP, lambda _, d: d in PREFIXES[pod.node])

    assert answer(world(rule=rule)).state is State.HOLDS


def test_a_node_that_was_not_watched_is_not_blamed_for_packets():
    evidence = world(lost_prefixes={("node-1", Family.IPV6)})
    reports = tuple(
        replace(r, lost=1) if (r.probe, r.where) == ("stamps", "node-1") else r
        for r in evidence.reports
    )
    found = answer(replace(evidence, routes=(), reports=reports))

    assert (found.state, found.findings) == (State.UNKNOWN, ())


def test_a_route_to_another_node_is_as_good_as_none():
    prefix = PREFIXES["node-0"]
    wrong = route(prefix, via=NODE["node-1"], interface="node-1")

    (finding,) = answer(routed(wrong, without={prefix})).findings

    assert finding.subject == "node-0"
    assert finding.seen == f"fabric: {prefix} via {NODE['node-1']} dev node-1 takes it"


@pytest.mark.parametrize(
    "parts",
    [
        [route(PREFIXES["node-0"].supernet(), via=NODE["node-0"])],
        [route(half, via=NODE["node-0"]) for half in PREFIXES["node-0"].subnets()],
        [
            route(f"{NODE['node-0']}/128", via="fe80::2"),
            route(PREFIXES["node-0"], via="fe80::2"),
        ],
    ],
    ids=["aggregate", "halves", "the way to the node's address"],
)
def test_other_ways_to_route_a_prefix_hold(parts):
    assert answer(routed(*parts, without={PREFIXES["node-0"]})).state is State.HOLDS


def test_half_a_prefix_is_not_enough():
    half, _ = PREFIXES["node-0"].subnets()
    found = answer(
        routed(route(half, via=NODE["node-0"]), without={PREFIXES["node-0"], ip_network("::/0")})
    )

    (finding,) = found.findings
    assert finding.seen == "fabric: no route at all"


@pytest.mark.parametrize("owner", ["pod-a", "node-1", "server-dual"])
def test_who_is_no_router_of_the_cluster_is_not_asked(owner):
    assert answer(routed(route("::/0", via="fe80::1", interface="eth0", owner=owner))) == answer(
        routed()
    )


def test_nothing_seen_is_unknown():
    evidence = replace(world(), routes=(), packets=())

    assert (answer(evidence).state, answer(evidence).looked_at) == (State.UNKNOWN, 0)


def test_pods_of_a_family_that_the_nodes_lack_are_not_judged():
    nodes = tuple(
        replace(node, addresses=node.addresses[:1], pod_prefixes=()) for node in SIX.nodes
    )

    assert CHECK.applies(replace(SIX, nodes=nodes)) == (
        "no node of this plan has a pod prefix to be routed"
    )
