from dataclasses import replace
from ipaddress import ip_network

import pytest

from dataplane.checks.cluster_cidr_mismatch import CHECK
from dataplane.checks.masquerade import CHECK as MASQUERADE
from dataplane.checks.reachability import CHECK as REACHABILITY
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN, DUAL = six_only(), dual_stack()
FOREIGN = ip_network("2001:db8:bad::/48")


def answer(plan=PLAN, faults=None, *, others=(MASQUERADE, REACHABILITY)):
    world, own = World(plan, faults), CHECK.stimuli(plan)
    for turn in range(len(own)):  # so that every pod gets to every other one
        world.drive((*own[turn:], *own[:turn]))
    world.drive(s for check in others for s in check.stimuli(plan))
    (only,), _ = judge(world.evidence(), (CHECK,))
    return only


def given(plan, *cidrs, **changes):
    return replace(plan, proxy=replace(plan.proxy, cluster_cidrs=cidrs, **changes))


def test_every_actor_calls_every_cluster_ip_in_each_of_its_families():
    asked = {(s.pod, s.family) for s in CHECK.stimuli(DUAL)}

    assert asked == {(pod.name, family) for pod in DUAL.actors for family in Family}


@pytest.mark.parametrize("plan", [PLAN, DUAL], ids=["six", "dual"])
def test_a_range_that_contains_the_pods_holds(plan):
    found = answer(plan)

    assert found.state is State.HOLDS
    assert found.looked_at


def test_pods_outside_of_the_planned_range_are_named():
    found = answer(given(PLAN, FOREIGN))

    assert {f.subject for f in found.findings} == {pod.name for pod in PLAN.actors}
    first = found.findings[0]
    assert first.cause == "kube-proxy's cluster-cidr does not contain pod-a (IPv6)"
    assert str(FOREIGN) in first.expected
    assert "(manifest)" in first.expected
    assert str(PLAN.pod("pod-a").addresses[0]) in first.seen


def test_only_the_first_range_of_a_family_counts():
    own = PLAN.pod_ranges[0]

    assert answer(given(PLAN, own, FOREIGN)).state is State.HOLDS
    assert answer(given(PLAN, FOREIGN, own)).state is State.BROKEN


def test_a_family_without_a_range_is_told_by_nothing():
    four = next(r for r in DUAL.pod_ranges if r.version == 4)

    assert answer(given(DUAL, four)).state is State.HOLDS


def test_node_cidrs_are_each_nodes_own():
    plan = given(PLAN, detect_local="NodeCIDR")

    assert CHECK.applies(plan) is None
    assert answer(plan).state is State.HOLDS


@pytest.mark.parametrize("plan", [PLAN, DUAL], ids=["six", "dual"])
def test_a_kube_proxy_that_runs_with_another_range_is_found_by_what_it_does(plan):
    found = answer(plan, Faults(foreign_cluster_cidr={"node-1"}))

    assert found.state is State.BROKEN
    assert {f.subject for f in found.findings} == {"pod-c", "pod-d"}
    first = found.findings[0]
    assert first.cause.startswith("kube-proxy on node-1 does not take pod-c for a pod")
    assert "calls come from" in first.seen


def test_a_node_that_hides_its_pods_from_everybody_is_another_checks():
    assert answer(faults=Faults(masquerading={"node-0", "node-1"})).state is State.HOLDS


def test_without_other_traffic_to_compare_with_nothing_is_said():
    found = answer(faults=Faults(foreign_cluster_cidr={"node-1"}), others=())

    assert found.state is State.HOLDS


def test_a_hairpin_alone_is_no_mismatch():
    plan = six_only(nodes=1, pods=1)

    assert answer(plan).state is State.HOLDS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"masquerade_all": True}, "masqueradeAll"),
        ({"detect_local": "InterfaceNamePrefix"}, "not by a range"),
        ({"cluster_cidrs": (), "mode": "ipvs"}, "mode ipvs"),
    ],
)
def test_it_does_not_apply_where_no_range_tells_pods(changes, reason):
    assert reason in CHECK.applies(replace(PLAN, proxy=replace(PLAN.proxy, **changes)))


def test_an_unknown_configuration_makes_it_unknown():
    found = answer(replace(PLAN, proxy=None))

    assert found.state is State.UNKNOWN
    assert "nobody said how kube-proxy is configured" in found.reason


def test_nothing_seen_is_unknown():
    evidence = World(PLAN).evidence()
    (found,), _ = judge(evidence, (CHECK,))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)
