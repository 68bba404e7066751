from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from dataplane.checks.clat import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.plan import ClatPlacement
from dataplane.model.seen import ConnectResult
from dataplane.model.stimulus import Transport
from dataplane.verify import judge
from tests.unit.network import DROP, Faults
from tests.unit.plans import six_only
from tests.unit.world import World

PLANS = {placement: six_only(clat=placement) for placement in ClatPlacement}
POD = PLANS[ClatPlacement.POD]


@pytest.fixture(params=ClatPlacement, name="plan")
def _plan(request):
    return PLANS[request.param]


def driven(plan, faults=None):
    return World(plan, faults).drive(CHECK.stimuli(plan))


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def test_it_does_not_apply_without_464xlat():
    assert CHECK.applies(six_only(clat=None)) == "the plan has no 464XLAT"


def test_every_packet_of_an_application_is_looked_at(plan):
    found = answer(driven(plan).evidence())

    assert (found.state, found.looked_at) == (State.HOLDS, len(CHECK.stimuli(plan)))


def test_a_pod_without_one_is_found_at_the_socket():
    evidence = driven(POD, Faults(without_clat={"pod-b"})).evidence()

    (finding,) = answer(evidence).findings

    assert finding.subject == "pod-b"
    assert "pod-b has no CLAT" in finding.cause
    assert "client (pid 1001) to 198.51.100.4: not sent" in finding.evidence


def test_a_pod_without_one_is_found_by_its_silence_where_sockets_are_not_watched():
    evidence = driven(POD, Faults(without_clat={"pod-b"})).evidence()

    (finding,) = answer(replace(evidence, connects=())).findings

    assert (finding.subject, finding.evidence[0]) == (
        "pod-b",
        "tcp client to 198.51.100.4: not sent",
    )


def test_sockets_that_only_sort_addresses_prove_nothing():
    evidence = driven(POD).evidence()
    probe = replace(
        evidence.connects[0],
        protocol=17,
        call="connect",
        result=ConnectResult.UNSENT,
        destination=IPv4Address("198.51.100.46"),
    )

    found = answer(replace(evidence, connects=(*evidence.connects, probe)))

    assert found.state is State.HOLDS


def test_link_local_literals_are_not_for_a_clat():
    world = World(POD, Faults(without_clat={"pod-b"}))
    world.attempt(POD.pod("pod-b"), Transport.TCP, IPv4Address("169.254.169.254"), 80)

    found = answer(world.evidence())

    assert not found.findings


def test_a_dead_one_is_told_from_a_missing_one(plan):
    owner = "pod-b" if plan is POD else "node-0"

    found = answer(driven(plan, Faults(dead_clat={owner})).evidence())

    assert {finding.subject for finding in found.findings} == {owner}
    assert all("gives back no IPv6" in finding.cause for finding in found.findings)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("destination", IPv6Address("64:ff9b::c633:6404"), "destination 64:ff9b:1::c633:6404"),
        ("source", IPv6Address("2001:db8:2::2"), f"source {POD.pod('pod-a').clat_address}"),
    ],
)
def test_wrong_addresses_are_found(field, value, expected):
    evidence = driven(POD).evidence()
    packets = tuple(
        replace(p, **{field: value})
        if p.tap == "pod-a" and p.leaving and p.family is Family.IPV6
        else p
        for p in evidence.packets
    )

    (finding,) = answer(replace(evidence, packets=packets)).findings

    assert (finding.subject, finding.expected) == ("pod-a", expected)


def test_ipv4_on_the_pods_link_is_found():
    evidence = driven(POD).evidence()
    inside = {
        p.stamp: p
        for p in evidence.packets
        if p.tap == "pod-a-clat" and p.leaving and p.family is Family.IPV4
    }
    packets = tuple(
        replace(inside[p.stamp], tap="pod-a") if p.tap == "pod-a" and p.leaving else p
        for p in evidence.packets
        if p.tap != "pod-a-clat" or p.leaving
    )

    (finding,) = answer(replace(evidence, packets=packets)).findings

    assert "cross its link past the CLAT" in finding.cause


def test_answers_that_do_not_come_out_are_found(plan):
    evidence = driven(plan).evidence()
    packets = tuple(
        p
        for p in evidence.packets
        if not (p.tap.endswith("-clat") and not p.leaving and p.family is Family.IPV4)
    )

    found = answer(replace(evidence, packets=packets))

    owners = {pod.name if plan is POD else pod.node for pod in plan.actors}
    assert {finding.subject for finding in found.findings} == owners
    assert all("takes answers" in finding.cause for finding in found.findings)


def test_what_is_lost_behind_it_is_not_its_fault(plan):
    for faults in (Faults(nat64_down=True), Faults(rule=lambda *_: DROP)):
        if plan is not POD and faults.rule(None, None, None):
            continue  # with the CLAT on the node, what the node drops was not translated yet
        assert answer(driven(plan, faults).evidence()).state is State.HOLDS


def test_a_success_without_packets_is_a_doubt():
    evidence = driven(POD).evidence()
    packets = tuple(p for p in evidence.packets if not p.tap.startswith("pod-a"))

    found = answer(replace(evidence, packets=packets))

    assert found.state is State.UNKNOWN
    assert "not confirmed by packets" in found.reason


def test_a_node_that_takes_no_ipv4_is_found():
    plan = PLANS[ClatPlacement.NODE]
    evidence = driven(plan).evidence()
    outcomes = tuple(replace(o, ok=False, error="TIMEOUT") for o in evidence.outcomes)

    found = answer(replace(evidence, packets=(), outcomes=outcomes))

    assert {finding.subject for finding in found.findings} == {"node-0", "node-1"}
    assert all("has no CLAT" in finding.cause for finding in found.findings)
