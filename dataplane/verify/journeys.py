"""Packets to journeys: the same stamp at several taps is one packet on its way.

The order of events decides what belongs together: within one kind and stamp, a packet joins the
journey that is under way unless more than `WINDOW_NS` have passed since that journey was last
seen. A UDP echo carries its request's payload back and therefore the request's stamp; it is told
apart by its endpoints, which are those of the request the other way round.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from dataplane.model.address import Address
from dataplane.model.seen import PacketKind, PacketSeen
from dataplane.model.topology import Point, Tap
from dataplane.model.view import Journey

WINDOW_NS = 2_000_000_000
"""Equal stamps of two flows at one tap closer than this are ambiguous; farther apart, two packets."""

RETRANSMIT_NS = 130_000_000_000
"""How long a flow may repeat its own stamp: Linux gives a SYN up after 127 s (tcp_syn_retries 6)."""

Ends = tuple[Address, int, Address, int]
Passage = tuple[str, bool, Ends]


@dataclass(slots=True, eq=False)
class _Leg:
    """One direction of one packet's way, while its hops are being gathered."""

    hops: list[PacketSeen] = field(default_factory=list)
    passages: set[Passage] = field(default_factory=set)
    ends: set[Ends] = field(default_factory=set)
    answers: "_Leg | None" = None
    last_ns: int = 0

    def add(self, hop: PacketSeen) -> None:
        """Add a hop; a repetition at the same place only keeps the leg alive."""
        passage = _passage(hop)
        if passage not in self.passages:
            self.passages.add(passage)
            self.ends.add(passage[2])
            self.hops.append(hop)
        self.last_ns = hop.time_ns


def journeys(packets: Iterable[PacketSeen], taps: Iterable[Tap] = ()) -> tuple[Journey, ...]:
    """Piece together every packet's way, in the order of its first hop.

    A repetition (SYN retransmission, repeated datagram) is merged into the first one. With `taps`,
    a stamp that left two pods within the window is ambiguous too, even when the two packets never
    met at a tap.
    """
    pods = frozenset(tap.name for tap in taps if tap.point is Point.POD)
    groups: defaultdict[tuple[PacketKind, int], list[PacketSeen]] = defaultdict(list)
    for packet in packets:
        groups[packet.packet, packet.stamp].append(packet)
    found = [
        Journey(stamp=stamp, hops=tuple(leg.hops), ambiguous=_ambiguous(leg.hops, pods))
        for (_, stamp), group in groups.items()
        for leg in _legs(group)
    ]
    return tuple(sorted(found, key=lambda journey: journey.hops[0].time_ns))


def _legs(group: list[PacketSeen]) -> list[_Leg]:
    """Split the packets of one kind and stamp into legs."""
    legs: list[_Leg] = []
    live: list[_Leg] = []
    for hop in sorted(group, key=lambda packet: packet.time_ns):
        live = [leg for leg in live if hop.time_ns - leg.last_ns <= RETRANSMIT_NS]
        leg = _leg_of(live, hop)
        if leg not in live:
            live.append(leg)
            legs.append(leg)
        leg.add(hop)
    return legs


def _leg_of(live: list[_Leg], hop: PacketSeen) -> _Leg:
    """Return the leg that this hop continues, or a new one that it begins."""
    passage = _passage(hop)
    source, source_port, destination, destination_port = passage[2]
    reverse = (destination, destination_port, source, source_port)
    near = [leg for leg in reversed(live) if hop.time_ns - leg.last_ns <= WINDOW_NS]
    for leg in reversed(live):
        if passage in leg.passages:
            return leg
    for leg in near:
        if passage[2] in leg.ends:
            return leg
    for leg in near:
        if reverse in leg.ends:
            return next((other for other in near if other.answers is leg), _Leg(answers=leg))
    return next(iter(near), _Leg())


def _ambiguous(hops: list[PacketSeen], pods: frozenset[str]) -> bool:
    """Tell whether two packets with one stamp were on their way at once.

    Every hop of a leg is another passage, so two of them at one place, or both leaving pods, are
    two packets. The hops are in the order of time: neighbours in a place are the nearest.
    """
    latest: dict[tuple[str, bool], int] = {}
    for hop in hops:
        places = [(hop.tap, hop.leaving)]
        if hop.leaving and hop.tap in pods:
            places.append(("", True))  # any pod
        for place in places:
            if hop.time_ns - latest.get(place, -WINDOW_NS - 1) <= WINDOW_NS:
                return True
            latest[place] = hop.time_ns
    return False


def _passage(hop: PacketSeen) -> Passage:
    ends = (hop.source, hop.source_port, hop.destination, hop.destination_port)
    return (hop.tap, hop.leaving, ends)
