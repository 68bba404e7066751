"""Requests with their answers, and stimuli with their requests."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from dataplane.model.address import Address
from dataplane.model.seen import PacketKind, PacketSeen
from dataplane.model.stimulus import Outcome, Reach, Transport
from dataplane.model.topology import Point, Tap
from dataplane.model.view import Journey, View

ANSWERS = {
    PacketKind.TCP_SYN: PacketKind.TCP_SYN_ACK,
    PacketKind.ECHO_REQUEST: PacketKind.ECHO_REPLY,
    PacketKind.UDP: PacketKind.UDP,
}
REQUESTS = {
    Transport.TCP: PacketKind.TCP_SYN,
    Transport.UDP: PacketKind.UDP,
    Transport.ICMP: PacketKind.ECHO_REQUEST,
}
PROTOCOLS = {Transport.TCP: (6,), Transport.UDP: (17,), Transport.ICMP: (1, 58)}

ANSWER_NS = 10_000_000_000
"""How long after a request its answer is looked for."""

SLACK_NS = 20_000_000
"""How far a client's own clock readings may lie inside the packet's time on the wire."""

Meeting = tuple[str, PacketKind, Address, int, Address, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request, the answer to it, and the RST that refused it, as far as they were seen."""

    request: Journey
    answer: Journey | None = None
    refusal: Journey | None = None

    @property
    def kind(self) -> PacketKind:
        """Return what kind of packet asked."""
        return self.request.hops[0].packet

    @property
    def begin_ns(self) -> int:
        """Return when the request was first seen."""
        return self.request.hops[0].time_ns


def exchanges(view: View) -> tuple[Exchange, ...]:
    """Pair every request of a view with what came back.

    What came back is known by its endpoints: at each tap, those of the request the other way round.
    So an answer is found also where its stamp is another's too (two answers with one payload).
    """
    returned = _Returned(view)
    found: list[Exchange] = []
    for journey in view.journeys:
        kind = journey.hops[0].packet
        if kind not in ANSWERS or returned.is_answer(journey):
            continue
        refused = kind is PacketKind.TCP_SYN
        found.append(
            Exchange(
                request=journey,
                answer=returned.to(journey, ANSWERS[kind]),
                refusal=returned.to(journey, PacketKind.TCP_RST) if refused else None,
            )
        )
    return tuple(found)


class _Returned:
    """The packets of a view by tap, kind and endpoints; each answers one request only."""

    def __init__(self, view: View) -> None:
        self._packets: defaultdict[Meeting, list[PacketSeen]] = defaultdict(list)
        for packet in sorted(view.evidence.packets, key=lambda packet: packet.time_ns):
            self._packets[_meeting(packet)].append(packet)
        self._journeys = {id(hop): journey for journey in view.journeys for hop in journey.hops}
        self._taken: set[int] = set()

    def is_answer(self, journey: Journey) -> bool:
        """Tell whether every packet of a journey has answered a request."""
        return all(id(hop) in self._taken for hop in journey.hops)

    def to(self, request: Journey, kind: PacketKind) -> Journey | None:
        """Return what came back to a request, as one journey, and take it."""
        found = [back for hop in request.hops if (back := self._at(hop, kind)) is not None]
        if not found:
            return None
        first = min(found, key=lambda packet: packet.time_ns)
        whole = self._journeys.get(id(first))
        if (
            whole is None
            or whole.ambiguous
            or any(self._journeys.get(id(p)) is not whole for p in found)
        ):
            hops = tuple(sorted(found, key=lambda packet: packet.time_ns))
            whole = Journey(stamp=first.stamp, hops=hops)
        self._taken |= {id(hop) for hop in whole.hops}
        return whole

    def _at(self, hop: PacketSeen, kind: PacketKind) -> PacketSeen | None:
        """Return the first packet the other way round at the same tap, soon after the request's."""
        for packet in self._packets.get(_reversed(hop, kind), ()):
            soon = hop.time_ns <= packet.time_ns <= hop.time_ns + ANSWER_NS
            if soon and packet.leaving is not hop.leaving and id(packet) not in self._taken:
                return packet
        return None


def _meeting(hop: PacketSeen) -> Meeting:
    source, destination = (hop.source, hop.source_port), (hop.destination, hop.destination_port)
    return (hop.tap, hop.packet, *source, *destination)


def _reversed(hop: PacketSeen, kind: PacketKind) -> Meeting:
    source, destination = (hop.source, hop.source_port), (hop.destination, hop.destination_port)
    return (hop.tap, kind, *destination, *source)


class Asked:
    """The exchanges that began at pods, to be found by the stimulus that caused them.

    Each exchange answers for one stimulus only: what is bound once is not found again.
    """

    def __init__(
        self, found: Iterable[Exchange], taps: dict[str, Tap], point: Point = Point.POD
    ) -> None:
        self._taps = taps
        self._point = point
        self._from: defaultdict[tuple[str, PacketKind, Address], list[Exchange]] = defaultdict(list)
        self._bound: set[int] = set()
        for exchange in found:
            for hop in exchange.request.hops:
                tap = taps.get(hop.tap)
                if tap is not None and tap.point is point and hop.leaving:
                    self._from[tap.owner, hop.packet, hop.destination].append(exchange)

    def of(
        self, stimulus: Reach, outcome: Outcome, *, source: str | None = None
    ) -> Exchange | None:
        """Return the exchange that a stimulus towards an address literal caused, and bind it.

        `source` is the owner of the taps to look at, where that is not the pod itself.
        """
        kind = REQUESTS[stimulus.transport]
        fitting = [
            exchange
            for target in destinations(stimulus, outcome)
            for exchange in self._from.get((source or stimulus.pod, kind, target), ())
            if id(exchange) not in self._bound and self._fits(exchange, stimulus, outcome)
        ]
        # The client's own port tells its packets from those of another client beside it.
        port = outcome.local.port if outcome.local is not None else 0
        own = [e for e in fitting if any(hop.source_port == port for hop in e.request.hops)]
        found = next(iter(own or fitting), None)
        if found is not None:
            self._bound.add(id(found))
        return found

    def _fits(self, exchange: Exchange, stimulus: Reach, outcome: Outcome) -> bool:
        hop = next(
            hop
            for hop in exchange.request.hops
            if hop.leaving and (tap := self._taps.get(hop.tap)) and tap.point is self._point
        )
        if not outcome.started_ns - SLACK_NS <= hop.time_ns <= outcome.ended_ns + SLACK_NS:
            return False
        return stimulus.transport is Transport.ICMP or hop.destination_port == stimulus.port


def destinations(stimulus: Reach, outcome: Outcome) -> tuple[Address, ...]:
    """Return the addresses a stimulus was aimed at: the literal, or what the client tried."""
    literal = literal_of(stimulus)
    if literal is not None:
        return (literal,)
    tried = [endpoint.address for endpoint, _ in outcome.attempts]
    if outcome.remote is not None:
        tried.append(outcome.remote.address)
    return tuple(dict.fromkeys(tried))


def literal_of(stimulus: Reach) -> Address | None:
    """Return the target as an address, None when it is a name."""
    try:
        return ip_address(stimulus.target)
    except ValueError:
        return None
