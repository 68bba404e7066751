"""How far large packets get: small ones show the way, stop by stop, and large ones must follow."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from dataplane.checks.ground.exchanges import Exchange
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address
from dataplane.model.evidence import Evidence
from dataplane.model.seen import FlowSeen, PacketSeen, Quoted, TooBigSeen
from dataplane.model.topology import Point
from dataplane.model.view import Journey
from dataplane.rules.pathmtu import IPV6_MIN_MTU, as_ipv6

TCP = 6
OPTIONS = 60  # octets by which a sender that heeds an MTU may stay below it
Ends = tuple[Address, int, Address, int]
Place = tuple[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A tap that packets passed in one direction, and the longest of them (octets, as IPv6)."""

    hop: PacketSeen
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Where large packets were last seen, and the next stop, which only small ones reached.

    `after` is None where they passed every stop and nothing came of it.
    """

    before: Stop
    after: Stop | None


class Sizes:
    """The longest packet of each TCP flow at each tap."""

    def __init__(self, evidence: Evidence) -> None:
        self._flows: dict[tuple[Place, Ends], FlowSeen] = {}
        for flow in evidence.flows:
            if flow.protocol == TCP:
                self._flows[(flow.tap, flow.leaving), ends_of(flow)] = flow

    def of_flow(self, journey: Journey) -> tuple[Stop, ...]:
        """Return the stops of a TCP connection in one direction, by the way of its first packet."""
        return tuple(Stop(hop=hop, longest=self._longest(hop)) for hop in journey.hops)

    def carried(self, hop: PacketSeen) -> int:
        """Return how many octets one direction of a connection carried past a tap; 0 if not seen."""
        flow = self._flows.get(((hop.tap, hop.leaving), ends_of(hop)))
        return 0 if flow is None else flow.bytes

    def _longest(self, hop: PacketSeen) -> int:
        flow = self._flows.get(((hop.tap, hop.leaving), ends_of(hop)))
        return 0 if flow is None else as_ipv6(flow.largest, flow.family)


def along(course: Journey, datagram: Journey | None) -> tuple[Stop, ...]:
    """Return how long a datagram was at each stop of a course; 0 where it was not seen."""
    hops = () if datagram is None else datagram.hops
    seen = {(hop.tap, hop.leaving): as_ipv6(hop.length, hop.family) for hop in hops}
    return tuple(Stop(hop=hop, longest=seen.get((hop.tap, hop.leaving), 0)) for hop in course.hops)


def loss(there: tuple[Stop, ...], back: tuple[Stop, ...], heard: Iterable[int]) -> Loss | None:
    """Return where large packets got lost; None where none was sent, or all stops saw them.

    `heard` are the MTUs (as IPv6) that reached the sender: where packets get shorter because of
    one of these, nothing is lost. Of several places the last one counts.
    """
    told = tuple(heard)
    for stops in (there, back):
        shorter = [
            Loss(before=a, after=b)
            for a, b in pairwise(stops)
            if b.longest < a.longest and not any(m - OPTIONS <= b.longest <= m for m in told)
        ]
        if shorter and shorter[-1].before.longest > IPV6_MIN_MTU:
            return shorter[-1]
    if there and there[-1].longest > IPV6_MIN_MTU and not (back and back[0].longest > IPV6_MIN_MTU):
        return Loss(before=there[-1], after=None)
    return None


class Passed:
    """Who was seen to send large packets to others, and who to get some: neither loses them all."""

    def __init__(self, courses: Iterable[tuple[Stop, ...]], sights: Sights) -> None:
        self.sends: set[str] = set()
        self.gets: set[str] = set()
        for stops in courses:
            for a, b in pairwise(stops):
                one, two = sights.owner(a.hop), sights.owner(b.hop)
                if one != two and a.longest == b.longest > IPV6_MIN_MTU:
                    self.sends.add(one)
                    self.gets.add(two)

    def between(self, one: str, two: str) -> str:
        """Return which of two neighbours is to blame: the one that gets on with nobody else."""
        return one if two in self.gets and one not in self.sends else two


class Words:
    """The messages "packet too big" by the flow that they are about."""

    def __init__(self, evidence: Evidence, sights: Sights) -> None:
        self._sights = sights
        self._said = sorted(evidence.too_big, key=lambda said: said.time_ns)

    def about(self, exchange: Exchange) -> tuple[TooBigSeen, ...]:
        """Return what was said about either direction of an exchange, at any tap."""
        journeys = [way for way in (exchange.request, exchange.answer) if way is not None]
        known = {ends_of(hop) for journey in journeys for hop in journey.hops}
        return tuple(said for said in self._said if ends_of(said.refused) in known)

    def stray(
        self, said: Iterable[TooBigSeen], exchange: Exchange, sender: str
    ) -> tuple[TooBigSeen, ...]:
        """Return the messages that reached the pod and quote what it did not send.

        A packet to a Service is translated on its way, and so must be what a router quotes of it
        (RFC 5508 section 4.2): no socket of the pod knows the endpoint's address.
        """
        journeys = [way for way in (exchange.request, exchange.answer) if way is not None]
        sent = {(hop.tap, ends_of(hop)) for way in journeys for hop in way.hops if hop.leaving}
        taps = {tap for tap, _ in sent}
        return tuple(
            one
            for one in said
            if not one.leaving
            and self._sights.place_of(one.tap) == (Point.POD, sender)
            and one.tap in taps
            and (one.tap, ends_of(one.refused)) not in sent
        )

    def heard(self, said: Iterable[TooBigSeen], sender: str) -> tuple[int, ...]:
        """Return the MTUs (as IPv6) that reached the pod, or the CLAT in it, that had sent packets."""
        places = {(Point.POD, sender), (Point.CLAT, sender)}
        return tuple(
            as_ipv6(s.mtu, s.family)
            for s in said
            if not s.leaving and self._sights.place_of(s.tap) in places
        )

    def translated(self) -> Iterator[tuple[TooBigSeen, TooBigSeen]]:
        """Yield each message that went into a translator with what came out of it."""
        waiting: list[TooBigSeen] = []
        for said in self._said:
            place = self._sights.place_of(said.tap)
            if place is None or place[0] not in (Point.TRANSLATOR, Point.CLAT):
                continue
            if said.leaving:
                waiting.append(said)
                continue
            source = next((other for other in waiting if _same(other, said)), None)
            if source is not None:
                waiting.remove(source)
                yield source, said


def _same(one: TooBigSeen, other: TooBigSeen) -> bool:
    """Tell whether the second message is the first one translated: translators keep the ports."""
    return (
        one.tap == other.tap
        and one.family is not other.family
        and one.refused.protocol == other.refused.protocol
        and one.refused.source_port == other.refused.source_port
        and one.refused.destination_port == other.refused.destination_port
    )


def ends_of(seen: PacketSeen | FlowSeen | Quoted) -> Ends:
    """Return the endpoints of what was seen, or of what a message quotes."""
    return (seen.source, seen.source_port, seen.destination, seen.destination_port)
