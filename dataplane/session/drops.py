"""Packets of pods that the kernel gave up: each tuple told once, and sums by pod, reason and place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from dataplane.model.address import Address
from dataplane.model.node import NODE
from dataplane.model.seen import DropSeen, FlowSeen
from dataplane.model.topology import Point, Tap
from dataplane.session.growth import Growth
from dataplane.session.remembered import Remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """What the kernel gave up of one owner's packets, for one reason at one place, altogether.

    `means` says what that is where it is one of the failures that are known by it, else "".
    """

    kind: Literal["drops"] = "drops"
    owner: str
    reason: str
    place: str
    means: str
    packets: int
    tuples: int


def meaning(reason: str, place: str) -> str:
    """Return which failure of the network a drop is, "" where its reason alone does not tell."""
    if reason == "PKT_TOO_BIG":
        return "too big for the next link"
    if reason.startswith("NEIGH_") or place.startswith(("neigh_", "ndisc_", "arp_")):
        return "the neighbour's hardware address is not resolved"
    return ""


class PodDrops:
    """Picks the pods' drops out of all: their namespaces', and on the node those of their addresses.

    With `everybody`, those of others are told, too.
    """

    def __init__(self, *, everybody: bool, most: int) -> None:
        self._everybody = everybody
        self._told = Remembered(most)
        self.growth = Growth()
        self._addresses: dict[Address, str] = {}

    def learn(self, flow: FlowSeen, tap: Tap) -> None:
        """Know from now on whose the source of a flow is that leaves a pod."""
        if flow.leaving and tap.point is Point.POD and not flow.source.is_link_local:
            self._addresses[flow.source] = tap.owner

    def fresh(self, drops: Iterable[DropSeen]) -> Iterator[DropSeen]:
        """Yield those that were not told before, by tuple, reason and place."""
        for drop in self.growth.watch(self.of_pods(drops)):
            key = (
                *(drop.owner, drop.interface, drop.reason, drop.place, drop.protocol),
                *(drop.source, drop.source_port, drop.destination, drop.destination_port),
            )
            if self._told.is_new(key):
                yield drop

    def totals(self, drops: Iterable[DropSeen]) -> Iterator[Dropped]:
        """Yield the sums by owner, reason and place, in that order."""
        sums: dict[tuple[str, str, str], Dropped] = {}
        for drop in self.of_pods(drops):
            key = (drop.owner, drop.reason, drop.place)
            before = sums.get(key) or Dropped(
                owner=drop.owner,
                reason=drop.reason,
                place=drop.place,
                means=meaning(drop.reason, drop.place),
                packets=0,
                tuples=0,
            )
            sums[key] = replace(
                before, packets=before.packets + drop.packets, tuples=before.tuples + 1
            )
        yield from (sums[key] for key in sorted(sums))

    def of_pods(self, drops: Iterable[DropSeen]) -> Iterator[DropSeen]:
        """Yield those of pods, with the pod as the owner."""
        for drop in drops:
            if drop.owner == NODE:
                pod = self._addresses.get(drop.source) or self._addresses.get(drop.destination)
                if pod or self._everybody:
                    yield replace(drop, owner=pod or NODE)
            elif drop.owner or self._everybody:
                yield drop
