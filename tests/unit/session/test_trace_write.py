"""The pcapng file of a trace, and its text: what was seen, what was not captured, and nothing else."""

import io
from dataclasses import replace

from scapy.layers.inet import TCP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.utils import PcapNgReader

from dataplane.model.trace import Asked, State, TraceResult
from dataplane.session.trace_text import WIDTH
from dataplane.session.trace_text import render as text_of
from dataplane.session.trace_write import OTHER, numbered, render, select
from dataplane.verify.trace import traces
from tests.unit.network import Faults
from tests.unit.sights import POD, V4_IN_6, captured, seen, syn


def traced(faults=None):
    """Return sights with a frame for every hop of the request but the translator's."""
    sights, asked = seen(faults=faults)
    hops = [p for p in sights.packets if p.packet == "tcp-syn" and p.tap != "gateway-nat64"]
    frames = tuple(captured(syn(p, 64 - n), p) for n, p in enumerate(hops))
    mtus = {tap.name: 1500 for tap in sights.taps}
    sights = replace(sights, frames=frames, mtus=mtus)
    return sights, traces(sights, asked, said="")


def read(octets):
    with PcapNgReader(io.BytesIO(octets)) as reader:
        return list(reader)


def result_of(sights, found, **fields):
    values = {
        "destination": "v4only.internet.test",
        "origin": POD.name,
        "protocol": "tcp port 8080",
        "where": "lab default, seed 0",
        "traces": found,
        "looked_at": len(sights.packets),
    }
    return TraceResult(**(values | fields))


def test_every_captured_hop_is_a_packet_with_its_comment():
    sights, found = traced()

    packets = read(render(sights, found, title="a trace"))

    comments = [packet.comments[0].decode() for packet in packets]
    assert [comment.split(";")[0] for comment in comments] == [
        "trace 1, request, hop 1 of 5: pod-a",
        "trace 1, request, hop 2 of 5: node-0",
        "trace 1, request, hop 5 of 5: gateway",
    ]
    assert all("us; MTU 1500" in comment for comment in comments)
    assert "masquerade: source 198.18." in comments[2]
    assert bytes(packets[0]) == sights.frames[0].octets
    assert packets[0].sniffed_on.endswith("/pod")


def test_what_was_not_captured_is_said_and_not_made_up():
    sights, found = traced()

    octets = render(sights, found, title="a trace")

    assert len(read(octets)) == 3
    assert octets.count(b"not captured: trace 1, request, hop 3 of 5: gateway") == 1
    assert b"trace 1: answered after" in octets


def test_packets_of_the_connection_and_errors_about_it_are_in_it_and_others_are_not():
    sights, found = traced()
    first = sights.packets[0]
    ends = {"src": str(first.source), "dst": str(first.destination)}
    later = IPv6(**ends) / TCP(sport=first.source_port, dport=8080, flags="A")
    error = IPv6(dst=ends["src"], src="2001:db8::1") / ICMPv6PacketTooBig() / later
    foreign = IPv6(**ends) / TCP(sport=1, dport=8080, flags="A")
    more = tuple(captured(packet, first) for packet in (later, error, foreign))
    sights = replace(sights, frames=sights.frames + more)

    packets = read(render(sights, found, title="a trace"))

    assert select(sights, found) == (0, 1, 2, 3, 4)
    assert [packet.comments[0].decode() for packet in packets[3:]] == [OTHER, OTHER]


def test_hops_are_numbered_as_the_packets_of_the_file():
    sights, found = traced()
    sights = replace(sights, frames=(captured(IPv6(), sights.packets[0]), *sights.frames))
    found = traces(sights, Asked(destination=V4_IN_6, owner=POD.name, port=8080))

    (trace,) = numbered(found, select(sights, found))

    assert [hop.frame for hop in trace.legs[0].hops] == [1, 2, None, None, 3]
    (without,) = numbered(found, ())
    assert {hop.frame for hop in without.legs[0].hops} == {None}


def test_the_text_says_where_when_and_what_was_done_in_a_hundred_columns():
    sights, found = traced()

    text = text_of(result_of(sights, found, notes=("word " * 60,), gaps=("a gap",)))

    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert "pod-a -> v4only.internet.test, tcp port 8080 (lab default, seed 0)" in text
    assert f"{V4_IN_6}: answered after" in text
    assert text.count("NAT64: IPv6 and IPv4 exchanged") == 1
    assert text.count("NAT64 (undone): IPv6 and IPv4 exchanged") == 1
    assert text.count("masquerade (undone): another source") == 1
    assert "not to be trusted: a gap" in text
    assert text.endswith(f"{len(sights.packets)} packets looked at\n")


def test_what_a_terminal_would_obey_is_written_out():
    sights, found = traced(Faults(nat64_down=True))

    text = text_of(result_of(sights, found, destination="\x1b[2J", origin="\u202epod"))

    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_whole_is_as_its_parts():
    sights, (good,) = traced()
    _, (bad,) = traced(Faults(nat64_down=True))
    unknown = replace(good, state=State.UNKNOWN)

    assert result_of(sights, ()).state is State.UNKNOWN
    assert result_of(sights, (good,)).state is State.ANSWERED
    assert result_of(sights, (good, bad)).state is State.LOST
    assert result_of(sights, (good, unknown)).state is State.UNKNOWN
