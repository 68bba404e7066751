from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from dataplane.checks.ipv4_leak import CHECK, TIMEOUT_S
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.plan import ClatPlacement
from dataplane.model.stimulus import Transport
from dataplane.model.topology import Point
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

POD = six_only()
NODE = six_only(clat=ClatPlacement.NODE)


def driven(plan=POD, faults=None):
    world = World(plan, faults).drive(CHECK.stimuli(plan))
    for pod in plan.actors:
        world.attempt(pod, Transport.TCP, plan.server("server-v6").addresses[0], 8080)
        world.attempt(pod, Transport.TCP, plan.server("server-v4").addresses[0], 8080)
    return world


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def leak(evidence, tap, *, leaving=True, source="10.9.9.9", destination="198.51.100.4"):
    flow = replace(
        evidence.flows[0],
        tap=tap,
        leaving=leaving,
        family=Family.IPV4,
        source=IPv4Address(source),
        destination=IPv4Address(destination),
    )
    return replace(evidence, flows=(*evidence.flows, flow))


def test_it_does_not_apply_where_ipv4_is_wanted():
    assert CHECK.applies(dual_stack()) == "the cluster has IPv4 on purpose"


def test_every_actor_tries_the_metadata_service_and_does_not_wait_long():
    stimuli = CHECK.stimuli(POD)

    assert {(s.pod, s.transport) for s in stimuli} == {
        (pod.name, transport) for pod in POD.actors for transport in ("tcp", "udp")
    }
    assert {s.target for s in stimuli} == {"169.254.169.254"}
    assert {s.timeout for s in stimuli} == {TIMEOUT_S}


def test_looked_at_counts_all_flows_at_pods_and_uplinks():
    evidence = driven().evidence()
    points = {t.name for t in evidence.header.taps if t.point in {Point.POD, Point.UPLINK}}

    assert answer(evidence).looked_at == sum(flow.tap in points for flow in evidence.flows)


def test_a_pod_that_reaches_its_node_over_ipv4_leaks():
    found = answer(driven(faults=Faults(leaking={"pod-d"})).evidence())

    (finding,) = found.findings
    assert (finding.subject, found.state) == ("pod-d", State.BROKEN)
    assert any("169.254.7.7" in line for line in finding.evidence)


@pytest.mark.parametrize("leaving", [True, False])
@pytest.mark.parametrize(("tap", "subject"), [("pod-b", "pod-b"), ("node-1", "node-1")])
def test_any_ipv4_packet_is_its_owners(tap, subject, leaving):
    (finding,) = answer(leak(driven().evidence(), tap, leaving=leaving)).findings

    assert finding.subject == subject


@pytest.mark.parametrize("tap", ["gateway-edge", "gateway-nat64", "pod-a-clat"])
def test_ipv4_behind_translators_is_no_leak(tap):
    assert answer(leak(driven().evidence(), tap)).state is State.HOLDS


def test_a_clat_on_the_node_is_reached_over_ipv4():
    evidence = driven(NODE).evidence()

    assert any(flow.family is Family.IPV4 and flow.tap == "pod-a" for flow in evidence.flows)
    assert answer(evidence).state is State.HOLDS


@pytest.mark.parametrize(
    ("tap", "leaving", "source", "destination"),
    [
        ("pod-a", True, "10.9.9.9", "198.51.100.4"),
        ("pod-a", False, "169.254.169.254", "169.254.64.2"),
        ("node-0", True, "192.0.0.2", "198.51.100.4"),
        ("node-0", True, "169.254.64.2", "198.51.100.4"),
    ],
)
def test_a_clat_on_the_node_excuses_nothing_else(tap, leaving, source, destination):
    evidence = driven(NODE).evidence()

    found = answer(leak(evidence, tap, leaving=leaving, source=source, destination=destination))

    assert found.state is State.BROKEN
