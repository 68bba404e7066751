"""From what was seen to a trace: which journeys are asked for, which answer them, what ended them.

Pure. A request is a journey whose first sight leaves the pod for the destination that was asked for; its
answer is the journey that passes one of its places the other way round. What is not seen again is
lost; why is told only by who says so: a kernel's drop, or an ICMP error that quotes the packet.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dataplane.model.address import Address
from dataplane.model.seen import DropSeen, PacketKind, PacketSeen, Quoted
from dataplane.model.topology import Tap
from dataplane.model.trace import Asked, Hop, Leg, Sights, State, Stop, Trace
from dataplane.model.view import Journey
from dataplane.rules.headers import ICMP, ICMPV6, headers
from dataplane.verify.changes import change
from dataplane.verify.journeys import journeys
from dataplane.verify.told import verdict

REQUESTS = {PacketKind.TCP_SYN, PacketKind.UDP, PacketKind.ECHO_REQUEST}
ANSWERS = {
    PacketKind.TCP_SYN: {PacketKind.TCP_SYN_ACK, PacketKind.TCP_RST},
    PacketKind.UDP: {PacketKind.UDP},
    PacketKind.ECHO_REQUEST: {PacketKind.ECHO_REPLY},
}
NEAR_NS = 20_000_000  # between the probe's sight of a packet and the packet socket's

Ends = tuple[Address, int, Address, int]
Passage = tuple[str, bool, Ends]


def ends_of(packet: PacketSeen | Hop | DropSeen | Quoted) -> Ends:
    """Return source, its port, destination and its port."""
    return (packet.source, packet.source_port, packet.destination, packet.destination_port)


def traces(
    sights: Sights, asked: Asked, *, said: str | None = None, first: int = 1
) -> tuple[Trace, ...]:
    """Return a trace of each packet or connection that is asked for, in the order of time.

    `said` is what the client says of it: "" for success, None where there is no client. Where nothing
    of it was seen there is one trace nevertheless, which says so.
    """
    joiner = _Joiner(sights)
    found = joiner.requests(asked)
    if not found:
        return (joiner.unseen(_Case(asked, said, first)),)
    return tuple(
        joiner.trace(request, _Case(asked, said, number))
        for number, request in enumerate(found, start=first)
    )


def wanted(packet: PacketSeen, tap: Tap, asked: Asked) -> bool:
    """Tell whether a packet is one of those that are asked for, at a tap where they leave a pod."""
    return (
        packet.leaving
        and _leads_to(packet.destination, asked.destination)
        and asked.owner in ("", tap.owner)
        and (asked.port in (None, packet.destination_port) or _portless(packet.protocol))
        and (not asked.protocols or packet.protocol in asked.protocols)
        and (asked.local_port in (None, packet.source_port) or _portless(packet.protocol))
        and packet.time_ns >= asked.since_ns
        and (asked.until_ns is None or packet.time_ns <= asked.until_ns)
    )


def _leads_to(address: Address, asked: Address) -> bool:
    """Tell whether an address is the one that is asked for, or has it in it.

    What a CLAT inside a pod makes of an IPv4 address is seen on the node: a prefix of 96 bits, then
    that address (RFC 6052 section 2.2). Other lengths of prefix are not looked for.
    """
    if address == asked:
        return True
    return address.version > asked.version and address.packed[12:] == asked.packed


@dataclass(frozen=True, slots=True)
class _Case:
    """One thing that was asked for, with what the client says of it."""

    asked: Asked
    said: str | None
    number: int

    def told(
        self, state: State, legs: Sequence[Leg], stops: Sequence[Stop], *, begun: int = 0
    ) -> Trace:
        """Return the trace."""
        port = self.asked.port or 0
        if legs and not _portless(legs[0].hops[0].protocol):
            port = legs[0].hops[0].destination_port
        answered = len(legs) == 2 and legs[1].complete
        begun = begun or self.asked.since_ns
        return Trace(
            number=self.number,
            state=state,
            verdict=verdict(state, legs, stops, self.said),
            destination=self.asked.destination,
            port=port,
            begun_ns=begun,
            round_trip_us=legs[1].hops[-1].offset_us if answered else None,
            said=self.said or "",
            legs=tuple(legs),
            stops=tuple(stops),
        )


class _Joiner:
    """What was seen, ready to be asked."""

    def __init__(self, sights: Sights) -> None:
        self._sights = sights
        self._taps: dict[str, Tap] = {tap.name: tap for tap in sights.taps}
        known = [packet for packet in sights.packets if packet.tap in self._taps]
        self._journeys = journeys(known, sights.taps)
        self._copies = Counter((p.packet, p.stamp, *_passage(p)) for p in known)
        self._frames = [
            (number, frame, found)
            for number, frame in enumerate(sights.frames)
            if (found := headers(frame.octets, frame.layer)) is not None
        ]

    def requests(self, asked: Asked) -> list[Journey]:
        """Return the journeys that are asked for; of a connection the first one."""
        found: dict[object, Journey] = {}
        for journey in self._journeys:
            first = journey.hops[0]
            if first.packet in REQUESTS and wanted(first, self._taps[first.tap], asked):
                one = first.stamp if first.packet is PacketKind.ECHO_REQUEST else None
                found.setdefault((first.packet, ends_of(first), one), journey)
        return list(found.values())

    def unseen(self, case: _Case) -> Trace:
        """Return the trace of what no probe has seen; a kernel may have given it up before."""
        asked = case.asked
        drops = [
            drop
            for drop in self._sights.drops
            if drop.destination == asked.destination
            and asked.owner in ("", drop.owner)
            and (asked.port in (None, drop.destination_port) or _portless(drop.protocol))
            and (not asked.protocols or drop.protocol in asked.protocols)
            and drop.last_ns >= asked.since_ns
        ]
        stops = tuple(_dropped(drop, asked.since_ns) for drop in drops)
        state = State.DROPPED if stops else State.UNKNOWN
        return case.told(state, (), stops)

    def trace(self, request: Journey, case: _Case) -> Trace:
        """Join a request, its answer, and what ended either of them."""
        begin = request.hops[0].time_ns
        answer = self._brought_home(request, self._answer(request))
        there = self._leg("request", request, begin, request.hops[0].time_ns)
        legs = [there]
        if answer is not None:
            back = self._leg("answer", answer, begin, request.hops[-1].time_ns)
            home = _reversed(_passage(request.hops[0]))
            came = any(_passage(hop) == home for hop in answer.hops)
            legs = [replace(there, complete=True), replace(back, complete=came)]
        stops = tuple(sorted(self._stops(request, answer, begin), key=lambda stop: stop.offset_us))
        return case.told(_state(legs, stops, case.said), legs, stops, begun=begin)

    def _answer(self, request: Journey) -> Journey | None:
        """Return the first journey that goes the request's way back."""
        first = request.hops[0]
        back = {_reversed(_passage(hop)) for hop in request.hops}
        for journey in self._journeys:
            if (
                journey is not request
                and journey.hops[0].time_ns >= first.time_ns
                and journey.hops[0].packet in ANSWERS[first.packet]
                and any(_passage(hop) in back for hop in journey.hops)
            ):
                return journey
        return None

    def _brought_home(self, request: Journey, answer: Journey | None) -> Journey | None:
        """Return the answer with its last hop where the probes do not stamp it: to a link-local address.

        So it is with pods behind a CLAT of their node (169.254.0.0/16). It was captured all the same.
        """
        first = request.hops[0]
        home = _reversed(_passage(first))
        hops = answer.hops if answer else ()
        if not first.source.is_link_local or any(_passage(hop) == home for hop in hops):
            return answer
        tap, since = self._taps[first.tap], hops[-1].time_ns if hops else first.time_ns
        for _, frame, found in self._frames:
            ends = (found.source, found.source_port, found.destination, found.destination_port)
            leaving = tap.leaving_is_ingress != frame.egress
            if (
                (frame.tap, leaving, ends) == home
                and found.packet in ANSWERS[first.packet]
                and found.packet is not None
                and frame.time_ns >= since - NEAR_NS
            ):
                last = replace(
                    first,
                    packet=found.packet,
                    leaving=leaving,
                    time_ns=max(frame.time_ns, since),
                    source=found.source,
                    source_port=found.source_port,
                    destination=found.destination,
                    destination_port=found.destination_port,
                    length=found.length,
                )
                stamp = answer.stamp if answer else first.stamp
                return Journey(stamp=stamp, hops=(*hops, last))
        return answer

    def _leg(self, way: str, journey: Journey, begin: int, before: int) -> Leg:
        hops: list[Hop] = []
        points: list[Tap] = []
        for number, seen in enumerate(journey.hops, start=1):
            tap = self._taps[seen.tap]
            hop = self._hop(number, seen, tap, begin, before)
            if hops:
                hop = replace(hop, change=change(hops[-1], hop, points[-1], tap, way))
            hops.append(hop)
            points.append(tap)
            before = seen.time_ns
        return Leg(
            way=way,
            packet=journey.hops[0].packet,
            hops=tuple(hops),
            complete=False,
            ambiguous=journey.ambiguous,
        )

    def _hop(self, number: int, seen: PacketSeen, tap: Tap, begin: int, before: int) -> Hop:
        frame, hop_limit = self._frame(seen, tap)
        copies = self._copies[(seen.packet, seen.stamp, *_passage(seen))]
        return Hop(
            number=number,
            offset_us=_us(seen.time_ns - begin),
            delta_us=_us(seen.time_ns - before),
            tap=seen.tap,
            interface=tap.interface,
            namespace=tap.namespace,
            owner=tap.owner,
            egress=_egress(seen, tap),
            family=seen.family,
            protocol=seen.protocol,
            source=seen.source,
            destination=seen.destination,
            source_port=seen.source_port,
            destination_port=seen.destination_port,
            length=seen.length,
            hop_limit=hop_limit,
            mtu=self._sights.mtus.get(seen.tap),
            repeated=copies - 1,
            frame=frame,
        )

    def _frame(self, seen: PacketSeen, tap: Tap) -> tuple[int | None, int | None]:
        """Return the number of the captured frame that this sight is of, and its hop limit."""
        best: tuple[int, int, int] | None = None
        for number, frame, found in self._frames:
            apart = abs(frame.time_ns - seen.time_ns)
            if (
                frame.tap == seen.tap
                and frame.egress == _egress(seen, tap)
                and found.packet is seen.packet
                and (found.source, found.source_port, found.destination, found.destination_port)
                == ends_of(seen)
                and apart <= NEAR_NS
                and (best is None or apart < best[0])
            ):
                best = (apart, number, found.hop_limit)
        return (best[1], best[2]) if best else (None, None)

    def _stops(self, request: Journey, answer: Journey | None, begin: int) -> Iterator[Stop]:
        hops = [*request.hops, *(answer.hops if answer else ())]
        ends = {ends_of(hop) for hop in hops}
        # What comes back has the ends of what it answers, the other way round, at every place.
        ends |= {(d, dp, s, sp) for s, sp, d, dp in ends}
        sources = {(hop.source, hop.source_port) for hop in hops}
        for drop in self._sights.drops:
            # Destination NAT may have been before the drop, and behind the last tap.
            ours = ends_of(drop) in ends or (drop.source, drop.source_port) in sources
            if ours and drop.last_ns >= begin and _same(drop.protocol, hops[0].protocol):
                yield _dropped(drop, begin)
        yield from self._errors(ends, begin)

    def _errors(self, ends: set[Ends], begin: int) -> Iterator[Stop]:
        """Yield each ICMP error about the packet once, where it was seen first."""
        told: set[str] = set()
        found: list[tuple[int, str, str, int | None, Address]] = [
            (message.time_ns, message.tap, "packet too big", message.mtu, message.source)
            for message in self._sights.too_big
            if ends_of(message.refused) in ends
        ]
        found += [
            (frame.time_ns, frame.tap, seen.complaint, seen.mtu, seen.source)
            for _, frame, seen in self._frames
            if seen.quoted is not None and ends_of(seen.quoted) in ends
        ]
        for time_ns, name, what, mtu, source in sorted(found, key=lambda each: each[0]):
            # A translator changes sender and MTU on the way: one message, several faces.
            if time_ns < begin or what in told or name not in self._taps:
                continue
            told.add(what)
            tap = self._taps[name]
            yield Stop(
                what="error",
                offset_us=_us(time_ns - begin),
                owner=tap.owner,
                interface=tap.interface,
                reason=what,
                by=source,
                mtu=mtu,
            )


