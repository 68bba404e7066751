from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from dataplane.checks.masquerade import CHECK as TRAFFIC
from dataplane.checks.source_range import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.verify import judge
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN = dual_stack()
EVIDENCE = World(PLAN).drive(TRAFFIC.stimuli(PLAN)).evidence()


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def sending(source, *, tap="pod-a", leaving=True):
    """Return the evidence with one more flow, from that source."""
    family = Family.IPV6 if source.version == 6 else Family.IPV4
    flow = next(f for f in EVIDENCE.flows if f.tap == "pod-a" and f.leaving)
    extra = replace(flow, source=source, tap=tap, leaving=leaving, family=family)
    return replace(EVIDENCE, flows=(*EVIDENCE.flows, extra))


def test_looked_at_counts_the_flows_that_leave_pods():
    leaving = [f for f in EVIDENCE.flows if f.leaving and f.tap.startswith("pod-")]

    assert answer(EVIDENCE).looked_at == len(leaving)


@pytest.mark.parametrize(
    "source",
    [
        "2001:db8:2:1::2",  # another node's pod
        "2001:db8:1::10",  # a node
        "2001:db8:ffff::1",
        "10.1.1.2",
        "10.0.2.5",
    ],
)
def test_a_foreign_source_is_the_pods(source):
    source = IPv6Address(source) if ":" in source else IPv4Address(source)

    (finding,) = answer(sending(source)).findings

    assert finding.subject == "pod-a"
    family = Family.IPV6 if source.version == 6 else Family.IPV4
    prefix = next(p for p in PLAN.node("node-0").pod_prefixes if p.version == source.version)
    assert str(prefix) in finding.expected
    assert family in finding.cause
    assert str(source) in finding.seen


@pytest.mark.parametrize(
    "source", ["::", "fe80::2", "ff02::1", "169.254.7.7", str(IPv4Address(0)), "192.0.0.2"]
)
def test_what_stays_on_the_link_is_not_judged(source):
    source = IPv6Address(source) if ":" in source else IPv4Address(source)

    found = answer(sending(source))

    assert found.state is State.HOLDS
    assert found.looked_at == answer(EVIDENCE).looked_at


def test_a_clats_address_is_inside():
    plan = six_only()
    evidence = World(plan).drive(TRAFFIC.stimuli(plan)).evidence()
    flow = next(f for f in evidence.flows if f.tap == "pod-a" and f.leaving)
    own = replace(flow, source=plan.pod("pod-a").clat_address)

    assert answer(replace(evidence, flows=(own,))).state is State.HOLDS


@pytest.mark.parametrize(("tap", "leaving"), [("node-0", True), ("pod-a", False)])
def test_other_places_and_directions_are_not_judged(tap, leaving):
    assert answer(sending(IPv6Address("2a00::1"), tap=tap, leaving=leaving)).state is State.HOLDS


def test_a_range_that_the_manifest_leaves_open_is_unknown_and_named():
    node = replace(PLAN.nodes[0], pod_prefixes=PLAN.nodes[0].pod_prefixes[:1])
    plan = replace(PLAN, nodes=(node, *PLAN.nodes[1:]))
    header = replace(EVIDENCE.header, plan=plan)

    found = answer(replace(EVIDENCE, header=header))

    assert found.state is State.UNKNOWN
    assert found.reason == "the manifest gives node-0 no IPv6 pod prefix"
