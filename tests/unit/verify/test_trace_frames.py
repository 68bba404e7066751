"""What captured frames add to a trace: hop limits, ICMP errors, and the way home to a link-local pod."""

from dataclasses import replace
from ipaddress import ip_address

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6

from dataplane.model.address import Family
from dataplane.model.trace import State
from tests.unit.network import Faults, at_node_of
from tests.unit.sights import NODE, POD, V4, V6, captured, only, seen, syn


def test_an_unreachable_is_known_from_the_captured_message():
    faults = Faults(rule=at_node_of(POD, "drop", lambda *_: True))
    sights, asked = seen(V6, faults=faults)
    first = sights.packets[0]
    refusal = (
        IPv6(src="2001:db8:1::1", dst=str(first.source))
        / ICMPv6DestUnreach(code=1)
        / syn(first, 63)
    )
    frame = captured(refusal, first, egress=True, time_ns=first.time_ns + 90_000)

    trace = only(replace(sights, frames=(frame,)), asked, said="EACCES")

    assert trace.state is State.REJECTED
    assert trace.stops[0].reason == "administratively prohibited"
    assert str(trace.stops[0].by) == "2001:db8:1::1"


def test_hop_limits_come_from_what_was_captured_and_tell_of_routers_between():
    sights, asked = seen()
    hops = [p for p in sights.packets if p.packet == "tcp-syn"]
    limits = (64, 63, 61, 60, 59)
    frames = tuple(captured(syn(p, limit), p) for p, limit in zip(hops, limits, strict=True))

    request = only(replace(sights, frames=frames), asked).legs[0]

    assert tuple(hop.hop_limit for hop in request.hops) == limits
    assert [hop.frame for hop in request.hops] == [0, 1, 2, 3, 4]
    assert request.hops[2].change.hidden == 1  # the fabric


def test_frames_of_another_place_direction_or_time_are_not_the_hops():
    sights, asked = seen()
    first = sights.packets[0]
    packet = syn(first, 64)
    frames = (
        captured(packet, first, tap=NODE),
        captured(packet, first, egress=True),
        captured(packet, first, time_ns=first.time_ns + 1_000_000_000),
        captured(syn(replace(first, source_port=1), 64), first),
        captured(IP(src="192.0.2.1") / ICMP(), first),
    )

    hop = only(replace(sights, frames=frames), asked).legs[0].hops[0]

    assert (hop.frame, hop.hop_limit) == (None, None)


def test_an_answer_to_a_link_local_pod_is_brought_home_by_what_was_captured():
    """The probes stamp nothing that goes to 169.254.0.0/16, as pods behind a CLAT of their node have."""
    sights, asked = seen(V6)
    own = ip_address("169.254.64.2")
    there = replace(sights.packets[0], source=own, destination=V4, family=Family.IPV4)
    asked = replace(asked, destination=V4)
    reply = IP(src=str(V4), dst=str(own)) / TCP(
        sport=there.destination_port, dport=there.source_port, flags="SA"
    )
    frame = captured(reply, there, egress=True, time_ns=there.time_ns + 3_000_000)
    alone = replace(sights, packets=(there,))

    trace = only(replace(alone, frames=(frame,)), asked)

    assert trace.state is State.ANSWERED
    assert (trace.legs[1].hops[0].egress, trace.legs[1].hops[0].frame) == (True, 0)
    assert only(alone, asked).state is State.LOST
    other = replace(frame, octets=bytes(syn(there, 64)))
    assert only(replace(alone, frames=(other,)), asked).state is State.LOST
