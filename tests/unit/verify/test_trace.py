"""Traces from recorded evidence: which packet is whose, what was rewritten, and what ended it."""

import itertools
from dataclasses import replace
from ipaddress import IPv6Address, ip_address

import pytest

from dataplane.model.address import Family
from dataplane.model.seen import Quoted, TooBigSeen
from dataplane.model.stimulus import Transport
from dataplane.model.trace import Asked, By, Sights, State
from dataplane.verify.trace import traces
from tests.unit.network import Faults, at_node_of
from tests.unit.sights import NODE, PLACE, PLAN, POD, REASON, V4, V4_IN_6, V6, drop_of, only, seen


def places(leg):
    return [hop.tap for hop in leg.hops]


def done(leg):
    return [(hop.change.by, hop.change.undone) if hop.change else None for hop in leg.hops]


def test_an_ipv4_server_by_nat64_there_and_back():
    trace = only(*seen(), said="")

    request, answer = trace.legs
    assert trace.state is State.ANSWERED
    assert places(request) == [POD.name, NODE, "gateway-nat64", "gateway-nat64", "gateway-edge"]
    assert places(answer) == places(request)[::-1]
    assert done(request) == [
        None, None, (By.ROUTED, False), (By.NAT64, False), (By.MASQUERADE, False),
    ]  # fmt: skip
    assert done(answer)[1:3] == [(By.MASQUERADE, True), (By.NAT64, True)]
    assert request.complete
    assert answer.complete
    fields = {f.field: (f.before, f.after) for f in request.hops[3].change.fields}
    assert fields["family"] == ("IPv6", "IPv4")
    assert fields["destination"] == (str(V4_IN_6), str(V4))
    assert "destination port" not in fields


def test_times_are_since_the_first_sight_and_since_the_one_before():
    trace = only(*seen())

    hops = [hop for leg in trace.legs for hop in leg.hops]
    assert hops[0].offset_us == hops[0].delta_us == 0
    for before, after in itertools.pairwise(hops):
        assert after.delta_us == pytest.approx(after.offset_us - before.offset_us)
    assert trace.round_trip_us == hops[-1].offset_us > 0


def test_an_ipv4_literal_goes_by_the_clat_and_then_the_nat64():
    trace = only(*seen(V4))

    by = [step[0] for step in done(trace.legs[0]) if step]
    back = [step for step in done(trace.legs[1]) if step]
    assert trace.legs[0].hops[0].family is Family.IPV4
    assert [step for step in by if step is not By.ROUTED] == [By.CLAT, By.NAT64, By.MASQUERADE]
    assert [step for step in back if step[0] is not By.ROUTED] == [
        (By.MASQUERADE, True), (By.NAT64, True), (By.CLAT, True),
    ]  # fmt: skip


@pytest.mark.parametrize("transport", Transport)
def test_every_protocol_has_its_answer(transport):
    port = 0 if transport is Transport.ICMP else 8080

    trace = only(*seen(V6, transport=transport, port=port))

    assert trace.state is State.ANSWERED
    assert trace.legs[1].hops[-1].tap == POD.name


def test_a_service_is_a_dnat_that_is_undone_and_a_hairpin_is_hidden_as_well():
    """The endpoints take turns; the first one is the pod that asks: out and in by one interface."""
    service = next(s for s in PLAN.services if s.port == 80)

    hairpin, other = traces(*seen(service.addresses[0], port=80, times=2))

    assert (hairpin.state, other.state) == (State.ANSWERED, State.ANSWERED)
    assert done(hairpin.legs[0]) == [None, (By.BOTH, False)]
    assert done(hairpin.legs[1]) == [None, (By.BOTH, True)]
    assert [(hop.tap, hop.egress) for hop in hairpin.legs[0].hops] == [
        (POD.name, False),
        (POD.name, True),
    ]
    assert (By.DNAT, False) in done(other.legs[0])
    assert (By.DNAT, True) in done(other.legs[1])
    assert other.legs[0].hops[-1].destination != service.addresses[0]


def test_a_rule_on_the_node_drops_it_and_the_kernel_says_so():
    faults = Faults(rule=at_node_of(POD, "drop", lambda *_: True))
    sights, asked = seen(V6, faults=faults)
    first = sights.packets[0]
    sights = replace(sights, drops=(drop_of(first), drop_of(first, source_port=1, source=V6)))

    trace = only(sights, asked, said="TIMEOUT")

    assert (trace.state, len(trace.legs)) == (State.DROPPED, 1)
    (stop,) = trace.stops
    assert (stop.what, stop.owner, stop.reason, stop.place) == ("drop", NODE, REASON, PLACE)
    assert "a rule of nftables" in trace.verdict
    assert not trace.legs[0].complete


def test_a_drop_behind_a_translation_that_no_tap_saw():
    """DNAT comes before the drop: destination and port are others, the source is the packet's."""
    faults = Faults(rule=at_node_of(POD, "drop", lambda *_: True))
    sights, asked = seen(V6, faults=faults)
    other = drop_of(sights.packets[0], destination=IPv6Address("2001:db8::7"), destination_port=9)

    assert only(replace(sights, drops=(other,)), asked).state is State.DROPPED


def test_without_a_word_of_anybody_it_is_lost_behind_the_last_hop_seen():
    sights, asked = seen(faults=Faults(nat64_down=True))

    trace = only(sights, asked, said="TIMEOUT")

    assert trace.state is State.LOST
    assert trace.verdict.startswith("lost: the request was seen last as it left gateway")
    assert "the client says TIMEOUT" in trace.verdict
    assert trace.legs[0].hops[-1].tap == "gateway-nat64"


