"""Where each node has a NAT64: whose is used, whether it translates, and what leaves the node."""

from dataclasses import replace

import pytest

from dataplane.checks import checks
from dataplane.checks.nat64 import CHECK
from dataplane.model.answer import State
from dataplane.model.topology import Point
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import node_nat64
from tests.unit.world import World

PLAN = node_nat64()
LITERALS = tuple(s for s in CHECK.stimuli(PLAN) if s.label == "synthesized-literal")
HERE, THERE = "node-0", "node-1"


def driven(**faults):
    return World(PLAN, Faults(**faults)).drive(LITERALS).evidence()


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def test_each_node_translates_for_its_own_pods():
    found = answer(driven())

    assert (found.state, found.looked_at) == (State.HOLDS, 2 * len(LITERALS))


@pytest.mark.parametrize(
    ("faults", "cause"),
    [
        ({"nat64_down_on": {HERE}}, "takes IPv6 packets and gives back no IPv4 packet"),
        ({"nat64_unrouted": {HERE}}, f"on {HERE} reaches a translator"),
        (
            {"nat64_unrouted": {HERE}, "nat64_of": THERE},
            f"{HERE} uses the NAT64 of {THERE}, and has its own",
        ),
        ({"nat64_unhidden": {HERE}}, "with a source that is not its own"),
    ],
)
def test_what_is_wrong_on_one_node_is_about_that_node(faults, cause):
    found = answer(driven(**faults))

    (finding,) = found.findings
    assert found.state is State.BROKEN
    assert finding.subject == HERE
    assert cause in finding.cause


def test_a_node_that_sends_nothing_out_has_no_ipv4():
    evidence = driven()
    packets = tuple(
        p
        for p in evidence.packets
        if not (p.tap in {HERE, "gateway-edge"} and p.family == "IPv4" and p.leaving)
    )

    (finding,) = answer(replace(evidence, packets=packets)).findings

    assert finding.subject == HERE
    assert finding.cause == f"{HERE} translates, and sends nothing out over IPv4"


def test_a_node_whose_translator_is_not_watched_is_unknown():
    evidence = driven()
    name = f"{HERE}-nat64"
    packets = tuple(p for p in evidence.packets if p.tap != name)
    reports = tuple(replace(r, blind="gone") if r.where == name else r for r in evidence.reports)

    found = answer(replace(evidence, packets=packets, reports=reports))

    assert (found.state, found.findings) == (State.UNKNOWN, ())


def test_nothing_seen_is_unknown():
    evidence = replace(driven(), packets=(), flows=())

    found = answer(evidence)

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({}, set()),
        ({"nat64_down_on": {HERE}}, {"nat64"}),
        ({"nat64_unrouted": {HERE}}, {"nat64"}),
        ({"nat64_unrouted": {HERE}, "nat64_of": THERE}, {"nat64"}),
        ({"nat64_unhidden": {HERE}}, {"nat64"}),
    ],
)
def test_every_other_check_holds(faults, expected):
    world = World(PLAN, Faults(**faults))
    applying = tuple(check for check in checks() if check.applies(PLAN) is None)
    for check in applying:
        world.drive(check.stimuli(PLAN))

    answers, _ = judge(world.evidence(), applying)

    assert {a.check for a in answers if a.state is State.BROKEN} == expected
    assert {a.check: a.reason for a in answers if a.state is State.UNKNOWN} == {}


def test_ipv4_of_a_node_that_is_not_its_nat64s_is_a_leak():
    leak = next(check for check in checks() if check.name == "ipv4-leak")
    evidence = driven()
    flow = next(f for f in evidence.flows if f.tap == HERE and f.family == "IPv4" and f.leaving)
    other = PLAN.nat64.on_node(THERE).source4
    strange = replace(flow, source=other)
    inside = replace(flow, destination=other)
    tried = World(PLAN).drive(leak.stimuli(PLAN)).evidence()

    for bad in (strange, inside):
        seen = replace(tried, flows=(*tried.flows, bad))
        (found,), _ = judge(seen, (leak,))
        assert [finding.subject for finding in found.findings] == [HERE]
    (found,), _ = judge(replace(tried, flows=(*tried.flows, flow)), (leak,))
    assert found.state is State.HOLDS
    assert any(tap.point is Point.TRANSLATOR and tap.owner == HERE for tap in evidence.header.taps)
