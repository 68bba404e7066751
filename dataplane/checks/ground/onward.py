"""Connections that an egress proxy makes for its clients: by whom they were asked for, and what came.

A proxy ends one connection and begins another, so that no stamp joins the two. The server says whose
connection it was (the proxy's own port); where none answered, the server's addresses and time do.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dataplane.checks.ground.exchanges import SLACK_NS, Exchange
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family
from dataplane.model.egress import EgressPlan
from dataplane.model.plan import ServerPlan
from dataplane.model.seen import PacketKind, PacketSeen
from dataplane.model.stimulus import Endpoint
from dataplane.model.topology import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """One connection that the proxy began, with its SYN where it left."""

    exchange: Exchange
    begin: PacketSeen

    @property
    def answered(self) -> bool:
        """Tell whether a SYN/ACK was seen on its way back."""
        return self.exchange.answer is not None

    @property
    def refused(self) -> bool:
        """Tell whether an RST was seen instead."""
        return self.exchange.refusal is not None and not self.answered


class Onwards:
    """All connections that a proxy began; what failed belongs to one client's request only."""

    def __init__(self, found: Iterable[Exchange], sights: Sights, egress: EgressPlan) -> None:
        own = set(egress.outside)
        self._all: list[Onward] = []
        self._bound: set[int] = set()
        for exchange in found:
            left = sights.hops(exchange.request, Point.PROXY, leaving=True, owner=egress.name)
            begin = next((hop for hop in left if hop.source in own), None)
            if begin is not None and begin.packet is PacketKind.TCP_SYN:
                self._all.append(Onward(exchange=exchange, begin=begin))

    def of_sender(self, peer: Endpoint) -> Onward | None:
        """Return the connection that a server had from this address and port."""
        for onward in self._all:
            if (onward.begin.source, onward.begin.source_port) == (peer.address, peer.port):
                return onward
        return None

    def tried(
        self, server: ServerPlan, family: Family, begin_ns: int, end_ns: int
    ) -> Onward | None:
        """Return a connection to a server that was tried in that time, and belongs to nobody yet."""
        address: Address | None = server.address(family)
        for onward in self._all:
            hop = onward.begin
            if (
                id(onward) not in self._bound
                and (hop.destination, hop.destination_port) == (address, server.port)
                and begin_ns <= hop.time_ns <= end_ns + SLACK_NS
            ):
                self._bound.add(id(onward))
                return onward
        return None
