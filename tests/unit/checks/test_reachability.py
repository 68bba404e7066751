from dataclasses import replace

import pytest

from dataplane.checks.reachability import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.topology import Point
from dataplane.verify import judge
from tests.unit.network import DROP, REFUSE, Faults, at_node_of
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

DUAL = dual_stack()


def driven(faults=None, plan=DUAL):
    return World(plan, faults).drive(CHECK.stimuli(plan))


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def causes(faults, plan=DUAL):
    return {(f.subject, f.cause) for f in answer(driven(faults, plan).evidence()).findings}


@pytest.mark.parametrize("shape", [(2, 4), (2, 3), (3, 7), (4, 100)])
def test_every_actor_is_a_target_and_every_label_is_tried_over_every_transport(shape):
    nodes, pods = shape
    plan = dual_stack(nodes=nodes, pods=pods)
    stimuli = CHECK.stimuli(plan)

    targets = {stimulus.target for stimulus in stimuli}
    assert {str(a) for pod in plan.actors for a in pod.addresses} <= targets
    tried = {(s.label, s.family, s.transport.value) for s in stimuli}
    labels = {"pod-pod-same-node", "pod-pod-other-node", "pod-internet"}
    wanted = {(label, f, t) for label in labels for f in Family for t in ("tcp", "udp", "icmp")}
    wanted |= {("pod-service", f, t) for f in Family for t in ("tcp", "udp")}
    assert tried == wanted


def test_what_takes_long_in_a_broken_cluster_is_shared_out():
    stimuli = CHECK.stimuli(DUAL)

    per_pod = [sum(s.pod == pod.name for s in stimuli) for pod in DUAL.actors]
    assert max(per_pod) - min(per_pod) <= 6


def test_ipv4_servers_are_not_asked_for_in_an_ipv6_only_cluster():
    assert {s.family for s in CHECK.stimuli(six_only())} == {Family.IPV6}


def test_looked_at_counts_the_stimuli_that_packets_confirm():
    evidence = driven().evidence()

    assert answer(evidence).looked_at == len(evidence.stimuli)


def test_a_success_without_packets_is_a_doubt():
    evidence = driven().evidence()
    gone = [p for p in evidence.packets if p.destination_port != 80 and p.source_port != 80]

    found = answer(replace(evidence, packets=tuple(gone)))

    assert found.state is State.UNKNOWN
    assert "not confirmed by packets" in found.reason
    assert 0 < found.looked_at < len(evidence.stimuli)


def test_a_request_without_its_answer_confirms_nothing():
    evidence = driven().evidence()
    gone = [p for p in evidence.packets if p.leaving or p.packet.value != "tcp-syn-ack"]

    found = answer(replace(evidence, packets=tuple(gone)))

    assert found.state is State.UNKNOWN
    assert "not confirmed" in found.reason


def test_a_stimulus_that_was_not_carried_out_is_a_doubt():
    evidence = driven().evidence()

    found = answer(replace(evidence, outcomes=evidence.outcomes[1:]))

    assert found.state is State.UNKNOWN
    assert "was not carried out" in found.reason


def test_a_request_dropped_on_its_own_node_is_the_sources():
    pod = DUAL.pod("pod-a")
    own = pod.address(Family.IPV6)
    rule = at_node_of(pod, DROP, lambda source, _: source == own)

    assert causes(Faults(rule=rule)) == {("pod-a", "node-0 drops IPv6 packets of pod-a")}


def test_a_request_dropped_in_front_of_its_destination_is_the_destinations():
    pod = DUAL.pod("pod-a")
    own = pod.address(Family.IPV4)
    rule = at_node_of(pod, DROP, lambda _, destination: destination == own)

    assert causes(Faults(rule=rule)) == {("pod-a", "node-0 drops IPv4 packets for pod-a")}


def test_a_refusal_by_the_node_is_told_from_one_by_the_pod():
    pod = DUAL.pod("pod-a")
    own = pod.address(Family.IPV6)
    rule = at_node_of(pod, REFUSE, lambda source, _: source == own)

    assert ("pod-a", "node-0 refuses IPv6 packets of pod-a") in causes(Faults(rule=rule))
    assert causes(Faults(deaf={("pod-a", Family.IPV6)})) == {
        ("pod-a", "pod-a refuses IPv6: IPv4-only listener")
    }
    both = {("pod-a", Family.IPV6), ("pod-a", Family.IPV4)}
    assert causes(Faults(deaf=both)) == {
        ("pod-a", "pod-a refuses IPv4: nothing listens for IPv4"),
        ("pod-a", "pod-a refuses IPv6: nothing listens for IPv6"),
    }


def test_a_pod_without_a_way_out_is_told_from_one_whose_packets_are_dropped():
    assert causes(Faults(unsent={("pod-c", Family.IPV6)})) == {
        ("pod-c", "pod-c cannot send IPv6: no packet left the pod")
    }


@pytest.mark.parametrize("family", Family)
def test_a_missing_route_is_the_nodes_in_both_directions(family):
    found = answer(driven(Faults(lost_prefixes={("node-1", family)})).evidence())

    (finding,) = found.findings
    assert finding.subject == "node-1"
    assert family in finding.cause
    assert any("pod-a -> pod-c" in line for line in finding.evidence), "towards it"
    assert any("pod-c -> server-dual" in line for line in finding.evidence), "and back to it"


def test_a_gateway_that_does_not_forward_is_to_blame_itself():
    plan = six_only()
    found = answer(World(plan, Faults(silent_gateway=True)).drive(CHECK.stimuli(plan)).evidence())

    assert {finding.subject for finding in found.findings} == {"gateway"}


def test_what_vanishes_where_nobody_watches_is_a_doubt_and_no_blame():
    plan = six_only()
    world = World(plan, Faults(lost_prefixes={("node-1", Family.IPV6)})).drive(CHECK.stimuli(plan))
    evidence = world.evidence()
    blind = {tap.name for tap in world.taps if tap.point in {Point.UPLINK, Point.EDGE}}
    reports = tuple(
        replace(r, blind="foreign program") if r.where in blind else r for r in evidence.reports
    )
    packets = tuple(p for p in evidence.packets if p.tap not in blind)

    found = answer(replace(evidence, packets=packets, reports=reports))

    assert found.state is State.UNKNOWN
    assert not found.findings


def test_an_attempt_that_was_answered_on_the_wire_is_nobodys_fault():
    evidence = driven().evidence()
    late = replace(evidence.outcomes[0], ok=False, error="TIMEOUT")

    found = answer(replace(evidence, outcomes=(late, *evidence.outcomes[1:])))

    assert found.state is State.UNKNOWN
    assert "answered on the wire" in found.reason


def test_evidence_shows_the_endpoint_behind_a_service():
    found = answer(driven(Faults(deaf={("pod-d", Family.IPV6)})).evidence())

    (finding,) = found.findings
    through = [line for line in finding.evidence if "pod-service" in line]
    assert through
    assert all("reaching pod-d pod" in line for line in through)
