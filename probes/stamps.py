"""Stamps: packets that carry something which translators keep, each with a stamp made of it.

With them come the messages that say "packet too big", which carry the packet that they are about,
those of neighbour discovery, of DHCPv6 and, where `flows` was opened with `names`, of DNS and
those that say "unreachable".

Stamping is the second half of the packet program `bpf/flows.c` (`bpf/stamps.h`), because both need
the parsed packet; this is the collector of its ring buffer.
"""

import sys
from collections import deque
from collections.abc import Mapping
from ipaddress import IPv6Address

from dataplane.model.address import Family
from dataplane.model.dns import DnsSeen
from dataplane.model.fallback import UnreachableSeen
from dataplane.model.seen import (
    DhcpSeen,
    DiscoveryMessage,
    DiscoverySeen,
    PacketKind,
    PacketSeen,
    ProbeReport,
    Quoted,
    TooBigSeen,
)
from dataplane.rules import rfc1035, rfc8415
from probes.flows import Flows, address, leaving

KINDS: Mapping[int, PacketKind] = {
    1: PacketKind.TCP_SYN,
    2: PacketKind.TCP_SYN_ACK,
    3: PacketKind.TCP_RST,
    4: PacketKind.UDP,
    5: PacketKind.ECHO_REQUEST,
    6: PacketKind.ECHO_REPLY,
}
TOO_BIG, DISCOVERY, DHCP, DNS, UNREACHABLE = 7, 8, 9, 10, 11
MESSAGES: Mapping[int, DiscoveryMessage] = {
    133: DiscoveryMessage.ROUTER_SOLICITATION,
    134: DiscoveryMessage.ROUTER_ADVERTISEMENT,
    135: DiscoveryMessage.NEIGHBOUR_SOLICITATION,
    136: DiscoveryMessage.NEIGHBOUR_ADVERTISEMENT,
}
ABOUT_NEIGHBOURS = frozenset({135, 136})
ADVERTISED = 134
KIND_AT = slice(44, 46)  # of every event, behind its key (`bpf/stamps.h`)
MOST = 250_000  # events that are kept (25 MB); older ones are dropped, and reported as evicted


