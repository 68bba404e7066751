"""Drops that are faults of the network: packets that stay too big, and neighbours that do not answer.

A packet that is too big once is path MTU discovery at work (RFC 8201): the router says so, and the next
ones are smaller. It is a finding where they go on being too big.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from dataplane.model.address import Address, Family
from dataplane.model.answer import Finding
from dataplane.model.problem import Severity
from dataplane.model.seen import DropSeen
from dataplane.session.remembered import Remembered

TIMES, WITHIN_NS, APART_NS = 3, 30_000_000_000, 1_000_000_000
"""A tuple is stuck when it was too big in so many looks, within that time, and over this one."""
MOST = 10_000  # tuples that are followed
RESOLVING = frozenset({"ndisc_error_report", "arp_error_report", "neigh_invalidate"})
QUEUED = "NEIGH_QUEUEFULL"  # only too many at once; the answer may come yet
Process = Callable[[str, Address, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropFinding:
    """Packets of a pod that are lost on this node again and again, and what that means.

    `process` has sent or awaits them, as far as an attempt of it was seen; else it is empty.
    """

    kind: Literal["drop-finding"] = "drop-finding"
    time_ns: int
    pod: str
    process: str
    what: Literal["too-big", "neighbour"]
    interface: str
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    finding: Finding


class DropFindings:
    """Makes findings of drops, each once; `process` names who in a pod talks to an address and port."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._seen: dict[tuple[object, ...], deque[int]] = {}
        self._told = Remembered(MOST)

    def fresh(self, drops: Iterable[DropSeen]) -> Iterator[DropFinding]:
        """Yield what is new; `drops` are those of pods, each look all that there are."""
        for drop in drops:
            key = (drop.owner, drop.interface, drop.reason, drop.place, drop.protocol)
            ends = (drop.source, drop.source_port, drop.destination, drop.destination_port)
            if drop.reason == "PKT_TOO_BIG":
                if self._stuck((*key, *ends), drop.last_ns) and self._told.is_new((*key, *ends)):
                    yield self._finding(drop, "too-big")
            elif unresolved(drop) and self._told.is_new((*key[:3], drop.destination)):
                yield self._finding(drop, "neighbour")

    def _stuck(self, key: tuple[object, ...], last_ns: int) -> bool:
        """Tell whether a tuple has been too big so often that nobody can have told its sender."""
        seen = self._seen.setdefault(key, deque(maxlen=TIMES))
        if len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]
        if not seen or seen[-1] != last_ns:
            seen.append(last_ns)
        return len(seen) == TIMES and APART_NS <= seen[-1] - seen[0] <= WITHIN_NS

    def _finding(self, drop: DropSeen, what: Literal["too-big", "neighbour"]) -> DropFinding:
        process = self._process(drop.owner, drop.destination, drop.destination_port)
        process = process or self._process(drop.owner, drop.source, drop.source_port)
        return DropFinding(
            time_ns=drop.last_ns,
            pod=drop.owner,
            process=process,
            what=what,
            interface=drop.interface,
            source=drop.source,
            destination=drop.destination,
            source_port=drop.source_port,
            destination_port=drop.destination_port,
            finding=(_too_big if what == "too-big" else _neighbour)(drop, process),
        )


def unresolved(drop: DropSeen) -> bool:
    """Tell whether a packet was given up because its next hop did not say its hardware address."""
    asked = drop.reason.startswith("NEIGH_") and drop.reason != QUEUED
    return asked or drop.place in RESOLVING


def _subject(drop: DropSeen, process: str) -> str:
    return f"{drop.owner}: {process}" if process else drop.owner


def _evidence(drop: DropSeen) -> tuple[str, ...]:
    six = drop.family is Family.IPV6
    source, destination = (
        f"[{address}]" if six else str(address) for address in (drop.source, drop.destination)
    )
    tuple_ = f"{source}:{drop.source_port} -> {destination}:{drop.destination_port}"
    return (
        f"{drop.packets} packets of protocol {drop.protocol} {tuple_} at {drop.interface}",
        f"{drop.reason} in {drop.place}, over {(drop.last_ns - drop.first_ns) / 1e6:.0f} ms",
    )


def _too_big(drop: DropSeen, process: str) -> Finding:
    six = drop.family is Family.IPV6
    message = "ICMPv6 Packet Too Big (type 2)" if six else "ICMP fragmentation needed (3, 4)"
    return Finding(
        severity=Severity.ERROR,
        subject=_subject(drop, process),
        expected=f"{drop.source} sends smaller packets once it is told (RFC 8201, RFC 1191)",
        seen=f"packets to {drop.destination} go on being too big for the link behind {drop.interface}",
        cause=f"{drop.source} is not told, or does not heed, that its packets are too big: they are "
        "lost on this node",
        remedy=f"let {message} through to {drop.source}, or give the links on the way one MTU",
        evidence=_evidence(drop),
    )


def _neighbour(drop: DropSeen, process: str) -> Finding:
    six = drop.family is Family.IPV6
    message = "neighbour solicitations (ICMPv6 types 135 and 136)" if six else "ARP"
    return Finding(
        severity=Severity.ERROR,
        subject=_subject(drop, process),
        expected=f"the next hop towards {drop.destination} says its hardware address",
        seen=f"packets to {drop.destination} are given up at {drop.interface}: nobody answered",
        cause=f"the next hop towards {drop.destination} at {drop.interface} is not resolved",
        remedy=f"see whether it is up and on that link (`ip neigh`, `ip route get {drop.destination}`), "
        f"and what drops {message}",
        evidence=_evidence(drop),
    )
