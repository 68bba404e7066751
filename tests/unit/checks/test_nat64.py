from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from dataplane.checks.nat64 import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.stimulus import Transport
from dataplane.model.topology import Point
from dataplane.rules.rfc6052 import embed
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN = six_only()
GATEWAY = "gateway-nat64"


LITERALS = tuple(s for s in CHECK.stimuli(PLAN) if s.label == "synthesized-literal")


def driven(faults=None):
    return World(PLAN, faults).drive(LITERALS)


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def changed(evidence, matches, **fields):
    """Return the evidence with packets replaced where `matches` says so."""
    packets = tuple(replace(p, **fields) if matches(p) else p for p in evidence.packets)
    return replace(evidence, packets=packets)


def out_as(family):
    return lambda p: p.tap == GATEWAY and not p.leaving and p.family is family


def test_every_transport_is_tried_towards_the_synthesized_literal():
    stimuli = LITERALS

    assert len(stimuli) == len(PLAN.actors) * len(Transport)
    assert {s.target for s in stimuli} == {
        str(embed(PLAN.nat64.prefix, PLAN.server("server-v4").addresses[0]))
    }


def test_a_pod_of_each_node_pulls_from_a_registry_without_ipv6():
    pulls = [s for s in CHECK.stimuli(PLAN) if s.label == "registry"]

    assert [(s.pod, s.target, s.port) for s in pulls] == [
        ("pod-c", "registry-1.docker.io", 8080),
        ("pod-a", "registry-1.docker.io", 8080),
    ]
    found = answer(World(PLAN).drive(pulls).evidence())
    assert (found.state, found.looked_at) == (State.HOLDS, 2 * len(pulls))


def test_without_dns64_no_pull_gets_as_far_as_the_translator():
    pulls = [s for s in CHECK.stimuli(PLAN) if s.label == "registry"]

    found = answer(World(PLAN, Faults(dns64_off=True)).drive(pulls).evidence())

    assert found.state is State.UNKNOWN


def test_it_does_not_apply_where_pods_have_ipv4():
    assert "no NAT64" in CHECK.applies(dual_stack())


def test_both_directions_are_looked_at():
    assert answer(driven().evidence()).looked_at == 2 * len(LITERALS)


@pytest.mark.parametrize("transport", Transport)
def test_requests_that_stay_inside_are_the_gateways(transport):
    world = World(PLAN, Faults(nat64_down=True))
    world.drive(s for s in LITERALS if s.transport is transport)

    found = answer(world.evidence())

    (finding,) = found.findings
    assert finding.subject == "gateway"
    assert "takes IPv6 packets and gives back no IPv4" in finding.cause
    assert found.looked_at == len(PLAN.actors)


def test_answers_that_stay_inside_are_the_gateways():
    evidence = driven().evidence()
    packets = tuple(p for p in evidence.packets if not out_as(Family.IPV6)(p))

    (finding,) = answer(replace(evidence, packets=packets)).findings

    assert "takes IPv4 packets and gives back no IPv6" in finding.cause


@pytest.mark.parametrize(
    ("family", "fields", "expected"),
    [
        (Family.IPV4, {"destination": IPv4Address("198.51.100.5")}, "destination 198.51.100.4"),
        (Family.IPV4, {"source": IPv4Address("203.0.113.9")}, "a source of 198.18.0.0/16"),
        (Family.IPV4, {"destination_port": 9}, "destination port 8080"),
        (
            Family.IPV6,
            {"source": IPv6Address("64:ff9b:1:5::c633:6404")},
            "source 64:ff9b:1::c633:6404",
        ),
    ],
)
def test_wrong_addresses_are_found(family, fields, expected):
    world = World(PLAN).drive(s for s in LITERALS if s.transport is Transport.TCP)

    found = answer(changed(world.evidence(), out_as(family), **fields))

    assert found.state is State.BROKEN
    assert {finding.expected for finding in found.findings} == {expected}


def test_packets_that_never_reach_the_translator_are_its_fault_all_the_same():
    evidence = driven(Faults(nat64_down=True)).evidence()
    packets = tuple(p for p in evidence.packets if p.tap != GATEWAY)

    found = answer(replace(evidence, packets=packets))

    (finding,) = found.findings
    assert (finding.subject, found.state) == ("gateway", State.BROKEN)
    assert "reaches a translator" in finding.cause
    assert found.looked_at == len(LITERALS)


def test_a_blind_translator_is_unknown_while_answers_come():
    evidence = driven().evidence()
    packets = tuple(p for p in evidence.packets if p.tap != GATEWAY)
    reports = tuple(replace(r, blind="gone") if r.where == GATEWAY else r for r in evidence.reports)

    found = answer(replace(evidence, packets=packets, reports=reports))

    assert found.state is State.UNKNOWN
    assert "gone" in found.reason


def test_a_translator_that_is_gone_with_its_interface_is_broken():
    evidence = driven(Faults(nat64_down=True)).evidence()
    packets = tuple(p for p in evidence.packets if p.tap != GATEWAY)
    reports = tuple(replace(r, blind="gone") if r.where == GATEWAY else r for r in evidence.reports)

    assert answer(replace(evidence, packets=packets, reports=reports)).state is State.BROKEN


def test_what_is_lost_behind_the_translator_is_not_its_fault():
    lost = Faults(lost_prefixes={("node-0", Family.IPV6), ("node-1", Family.IPV6)})

    found = answer(driven(lost).evidence())

    assert found.state is State.HOLDS
    assert found.looked_at == 2 * len(LITERALS)


def test_literals_that_no_translator_may_forward_do_not_count():
    world = World(PLAN, Faults(nat64_down=True))
    metadata = embed(PLAN.nat64.prefix, IPv4Address("169.254.169.254"))
    world.attempt(PLAN.actors[0], Transport.TCP, metadata, 80)

    found = answer(world.evidence())

    assert any(tap.point is Point.TRANSLATOR for tap in world.taps)
    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def without_edge(evidence, matches=lambda _: True):
    """Return the evidence without what left the gateway's edge, and without any answer."""
    edge = {tap.name for tap in evidence.header.taps if tap.point is Point.EDGE}
    kept = (p for p in evidence.packets if not (p.tap in edge and matches(p)))
    return replace(evidence, packets=tuple(kept))


def test_a_gateway_that_sends_nothing_out_has_no_ipv4():
    found = answer(without_edge(driven().evidence()))

    (finding,) = found.findings
    assert (found.state, finding.subject) == (State.BROKEN, "gateway")
    assert finding.cause == "gateway translates, and sends nothing out over IPv4"


def test_some_that_leave_show_that_there_is_ipv4():
    evidence = driven().evidence()
    first = evidence.packets[0].stamp

    assert answer(without_edge(evidence, lambda p: p.stamp == first)).findings == ()


def test_an_edge_that_was_not_watched_says_nothing():
    evidence = without_edge(driven().evidence())
    edge = {tap.name for tap in evidence.header.taps if tap.point is Point.EDGE}
    reports = tuple(r for r in evidence.reports if r.where not in edge)

    assert answer(replace(evidence, reports=reports)).findings == ()
