from dataclasses import replace
from ipaddress import ip_network

import pytest

from dataplane.checks.pool_size import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.cloud import Allocator, PoolRule
from dataplane.model.problem import Severity
from dataplane.model.seen import RouteSeen
from dataplane.planning.allocators import pool
from dataplane.verify import judge
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

SIX, DUAL = six_only(), dual_stack()
KCM = "kube-controller-manager"


def answer(plan, *more):
    evidence = World(plan).evidence()
    evidence = replace(evidence, routes=(*evidence.routes, *more))
    (only,), _ = judge(evidence, (CHECK,))
    return only


def cut(plan, mask, allocator=Allocator.RANGE):
    """Return a plan whose pod ranges are cut otherwise; no planner would make some of them."""
    pools = tuple(pool(p.network, mask, allocator, KCM) for p in plan.pools)
    return replace(plan, pools=pools)


def block(node, network):
    return RouteSeen(
        owner="fabric",
        destination=ip_network(network),
        via=SIX.node(node).address(Family.IPV6),
        interface=node,
    )


@pytest.mark.parametrize("plan", [SIX, DUAL], ids=["six", "dual"])
def test_pools_with_room_hold_by_the_blocks_that_were_seen(plan):
    found = answer(plan)

    assert (found.state, found.findings) == (State.HOLDS, ())
    assert found.looked_at == sum(len(node.pod_prefixes) for node in plan.nodes)


def test_sixteen_bits_are_what_nodeipam_takes():
    assert SIX.pools[0].rule is PoolRule.AT_THE_LIMIT
    assert answer(SIX).findings == ()


def test_seventeen_bits_are_too_many():
    (finding,) = answer(cut(SIX, 65)).findings

    assert (finding.subject, finding.severity) == (KCM, Severity.ERROR)
    assert "New CIDR set failed; the node CIDR size is too big" in finding.cause
    assert finding.seen == "blocks of /65 in 2001:db8:2::/48: 17 bits"


@pytest.mark.parametrize(("nodes", "warned"), [(2, False), (13, False), (15, True), (16, True)])
def test_a_pool_that_is_nearly_used_up_is_a_warning(nodes, warned):
    small = pool(ip_network("2001:db8:2::/60"), 64, Allocator.RANGE, KCM)

    found = answer(replace(six_only(nodes=nodes), pools=(small,)))

    assert found.state is State.HOLDS
    assert [f.severity for f in found.findings] == [Severity.WARNING] * warned


def test_a_block_that_takes_in_another_nodes_is_an_overlap():
    (finding,) = answer(SIX, block("node-1", "2001:db8:2::/62")).findings

    assert finding.subject == "node-1"
    assert finding.seen == "2001:db8:2::/62, with 2001:db8:2::/64 of node-0 inside"


@pytest.mark.parametrize(
    "network", ["2001:db8:2:1::/64", "2001:db8:2:100::/60", "2001:db8:2::77/128", "2001:db8::/32"]
)
def test_other_routes_to_a_node_are_no_overlap(network):
    assert answer(SIX, block("node-1", network)).findings == ()


def test_an_aggregate_that_leads_to_all_nodes_is_no_overlap():
    hosts = [
        replace(block(n.name, f"{n.address(Family.IPV6)}/128"), owner="gateway", interface="fabric")
        for n in SIX.nodes
    ]
    same = [replace(host, via=SIX.resolver[0]) for host in hosts]
    aggregate = replace(same[0], destination=ip_network("2001:db8:2::/52"))

    assert answer(SIX, *same, aggregate).findings == ()


@pytest.mark.parametrize("allocator", [Allocator.CLOUD, Allocator.EXTERNAL, Allocator.CNI])
def test_who_else_cuts_a_range_is_told_in_words(allocator):
    reason = CHECK.applies(cut(SIX, 96, allocator))

    assert reason.startswith("RangeAllocator cuts no pod range: ")
    assert "48 bits; nodeipam's limit of 16 does not apply" in reason


def test_no_route_seen_is_unknown():
    evidence = replace(World(cut(SIX, 65)).evidence(), routes=())
    (found,), _ = judge(evidence, (CHECK,))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)
