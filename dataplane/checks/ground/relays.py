"""Connections through a load balancer: what came in at its front, and what went on at its back.

A balancer of layer 4 ends one connection and begins another. Nothing of the first one's packets is
in the second's, so that no stamp joins them; time does, and what the pod behind says of its peer.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dataplane.checks.ground.exchanges import SLACK_NS, Exchange
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Family
from dataplane.model.seen import FlowSeen, PacketKind, PacketSeen
from dataplane.model.stimulus import Endpoint, Outcome
from dataplane.model.topology import Point
from dataplane.model.view import View
from dataplane.rules import proxyprotocol

IP_HEADER = {Family.IPV4: 20, Family.IPV6: 40}
TCP_HEADER, TIMESTAMPS = 20, 12  # RFC 9293 section 3.1; RFC 7323 section 3.2, padded
SYN_OPTIONS = 8  # of a SYN beyond that: MSS, SACK permitted, window scale
TCP = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """One connection to a backend, with the pod that it reached, as far as the packets show it."""

    exchange: Exchange
    balancer: str
    begin: PacketSeen
    pod: str | None
    at_pod: PacketSeen | None

    @property
    def answered(self) -> bool:
        """Tell whether a SYN/ACK was seen on its way back."""
        return self.exchange.answer is not None


class Relays:
    """All connections to backends of a view; each belongs to one client's connection only."""

    def __init__(self, view: View, found: Iterable[Exchange], sights: Sights) -> None:
        self._flows = {
            (flow.tap, flow.leaving, flow.source, flow.source_port, flow.destination): flow
            for flow in view.evidence.flows
            if flow.protocol == TCP
        }
        self._relays: list[Relay] = []
        self._bound: set[int] = set()
        for exchange in found:
            request = exchange.request
            begin = sights.hop(request, Point.BALANCER, leaving=True)
            if begin is None or begin.packet is not PacketKind.TCP_SYN:
                continue
            at_pod = sights.hop(request, Point.POD, leaving=False)
            self._relays.append(
                Relay(
                    exchange=exchange,
                    balancer=sights.owner(begin),
                    begin=begin,
                    pod=None if at_pod is None else sights.owner(at_pod),
                    at_pod=at_pod,
                )
            )

    def of_sender(self, via: Endpoint) -> Relay | None:
        """Return the connection that reached its pod from this address and port."""
        for relay in self._relays:
            hop = relay.at_pod
            if hop is not None and (hop.source, hop.source_port) == (via.address, via.port):
                return self._bind(relay)
        return None

    def soon_after(self, front: PacketSeen, balancer: str, outcome: Outcome) -> Relay | None:
        """Return the connection of a balancer that a client's led to, among those that are nobody's.

        That is the first one after it that carries as much as the client's, with or without a header
        of the PROXY protocol; else the first one after it.
        """
        end = outcome.ended_ns + SLACK_NS
        near = [
            relay
            for relay in self._relays
            if id(relay) not in self._bound
            and relay.balancer == balancer
            and front.time_ns <= relay.begin.time_ns <= end
        ]
        alike = {0, proxyprotocol.header_length(front.family)}
        fitting = [relay for relay in near if self.added(front, relay) in alike]
        found = next(iter(fitting or near), None)
        return None if found is None else self._bind(found)

    def began(self, balancers: Collection[str], begin_ns: int, end_ns: int) -> bool:
        """Tell whether one of these balancers reached a pod in that time, and was answered."""
        return any(
            relay.balancer in balancers
            and relay.at_pod is not None
            and relay.answered
            and begin_ns <= relay.begin.time_ns <= end_ns
            for relay in self._relays
        )

    def added(self, front: PacketSeen, relay: Relay) -> int | None:
        """Return how many octets more went on to the backend than the client had sent.

        None where one of the two flows is not in the table.
        """
        came, went = self._octets(front), self._octets(relay.begin)
        return None if came is None or went is None else went - came

    def flow(self, hop: PacketSeen) -> FlowSeen | None:
        """Return the flow that a packet began at its tap."""
        key = (hop.tap, hop.leaving, hop.source, hop.source_port, hop.destination)
        return self._flows.get(key)

    def _octets(self, hop: PacketSeen) -> int | None:
        flow = self.flow(hop)
        if flow is None:
            return None
        each = IP_HEADER[flow.family] + TCP_HEADER + TIMESTAMPS
        return flow.bytes - flow.packets * each - SYN_OPTIONS

    def _bind(self, relay: Relay) -> Relay:
        self._bound.add(id(relay))
        return relay
