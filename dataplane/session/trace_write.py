"""A trace as a pcapng file: the packets themselves, each with a comment that says which hop it is."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dataplane import __version__
from dataplane.model.topology import Tap
from dataplane.model.trace import Captured, Hop, Leg, Sights, Trace
from dataplane.rules.headers import headers
from dataplane.rules.pcapng import ETHERNET, RAW_IP, Interface, Packet, pcapng

Ends = tuple[object, int, object, int]


def select(sights: Sights, traces: Iterable[Trace]) -> tuple[int, ...]:
    """Return which captured frames belong to the traces, in the order of time.

    They are the hops, the other packets of their connections, and ICMP errors that quote one of them.
    """
    traces = tuple(traces)
    hops = [hop for trace in traces for leg in trace.legs for hop in leg.hops]
    ends = {
        end
        for hop in hops
        for end in (
            (hop.source, hop.source_port, hop.destination, hop.destination_port),
            (hop.destination, hop.destination_port, hop.source, hop.source_port),
        )
    }
    chosen = {hop.frame for hop in hops if hop.frame is not None}
    for number, frame in enumerate(sights.frames):
        found = headers(frame.octets, frame.layer)
        if found is None:
            continue
        about = found.quoted or found
        own = (about.source, about.source_port, about.destination, about.destination_port)
        if own in ends:
            chosen.add(number)
    return tuple(sorted(chosen))


def numbered(traces: Iterable[Trace], chosen: Iterable[int]) -> tuple[Trace, ...]:
    """Return the traces with their hops' frames numbered as in the file, from 1 as Wireshark does."""
    numbers = {frame: number for number, frame in enumerate(chosen, start=1)}

    def leg_of(leg: Leg) -> Leg:
        hops = tuple(
            replace(hop, frame=None if hop.frame is None else numbers.get(hop.frame))
            for hop in leg.hops
        )
        return replace(leg, hops=hops)

    return tuple(replace(trace, legs=tuple(leg_of(leg) for leg in trace.legs)) for trace in traces)


def render(sights: Sights, traces: Iterable[Trace], *, title: str) -> bytes:
    """Return the file's octets; `traces` are as `traces` gave them, before `numbered`.

    It has what was captured and nothing else: a hop that was seen by the probes only is in the comment
    of the section, not a packet.
    """
    traces = tuple(traces)
    chosen = select(sights, traces)
    used = {sights.frames[number].tap for number in chosen}
    taps = [tap for tap in sights.taps if tap.name in used]
    places = {tap.name: number for number, tap in enumerate(taps)}
    comments = dict(_comments(traces))
    return pcapng(
        (_interface(tap) for tap in taps),
        (_packet(sights.frames[n], places, comments.get(n, OTHER)) for n in chosen),
        comment="\n".join((title, *_without(traces))),
        application=f"sixscope {__version__}",
    )


OTHER = "of the traced connection, or about it; no hop of the trace"


def _interface(tap: Tap) -> Interface:
    return Interface(
        name=f"{tap.namespace}/{tap.interface}" if tap.namespace else tap.interface,
        description=f"{tap.owner}: {tap.point.value}",
        link_type=ETHERNET if tap.layer == 2 else RAW_IP,
    )


def _packet(frame: Captured, places: dict[str, int], comment: str) -> Packet:
    return Packet(
        interface=places[frame.tap],
        time_ns=frame.wall_ns,
        octets=frame.octets,
        length=frame.length,
        outbound=frame.egress,
        comment=comment,
    )


def _comments(traces: Iterable[Trace]) -> Iterator[tuple[int, str]]:
    for trace in traces:
        for leg in trace.legs:
            for hop in leg.hops:
                if hop.frame is not None:
                    yield hop.frame, comment(trace, leg, hop)


def comment(trace: Trace, leg: Leg, hop: Hop) -> str:
    """Return what is said of a packet in the file."""
    parts = [
        f"trace {trace.number}, {leg.way}, hop {hop.number} of {len(leg.hops)}: {hop.owner}",
        f"+{hop.delta_us:g} us",
    ]
    if hop.mtu is not None:
        parts.append(f"MTU {hop.mtu}")
    if hop.change is not None:
        done = f"{hop.change.by}{' (undone)' if hop.change.undone else ''}"
        fields = (f"{f.field} {f.before} -> {f.after}" for f in hop.change.fields)
        parts.append(": ".join(filter(None, (done, ", ".join(fields)))))
    if hop.number == len(leg.hops) and (leg.way == "answer" or len(trace.legs) == 1):
        parts.append(trace.verdict)
    return "; ".join(parts)


def _without(traces: Iterable[Trace]) -> Iterator[str]:
    for trace in traces:
        yield f"trace {trace.number}: {trace.verdict}"
        for leg in trace.legs:
            for hop in leg.hops:
                if hop.frame is None:
                    yield f"not captured: {comment(trace, leg, hop)}"