def test_an_answer_that_does_not_come_home_is_lost_on_its_way():
    sights, asked = seen(V6)
    kept = [p for p in sights.packets if p.packet == "tcp-syn" or p.tap == "gateway-edge"]

    trace = only(replace(sights, packets=tuple(kept)), asked)

    assert trace.state is State.LOST
    assert "the answer was seen last" in trace.verdict
    assert (trace.legs[0].complete, trace.legs[1].complete) == (True, False)
    assert trace.round_trip_us is None


def test_a_reset_that_comes_back_is_a_refusal():
    other = PLAN.pods[-1]
    sights, asked = seen(
        other.address(Family.IPV6), faults=Faults(deaf={(other.name, Family.IPV6)})
    )

    trace = only(sights, asked, said="ECONNREFUSED")

    assert trace.state is State.REFUSED
    assert trace.legs[1].packet == "tcp-rst"


def test_too_big_names_the_mtu_and_who_said_it():
    sights, asked = seen(V6, transport=Transport.UDP, octets=1400)
    request = [p for p in sights.packets if p.destination == V6]
    router = IPv6Address("2001:db8:f1::1")
    word = TooBigSeen(
        tap=NODE,
        leaving=False,
        time_ns=request[-1].time_ns + 7_000,
        family=Family.IPV6,
        source=router,
        destination=request[0].source,
        mtu=1280,
        refused=Quoted(
            protocol=17,
            source=request[0].source,
            destination=V6,
            source_port=request[0].source_port,
            destination_port=8080,
        ),
    )
    again = replace(word, tap=POD.name, time_ns=word.time_ns + 1_000)
    sights = replace(sights, packets=tuple(request), too_big=(again, word))

    trace = only(sights, asked, said="TIMEOUT")

    assert trace.state is State.REJECTED
    (stop,) = trace.stops
    assert (stop.reason, stop.mtu, stop.by, stop.owner) == ("packet too big", 1280, router, NODE)
    assert "the next link takes 1280 octets" in trace.verdict


def test_two_packets_with_one_stamp_at_once_are_not_told_apart():
    sights, asked = seen(V6)
    first = sights.packets[0]
    twin = replace(first, source_port=4, time_ns=first.time_ns + 10)

    found = traces(replace(sights, packets=(*sights.packets, twin)), asked)

    assert {trace.state for trace in found} == {State.UNKNOWN}
    assert "which is which" in found[0].verdict


def test_copies_of_a_syn_are_one_request_that_was_repeated():
    sights, asked = seen(faults=Faults(nat64_down=True))
    later = tuple(replace(p, time_ns=p.time_ns + 1_000_000_000) for p in sights.packets)

    trace = only(replace(sights, packets=sights.packets + later), asked)

    assert {hop.repeated for hop in trace.legs[0].hops} == {1}
    assert trace.legs[0].hops[-1].offset_us < 1_000_000


def test_each_connection_is_a_trace_of_its_own():
    found = traces(*seen(V6, times=3), first=5)

    assert [trace.number for trace in found] == [5, 6, 7]
    assert len({trace.legs[0].hops[0].source_port for trace in found}) == 3


def test_what_was_opened_and_then_stuck_is_not_called_answered():
    sights, asked = seen(V6)
    answer = next(p for p in sights.packets if p.packet == "tcp-syn-ack")
    late = drop_of(
        answer, owner="fabric", interface="node-0", reason="PKT_TOO_BIG", last_ns=answer.time_ns + 9
    )

    trace = only(replace(sights, drops=(late,)), asked, said="TIMEOUT")

    assert trace.state is State.STALLED
    assert "too big for the next link" in trace.verdict
    assert only(sights, asked, said="").state is State.ANSWERED


def test_nothing_seen_is_unknown_and_another_pods_packets_are_not_ours():
    sights, asked = seen(V6)
    for other in (
        replace(asked, owner="pod-z"),
        replace(asked, port=9),
        replace(asked, destination=V4),
        replace(asked, protocols=frozenset({17})),
        replace(asked, since_ns=sights.packets[-1].time_ns),
        replace(asked, until_ns=1),
    ):
        trace = only(sights, other, said="TIMEOUT")
        assert (trace.state, trace.legs) == (State.UNKNOWN, ()), other
        assert "no packet of it was seen" in trace.verdict


def test_a_clat_inside_the_pod_is_known_on_the_node_by_the_address_in_the_address():
    sights, _ = seen(V4)
    asked = Asked(destination=V4, owner=POD.name, port=8080)
    packets = tuple(p for p in sights.packets if p.tap == POD.name)

    trace = only(replace(sights, packets=packets), asked)

    assert trace.state is State.ANSWERED
    assert trace.legs[0].hops[0].destination == V4_IN_6
    other = replace(asked, destination=ip_address("198.51.100.5"))
    assert only(replace(sights, packets=packets), other).state is State.UNKNOWN


def test_what_a_kernel_gave_up_before_any_tap_is_dropped_not_unknown():
    sights, asked = seen(V6)
    early = drop_of(sights.packets[0], owner=POD.name, interface="eth0")

    trace = only(Sights(taps=sights.taps, drops=(early,)), asked, said="EPERM")

    assert (trace.state, trace.legs) == (State.DROPPED, ())
    assert trace.stops[0].interface == "eth0"