class Stamps:
    """The stamped packets of the taps of `flows`, which must have been opened with `stamping`."""

    def __init__(self, flows: Flows, *, most: int = MOST) -> None:
        self._flows = flows
        self._layout = flows.module.layout("packets_layout")
        self._complaint = flows.module.layout("too_big_layout")
        self._events: deque[bytes] = deque(maxlen=most)
        self._complaints: deque[bytes] = deque(maxlen=most)
        self._discovery = flows.module.layout("discovery_layout")
        self._discoveries: deque[bytes] = deque(maxlen=most)
        self._dhcp_layout = flows.module.layout("dhcp_layout")
        self._dhcp: deque[bytes] = deque(maxlen=most)
        self._dns_layout = flows.module.layout("dns_layout")
        self._dns: deque[bytes] = deque(maxlen=most)
        self._refusals: deque[bytes] = deque(maxlen=most)
        self._taken = self._handed = 0
        self.ring = flows.module.ring("packets", self._take)

    def _take(self, event: bytes) -> None:
        self._taken += 1
        kind = int.from_bytes(event[KIND_AT], sys.byteorder)
        others = {
            TOO_BIG: self._complaints,
            DISCOVERY: self._discoveries,
            DHCP: self._dhcp,
            DNS: self._dns,
            UNREACHABLE: self._refusals,
        }
        others.get(kind, self._events).append(event)

    def read(self) -> tuple[PacketSeen, ...]:
        """Return the packets that have come so far, in the order in which they were stamped."""
        return tuple(self._packet(event) for event in list(self._events))

    def too_big(self) -> tuple[TooBigSeen, ...]:
        """Return the messages so far that said "packet too big"."""
        return tuple(self._too_big(event) for event in list(self._complaints))

    def discoveries(self) -> tuple[DiscoverySeen, ...]:
        """Return the messages of neighbour discovery so far, in the order in which they passed."""
        return tuple(self._discovered(event) for event in list(self._discoveries))

    def dhcp(self) -> tuple[DhcpSeen, ...]:
        """Return the DHCPv6 messages so far, in the order in which they passed."""
        told = (self._leased(event) for event in list(self._dhcp))
        return tuple(message for message in told if message is not None)

    def take(self) -> tuple[PacketSeen, ...]:
        """Return the packets that have come since the last call, and forget them."""
        events = [self._events.popleft() for _ in range(len(self._events))]
        for others in (self._complaints, self._discoveries, self._dhcp):
            self._handed += len(others)
            others.clear()
        self._handed += len(events)
        return tuple(self._packet(event) for event in events)

    def take_dns(self) -> tuple[DnsSeen, ...]:
        """Return the DNS messages that have come since the last call, and forget them."""
        events = [self._dns.popleft() for _ in range(len(self._dns))]
        self._handed += len(events)
        told = (self._resolved(event) for event in events)
        return tuple(message for message in told if message is not None)

    def take_unreachable(self) -> tuple[UnreachableSeen, ...]:
        """Return the messages that said "unreachable" since the last call, and forget them."""
        events = [self._refusals.popleft() for _ in range(len(self._refusals))]
        self._handed += len(events)
        return tuple(
            UnreachableSeen(
                tap=said.tap,
                leaving=said.leaving,
                time_ns=said.time_ns,
                family=said.family,
                source=said.source,
                destination=said.destination,
                code=said.mtu,
                refused=said.refused,
            )
            for said in map(self._too_big, events)
        )

    def reports(self) -> tuple[ProbeReport, ...]:
        """Return the books of every tap.

        `lost` are events that did not fit the ring buffer. Events that were dropped here because
        nobody took them are `evicted`; they are not kept by tap and stand with every one.
        """
        kept = sum(map(len, (self._events, self._complaints, self._discoveries)))
        kept += sum(map(len, (self._dhcp, self._dns, self._refusals)))
        evicted = self._taken - self._handed - kept
        reports = []
        for tap in self._flows.taps:
            books = self._flows.books(tap)
            reports.append(
                ProbeReport(
                    probe="stamps",
                    where=tap.name,
                    hook=self._flows.hook(tap),
                    counted=books.packets,
                    recorded=books.stamped,
                    evicted=evicted,
                    lost=books.lost,
                    blind=self._flows.blind(tap),
                )
            )
        return tuple(reports)

    def _packet(self, event: bytes) -> PacketSeen:
        fields = self._layout.codec.unpack(event)
        source, destination, interface, source_port, destination_port = fields[:5]
        protocol, family, egress, _, kind, length, stamp, time_ns = fields[5:]
        tap = self._flows.tap(interface)
        return PacketSeen(
            tap=tap.name,
            leaving=leaving(tap, egress),
            time_ns=time_ns,
            packet=KINDS[kind],
            stamp=stamp,
            family=Family.IPV4 if family == 4 else Family.IPV6,
            protocol=protocol,
            source=address(source, family),
            destination=address(destination, family),
            source_port=source_port,
            destination_port=destination_port,
            length=length,
        )

    def _too_big(self, event: bytes) -> TooBigSeen:
        fields = self._complaint.codec.unpack(event)
        source, destination, interface, _, _, _, family, egress = fields[:8]
        _, _, _, mtu, time_ns = fields[8:13]
        refused = fields[13:]
        tap = self._flows.tap(interface)
        return TooBigSeen(
            tap=tap.name,
            leaving=leaving(tap, egress),
            time_ns=time_ns,
            family=Family.IPV4 if family == 4 else Family.IPV6,
            source=address(source, family),
            destination=address(destination, family),
            mtu=mtu,
            refused=Quoted(
                protocol=refused[5],
                source=address(refused[0], refused[6]),
                destination=address(refused[1], refused[6]),
                source_port=refused[3],
                destination_port=refused[4],
            ),
        )

    def _discovered(self, event: bytes) -> DiscoverySeen:
        fields = self._discovery.codec.unpack(event)
        source, destination, interface, _, _, _, _, egress = fields[:8]
        _, _, kind, time_ns, target, lifetime, _ = fields[8:]
        tap = self._flows.tap(interface)
        return DiscoverySeen(
            tap=tap.name,
            leaving=leaving(tap, egress),
            time_ns=time_ns,
            message=MESSAGES[kind],
            source=IPv6Address(source),
            destination=IPv6Address(destination),
            target=IPv6Address(target) if kind in ABOUT_NEIGHBOURS else None,
            lifetime=lifetime if kind == ADVERTISED else None,
        )

    def _leased(self, event: bytes) -> DhcpSeen | None:
        """Return a DHCPv6 message, None for what relays say to each other."""
        fields = self._dhcp_layout.codec.unpack(event)
        source, destination, interface, _, _, _, _, egress = fields[:8]
        length, kept, time_ns, octets = fields[10], fields[11], fields[14], fields[15]
        told = rfc8415.message(octets[:kept], length=length)
        if told is None:
            return None
        tap = self._flows.tap(interface)
        return DhcpSeen(
            tap=tap.name,
            leaving=leaving(tap, egress),
            time_ns=time_ns,
            message=told.type,
            transaction=told.transaction,
            source=IPv6Address(source),
            destination=IPv6Address(destination),
            client=told.client,
            server=told.server,
            addresses=told.addresses,
            whole=told.whole,
        )

    def _resolved(self, event: bytes) -> DnsSeen | None:
        """Return a DNS message, None for what only comes from a port of that number."""
        fields = self._dns_layout.codec.unpack(event)
        source, destination, interface, source_port, destination_port = fields[:5]
        family, egress, kept, time_ns, octets = fields[6], fields[7], fields[11], *fields[14:]
        told = rfc1035.message(octets[:kept])
        if told is None:
            return None
        tap = self._flows.tap(interface)
        return DnsSeen(
            tap=tap.name,
            leaving=leaving(tap, egress),
            time_ns=time_ns,
            family=Family.IPV4 if family == 4 else Family.IPV6,
            source=address(source, family),
            destination=address(destination, family),
            source_port=source_port,
            destination_port=destination_port,
            identifier=told.identifier,
            response=told.response,
            name=told.name,
            type=told.type,
            rcode=told.rcode,
            addresses=told.addresses,
            whole=told.whole,
        )
