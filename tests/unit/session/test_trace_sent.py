"""A client's word and the probes' sights, joined: each address that was tried is a trace."""

from dataclasses import replace

from dataplane.model.stimulus import Outcome, Transport
from dataplane.model.trace import Sights, State
from dataplane.session.trace_sent import Wish, joined, stimulus
from tests.unit.network import Faults
from tests.unit.plans import six_only
from tests.unit.world import World

PLAN = six_only()
POD = PLAN.pods[0].name
WISH = Wish(destination="dual.internet.test", pod=POD, transport=Transport.TCP, port=8080, count=2)


def driven(wish=WISH, faults=None):
    world = World(PLAN, faults)
    world.drive(stimulus(wish, POD, number) for number in range(wish.count))
    return Sights(taps=world.taps, packets=tuple(world.packets)), world.outcomes


def test_each_is_a_trace_of_its_own_and_numbered():
    sights, outcomes = driven()

    found = joined(sights, WISH, POD, outcomes)

    assert [trace.number for trace in found] == [1, 2]
    assert {trace.state for trace in found} == {State.ANSWERED}
    assert found[0].begun_ns < found[1].begun_ns


def test_a_client_that_goes_on_to_the_next_address_leaves_a_trace_of_each():
    wish = replace(WISH, destination="v4only.internet.test", count=1)
    sights, outcomes = driven(wish, Faults(nat64_down=True))

    found = joined(sights, wish, POD, outcomes)

    assert len(found) == len(outcomes[0].attempts) == 2
    assert [trace.state for trace in found] == [State.LOST] * 2
    assert found[0].destination != found[1].destination
    assert {trace.said for trace in found} == {"TIMEOUT"}


def test_the_same_on_a_node_where_a_clat_makes_both_addresses_one():
    wish = replace(WISH, destination="v4only.internet.test", count=1)
    sights, outcomes = driven(wish, Faults(nat64_down=True))
    outside = [p for p in sights.packets if not p.tap.endswith("-clat")]

    found = joined(replace(sights, packets=tuple(outside)), wish, POD, outcomes)

    assert [trace.state for trace in found] == [State.LOST] * 2
    ports = [trace.legs[0].hops[0].source_port for trace in found]
    assert len(set(ports)) == 2


def test_what_has_no_address_became_no_packet():
    outcome = Outcome(stimulus="trace-0", ok=False, started_ns=1, ended_ns=2, error="NXDOMAIN")

    (trace,) = joined(driven()[0], WISH, POD, [outcome])

    assert (trace.state, trace.destination, trace.legs) == (State.UNKNOWN, None, ())
    assert "was not resolved in the pod (NXDOMAIN)" in trace.verdict


def test_where_nobody_answers_the_question_it_is_the_question_that_is_traced():
    wish = replace(WISH, destination="v6only.internet.test", count=1)
    sights, _ = driven(wish, Faults(silent_resolver=True))
    outcome = Outcome(
        stimulus="trace-0", ok=False, started_ns=1, ended_ns=10**12, error="EAI_AGAIN"
    )

    (trace,) = joined(sights, wish, POD, [outcome], PLAN.dns_addresses)

    assert trace.state is State.LOST
    assert trace.destination in PLAN.dns_addresses
    assert (trace.port, len(trace.legs)) == (53, 1)
    assert "not resolved in the pod (EAI_AGAIN); the question to" in trace.verdict