def _state(legs: Sequence[Leg], stops: Sequence[Stop], said: str | None) -> State:
    request, *answers = legs
    if request.ambiguous or any(leg.ambiguous for leg in answers):
        return State.UNKNOWN
    if answers and answers[0].complete:
        if answers[0].packet is PacketKind.TCP_RST:
            return State.REFUSED
        return State.STALLED if said else State.ANSWERED
    kinds = {stop.what for stop in stops}
    if "error" in kinds:
        return State.REJECTED
    return State.DROPPED if "drop" in kinds else State.LOST


def _dropped(drop: DropSeen, begin: int) -> Stop:
    return Stop(
        what="drop",
        offset_us=_us(max(drop.first_ns, begin) - begin),
        owner=drop.owner,
        interface=drop.interface,
        reason=drop.reason,
        place=drop.place,
        packets=drop.packets,
        source=drop.source,
        destination=drop.destination,
    )


def _passage(hop: PacketSeen) -> Passage:
    return (hop.tap, hop.leaving, ends_of(hop))


def _reversed(passage: Passage) -> Passage:
    tap, leaving, (source, source_port, destination, destination_port) = passage
    return (tap, not leaving, (destination, destination_port, source, source_port))


def _egress(seen: PacketSeen, tap: Tap) -> bool:
    return seen.leaving != tap.leaving_is_ingress


def _portless(protocol: int) -> bool:
    return protocol in (ICMP, ICMPV6)


def _same(one: int, other: int) -> bool:
    """Tell whether two protocols are one, ICMP and ICMPv6 counting as such."""
    return one == other or (_portless(one) and _portless(other))


def _us(nanoseconds: int) -> float:
    return round(nanoseconds / 1000, 1)
