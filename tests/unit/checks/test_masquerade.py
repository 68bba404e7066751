from dataclasses import replace

from dataplane.checks.masquerade import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.seen import PacketKind
from dataplane.model.topology import Point
from dataplane.verify import judge
from tests.unit.network import DROP, Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN = six_only()


def driven(faults=None, plan=PLAN):
    return World(plan, faults).drive(CHECK.stimuli(plan))


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def test_every_actor_sends_off_its_node():
    stimuli = CHECK.stimuli(PLAN)

    assert {s.pod for s in stimuli} == {pod.name for pod in PLAN.actors}
    assert {s.family for s in stimuli} == {Family.IPV6}
    assert {(s.pod, s.label) for s in stimuli} >= {("pod-a", "pod-other-node")}


def test_a_changed_source_names_pod_node_and_both_addresses():
    found = answer(driven(Faults(masquerading={"node-1"})).evidence())

    first, second = found.findings
    assert (first.subject, second.subject) == ("pod-c", "pod-d")
    assert str(PLAN.pod("pod-c").addresses[0]) in first.expected
    node = PLAN.node("node-1").addresses[0]
    assert first.seen == f"they leave with {node}, the address of node-1"
    assert "became" in first.evidence[0]


def test_a_source_that_is_nobodys_is_said_to_be():
    evidence = driven(Faults(masquerading={"node-1"})).evidence()
    node = PLAN.node("node-1").addresses[0]
    stranger = PLAN.node("node-0").addresses[0]
    packets = tuple(
        replace(p, source=stranger) if p.source == node else p for p in evidence.packets
    )

    found = answer(replace(evidence, packets=packets))

    assert "no address of this node" in found.findings[0].seen


def test_ipv4_is_not_judged():
    plan = dual_stack()
    evidence = driven(plan=plan).evidence()
    four = tuple(
        replace(p, source=plan.node("node-0").address(Family.IPV4))
        if p.family is Family.IPV4 and p.tap == "node-0"
        else p
        for p in evidence.packets
    )

    assert answer(replace(evidence, packets=four)).state is State.HOLDS


def test_one_pods_dropped_packets_do_not_make_the_answer_unknown():
    own = PLAN.pod("pod-b").addresses[0]
    found = answer(driven(Faults(rule=lambda _, s, __: DROP if s == own else None)).evidence())

    assert found.state is State.HOLDS
    assert found.looked_at == len(CHECK.stimuli(PLAN)) * 3 // 4


def test_packets_that_left_by_another_way_make_it_unknown():
    evidence = driven().evidence()
    uplink = PLAN.pod("pod-b").node
    own = PLAN.pod("pod-b").addresses[0]
    packets = tuple(p for p in evidence.packets if p.tap != uplink or p.source != own)

    found = answer(replace(evidence, packets=packets))

    assert found.state is State.UNKNOWN
    assert found.reason == "pod-b: left node-0 by an interface that is not watched"


def test_a_blind_uplink_makes_it_unknown_and_never_kept():
    evidence = driven().evidence()
    reports = tuple(
        replace(r, blind="cil_to_netdev runs behind the probe") if r.where == "node-1" else r
        for r in evidence.reports
    )

    found = answer(replace(evidence, reports=reports))

    assert found.state is State.UNKNOWN
    assert "cil_to_netdev" in found.reason


def test_ambiguous_stamps_give_no_verdict():
    evidence = driven(Faults(masquerading={"node-0"})).evidence()
    syns = [p for p in evidence.packets if p.packet is PacketKind.TCP_SYN and p.leaving]
    at_uplink = [p for p in syns if p.tap == "node-0"]
    twins = tuple(replace(p, source_port=p.source_port + 1) for p in at_uplink)

    found = answer(replace(evidence, packets=(*evidence.packets, *twins)))

    assert found.state is State.UNKNOWN
    assert "ambiguous" in found.reason


def test_service_translation_is_no_finding():
    plan = six_only()
    world = World(plan)
    for pod in plan.actors:
        for _ in range(len(plan.actors)):
            assert world.attempt(pod, CHECK.stimuli(plan)[0].transport, _service(plan), 80) is None

    found = answer(world.evidence())

    assert found.state is State.HOLDS
    assert found.looked_at, "some endpoints are on the other node"


def _service(plan):
    return plan.services[0].addresses[0]


def test_it_rests_on_pods_and_uplinks_alone():
    evidence = driven().evidence()
    edges = {t.name for t in evidence.header.taps if t.point in {Point.EDGE, Point.TRANSLATOR}}
    reports = tuple(replace(r, lost=7) if r.where in edges else r for r in evidence.reports)

    assert answer(replace(evidence, reports=reports)).state is State.HOLDS
