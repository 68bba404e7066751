"""Pods that go out by a proxy: how far they got, and which family the proxy took from there."""

from dataclasses import replace

import pytest

from dataplane.checks.egress_proxy import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.verify import judge
from tests.unit.outgoing import Goers, by_proxy
from tests.unit.plans import six_only

PLAN = by_proxy()
STIMULI = CHECK.stimuli(PLAN)
PROXY = PLAN.egress.name


def driven(**broken):
    return Goers(PLAN, **broken).drive(STIMULI).evidence()


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def causes(**broken):
    found = answer(driven(**broken))
    assert found.state is State.BROKEN
    assert {finding.subject for finding in found.findings} == {PROXY}
    return {finding.cause for finding in found.findings}


def test_it_does_not_apply_without_a_proxy():
    assert CHECK.applies(six_only()) == "no egress proxy stands beside this cluster"
    assert CHECK.applies(PLAN) is None


def test_every_actor_asks_for_every_server_by_name_through_the_proxy():
    assert {(s.pod, s.target) for s in STIMULI} == {
        (pod.name, server.dns_name) for pod in PLAN.actors for server in PLAN.servers
    }
    assert {(s.proxy, s.proxy_port) for s in STIMULI} == {(PLAN.egress.dns_name, PLAN.egress.port)}


def test_a_sound_proxy_holds():
    found = answer(driven())

    assert (found.state, found.looked_at, found.findings) == (State.HOLDS, len(STIMULI), ())


def test_a_proxy_that_does_not_listen_for_ipv6_refuses_pods():
    assert causes(deaf=True) == {f"{PROXY} refuses IPv6: nothing listens on port 3128"}


def test_a_proxy_that_says_nothing():
    assert causes(mute=True) == {f"{PROXY} gets IPv6 requests and sends no answer"}


def test_packets_that_do_not_reach_the_proxy_are_not_its_fault():
    found = answer(driven(unreachable=True))

    assert found.state is State.BROKEN
    assert {finding.subject for finding in found.findings} == {n.name for n in PLAN.nodes}


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("unrouted", "sends nothing out over"),
        ("swallowed", "gets no answer over"),
        ("refused", "is refused over"),
    ],
)
def test_a_family_that_is_lost_outside(how, words, family):
    expected = {f"{PROXY} {words} {family}"}
    if family is Family.IPV6:  # servers with both families hide it
        expected.add(f"{PROXY} {words} IPv6, and IPv4 takes over and hides it")

    assert causes(**{how: {family}}) == expected


def test_a_proxy_that_prefers_ipv4_is_found():
    (cause,) = causes(backwards=True)

    assert cause == f"{PROXY} sends nothing out over IPv6, and IPv4 takes over and hides it"


def test_a_success_that_no_packet_of_the_proxy_confirms_is_unknown():
    evidence = driven()
    packets = tuple(p for p in evidence.packets if p.tap != f"{PROXY}-outside")

    found = answer(replace(evidence, packets=packets))

    assert (found.state, found.looked_at, found.findings) == (State.UNKNOWN, 0, ())


def test_nothing_seen_is_unknown():
    found = answer(replace(driven(), packets=()))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_a_proxy_that_was_not_watched_is_unknown():
    evidence = driven(unreachable=True)
    reports = tuple(
        replace(r, blind="gone") if r.where.startswith(PROXY) else r for r in evidence.reports
    )

    found = answer(replace(evidence, reports=reports))

    assert (found.state, found.findings) == (State.UNKNOWN, ())
