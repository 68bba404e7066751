from dataclasses import replace

import pytest

from dataplane.checks.ingress import CHECK
from dataplane.model.address import Family, family_of
from dataplane.model.answer import State
from dataplane.model.seen import PacketKind
from dataplane.model.topology import Point
from dataplane.verify import judge
from tests.unit.incoming import Broken, Comers, four_only
from tests.unit.plans import six_only

FOUR, MOVING = four_only(), four_only(migration=True)
BALANCER, OLD = "balancer", "balancer-old"
PODS = tuple(pod.name for pod in FOUR.actors)
SIX, IPV4 = Family.IPV6, Family.IPV4


def evidence(plan=FOUR, broken=None):
    return Comers(plan, broken).drive(CHECK.stimuli(plan)).evidence()


def answer(seen):
    (only,), _ = judge(seen, (CHECK,))
    return only


def own(plan, name, family):
    return next(b for b in plan.ingress.balancers if b.name == name).address(family)


def test_without_a_balancer_there_is_nothing_to_check():
    assert CHECK.applies(six_only())
    assert CHECK.applies(FOUR) is None


def test_every_client_tries_every_address_and_the_name_in_its_families():
    asked = {s.id.removeprefix("ingress/") for s in CHECK.stimuli(MOVING)}

    assert {
        "client-v4/address/balancer/IPv4",
        "client-v6/address/balancer-old/IPv6",
        "client-dual/name/web/IPv4",
        "client-dual/name/web/IPv6",
        "client-v6/kept-open/balancer-old/IPv6",
        "client-dual/records/AAAA",
        "pod-a/egress/server-v6/IPv6",
    } <= asked
    assert not {one for one in asked if one.startswith("client-v4/") and one.endswith("IPv6")}
    assert not {s.label for s in CHECK.stimuli(FOUR)} & {"kept-open"}


@pytest.mark.parametrize("plan", [FOUR, MOVING, four_only(proxy_protocol=False)])
def test_what_is_healthy_holds(plan):
    found = answer(evidence(plan))

    assert (found.state, found.findings, found.reason) == (State.HOLDS, (), "")
    assert found.looked_at > len(plan.ingress.clients)


@pytest.mark.parametrize(
    ("plan", "broken", "subject", "cause"),
    [
        (FOUR, Broken(deaf={(BALANCER, SIX)}), BALANCER, "refuses connections"),
        (FOUR, Broken(mute={(BALANCER, SIX)}), BALANCER, "does not answer connections (IPv6)"),
        (FOUR, Broken(unreachable={BALANCER}), BALANCER, "is not reached"),
        (FOUR, Broken(unnamed={own(FOUR, BALANCER, SIX)}), BALANCER, "no AAAA record"),
        (FOUR, Broken(empty={BALANCER}), BALANCER, "leads nowhere"),
        (FOUR, Broken(strange={BALANCER}), BALANCER, "are not answered"),
        (FOUR, Broken(silent={BALANCER}), BALANCER, "pods await the PROXY protocol"),
        (FOUR, Broken(plain={"pod-c"}), "pod-c", "pod-c does not read it"),
        (FOUR, Broken(silent={BALANCER}, plain=set(PODS)), BALANCER, "address is lost"),
        (FOUR, Broken(foreign={"pod-b"}), "pod-b", "IPv6 at pod-b"),
        (MOVING, Broken(cutting={OLD}), OLD, "cuts connections"),
        (MOVING, Broken(named={own(MOVING, OLD, IPV4)}), OLD, "the name still leads to"),
        (MOVING, Broken(empty={OLD}), OLD, "leads nowhere"),
    ],
)
def test_what_is_broken_is_found_where_it_is(plan, broken, subject, cause):
    found = answer(evidence(plan, broken))

    assert found.state is State.BROKEN, found.reason
    assert {finding.subject for finding in found.findings} == {subject}
    assert all(cause in finding.cause for finding in found.findings), found.findings
    assert all(f.expected and f.seen and f.remedy and f.evidence for f in found.findings)


def test_a_pod_that_hears_another_client_than_there_was_is_not_believed():
    seen = evidence()
    one = next(o for o in seen.outcomes if o.peer is not None)
    other = replace(one, peer=replace(one.peer, port=one.peer.port + 1))

    found = answer(replace(seen, outcomes=tuple(other if o is one else o for o in seen.outcomes)))

    assert {f.cause for f in found.findings} == {
        "the client's address is lost on the way to the pod"
    }
    assert found.findings[0].subject in PODS  # the header went ahead


def test_nothing_seen_is_unknown():
    seen = replace(evidence(), packets=(), flows=())

    found = answer(seen)

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


@pytest.mark.parametrize("point", [Point.CLIENT, Point.BALANCER, Point.POD])
def test_a_place_that_was_not_seen_is_missed(point):
    seen = evidence()
    there = {tap.name for tap in seen.header.taps if tap.point is point}

    found = answer(
        replace(
            seen,
            packets=tuple(p for p in seen.packets if p.tap not in there),
            reports=tuple(r for r in seen.reports if r.where not in there),
        )
    )

    assert found.state is State.UNKNOWN, found.findings
    words = {Point.CLIENT: "no packet was seen", Point.BALANCER: "was not watched"}
    assert words.get(point, "not confirmed by packets") in found.reason


def test_an_answer_without_packets_at_a_pod_does_not_count():
    seen = evidence()
    pods = {tap.name for tap in seen.header.taps if tap.point is Point.POD}
    packets = tuple(
        p for p in seen.packets if p.tap not in pods or p.packet is not PacketKind.TCP_SYN
    )

    found = answer(replace(seen, packets=packets))

    assert found.state is State.UNKNOWN
    assert "not confirmed by packets at a pod" in found.reason


def test_a_pod_that_is_late_is_not_blamed():
    seen = evidence(FOUR, Broken(plain={"pod-c"}))
    late = tuple(
        replace(o, error="TIMEOUT", attempts=tuple((end, "TIMEOUT") for end, _ in o.attempts))
        if o.error == "EBADMSG"
        else o
        for o in seen.outcomes
    )

    found = answer(replace(seen, outcomes=late))

    assert found.state is State.UNKNOWN
    assert "pod-c was reached, and gave no answer in time" in found.reason


def test_a_kept_connection_means_nothing_when_nobody_else_came():
    stimuli = [
        s
        for s in CHECK.stimuli(MOVING)
        if s.label in {"kept-open", "records"} or s.pod.startswith("pod-")
    ]

    found = answer(Comers(MOVING).drive(stimuli).evidence())

    assert found.state is State.UNKNOWN
    assert "nobody came in by another balancer" in found.reason


def test_who_breaks_the_word_is_to_blame():
    """Without a promise, it is the balancer that sends all the same who is wrong."""
    broken = evidence(FOUR, Broken(plain=set(PODS)))
    unpromised = replace(FOUR, ingress=replace(FOUR.ingress, proxy_protocol=False))
    told = replace(broken, header=replace(broken.header, plan=unpromised))

    assert {f.subject for f in answer(broken).findings} == set(PODS)
    assert {f.subject for f in answer(told).findings} == {BALANCER}


def test_addresses_of_both_families_are_planned():
    for balancer in MOVING.ingress.balancers:
        assert [family_of(a) for a in balancer.addresses] == [SIX, IPV4]
