import random
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.address import Family
from dataplane.model.seen import PacketKind, PacketSeen
from dataplane.model.stimulus import Transport
from dataplane.verify import journeys
from dataplane.verify.journeys import WINDOW_NS
from tests.unit.network import Faults
from tests.unit.plans import six_only, taps_of
from tests.unit.world import World

PLAN = six_only()
S = 1_000_000_000
POD, SERVER = IPv6Address("2001:db8:2::2"), IPv6Address("2001:db8:f2::4046")


def seen(tap, time_ns=0, **fields):
    values = {
        "tap": tap,
        "leaving": True,
        "time_ns": time_ns,
        "packet": PacketKind.TCP_SYN,
        "stamp": 7,
        "family": Family.IPV6,
        "protocol": 6,
        "source": POD,
        "destination": SERVER,
        "source_port": 40_000,
        "destination_port": 8080,
    }
    return PacketSeen(**(values | fields))


def taps(found):
    return [tuple(hop.tap for hop in journey.hops) for journey in found]


def test_one_packet_at_several_taps_is_one_journey_in_the_order_of_time():
    hops = [seen("uplink", 2), seen("edge", 3), seen("pod", 1)]

    assert taps(journeys(hops)) == [("pod", "uplink", "edge")]


def test_kind_and_stamp_both_count():
    hops = [seen("pod"), seen("pod", stamp=8), seen("pod", packet=PacketKind.TCP_RST)]

    assert len(journeys(hops)) == 3


def test_retransmissions_merge_also_where_the_first_ones_did_not_come_through():
    hops = [seen("pod"), seen("pod", 1 * S), seen("pod", 3 * S), seen("uplink", 3 * S + 1)]

    (journey,) = journeys(hops)

    assert [(hop.tap, hop.time_ns) for hop in journey.hops] == [("pod", 0), ("uplink", 3 * S + 1)]
    assert not journey.ambiguous


def test_two_flows_with_one_stamp_at_one_tap_are_ambiguous():
    for other in (
        {"source": IPv6Address("2001:db8:2::3")},
        {"source_port": 1},
        {"destination": IPv6Address("2001:db8::1")},
        {"destination_port": 1},
    ):
        (journey,) = journeys([seen("uplink"), seen("uplink", WINDOW_NS, **other)])

        assert journey.ambiguous, other


def test_two_flows_with_one_stamp_far_apart_in_time_are_two_packets():
    first, second = journeys([seen("uplink"), seen("uplink", WINDOW_NS + 1, source_port=1)])

    assert not first.ambiguous
    assert not second.ambiguous


def test_one_stamp_from_two_pods_is_ambiguous_even_when_they_never_meet():
    plan_taps = taps_of(PLAN)
    hops = [seen("pod-a"), seen("pod-c", 5, source=IPv6Address("2001:db8:2:1::2"))]

    (journey,) = journeys(hops, plan_taps)

    assert journey.ambiguous


def test_translation_keeps_a_journey_together_and_unambiguous():
    world = World(PLAN, Faults(masquerading={"node-0"}))
    pod, target = PLAN.pod("pod-a"), PLAN.server("server-v4").addresses[0]
    world.attempt(pod, Transport.TCP, target, 8080)

    there, back = journeys(world.packets, world.taps)

    chain = ["pod-a-clat", "pod-a-clat", "pod-a", "node-0", "gateway-nat64", "gateway-nat64"]
    assert [hop.tap for hop in there.hops] == [*chain, "gateway-edge"]
    assert [hop.tap for hop in back.hops] == ["gateway-edge", *reversed(chain)]
    assert len({hop.source for hop in there.hops}) == 5, "CLAT, masquerade, NAT64, edge"
    assert not there.ambiguous
    assert not back.ambiguous


def test_a_datagram_that_comes_back_with_its_payload_is_a_journey_of_its_own():
    world = World(PLAN)
    pod, target = PLAN.pod("pod-a"), PLAN.server("server-v4").addresses[0]
    world.attempt(pod, Transport.UDP, target, 8080)

    there, back = journeys(world.packets, world.taps)

    assert {hop.packet for hop in (*there.hops, *back.hops)} == {PacketKind.UDP}
    assert [hop.tap for hop in back.hops] == [hop.tap for hop in reversed(there.hops)]
    assert not there.ambiguous
    assert not back.ambiguous


def test_a_service_behind_which_the_answer_comes_back_is_told_apart_too():
    world = World(PLAN)
    service = PLAN.services[0].addresses[0]
    for _ in PLAN.actors:
        world.attempt(PLAN.pod("pod-a"), Transport.UDP, service, 80)

    found = journeys(world.packets, world.taps)

    assert len(found) == 2 * len(PLAN.actors)
    assert not any(journey.ambiguous for journey in found)


def test_families_do_not_matter_to_a_stamp():
    four = seen("edge", 3, family=Family.IPV4, source=IPv4Address(1), destination=IPv4Address(2))

    assert taps(journeys([seen("pod"), four])) == [("pod", "edge")]


def test_no_packets_no_journeys():
    assert journeys(()) == ()


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_packets_were_read_does_not_matter(rng: random.Random):
    world = World(PLAN, Faults(masquerading={"node-1"}))
    for pod in PLAN.actors:
        for transport in Transport:
            world.attempt(pod, transport, PLAN.server("server-v4").addresses[0], 8080)
    shuffled = list(world.packets)
    rng.shuffle(shuffled)

    assert journeys(shuffled, world.taps) == journeys(world.packets, world.taps)


@given(
    st.lists(
        st.builds(
            lambda tap, ms, leaving, port, stamp: replace(
                seen(tap, ms * 1_000_000), leaving=leaving, source_port=port, stamp=stamp
            ),
            st.sampled_from(["a", "b", "c"]),
            st.integers(0, 20_000),
            st.booleans(),
            st.integers(1, 3),
            st.integers(1, 2),
        ),
        max_size=40,
    )
)
def test_every_packet_stands_for_itself_in_exactly_one_journey(packets):
    found = journeys(packets)

    hops = [hop for journey in found for hop in journey.hops]
    assert set(hops) <= set(packets)
    assert {(h.tap, h.leaving, h.source_port, h.stamp) for h in hops} == {
        (p.tap, p.leaving, p.source_port, p.stamp) for p in packets
    }
    for journey in found:
        times = [hop.time_ns for hop in journey.hops]
        assert times == sorted(times)
        assert {hop.stamp for hop in journey.hops} == {journey.stamp}
    assert [j.hops[0].time_ns for j in found] == sorted(j.hops[0].time_ns for j in found)
