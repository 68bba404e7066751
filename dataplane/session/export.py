"""Handing flows and changed sources over to a collector of IPFIX, and never waiting for it."""

import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from dataplane.kernel.closing import Closing
from dataplane.model.seen import FlowSeen, PacketSeen
from dataplane.model.topology import Tap
from dataplane.rules import ipfix

EVERY = (
    30.0  # seconds between two exports of a flow that goes on (RFC 7011 calls it active timeout)
)
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Before:
    packets: int
    octets: int
    last_ns: int


class Deltas:
    """Turns entries of the flow table into what they carried since they were exported before."""

    def __init__(self, offset_ns: int) -> None:
        """`offset_ns` is what the kernel's clock lacks of the time since 1970."""
        self._offset = offset_ns
        self._before: dict[tuple[object, ...], _Before] = {}

    def of(self, flows: Iterable[FlowSeen], taps: dict[str, Tap]) -> Iterator[ipfix.Flow]:
        """Yield what is new; an entry that was evicted in between begins anew."""
        now: dict[tuple[object, ...], _Before] = {}
        for flow in flows:
            key = (
                *(flow.tap, flow.leaving, flow.protocol, flow.source, flow.source_port),
                *(flow.destination, flow.destination_port),
            )
            before = self._before.get(key)
            if before is not None and flow.packets < before.packets:
                before = None
            now[key] = _Before(flow.packets, flow.bytes, flow.last_ns)
            packets = flow.packets - (before.packets if before else 0)
            if packets:
                yield self._flow(flow, taps[flow.tap], packets, before)
        self._before = now

    def _flow(self, flow: FlowSeen, tap: Tap, packets: int, before: _Before | None) -> ipfix.Flow:
        begun = before.last_ns if before else flow.first_ns
        return ipfix.Flow(
            start_ms=(begun + self._offset) // NS_PER_MS,
            end_ms=(flow.last_ns + self._offset) // NS_PER_MS,
            octets=flow.bytes - (before.octets if before else 0),
            packets=packets,
            source=flow.source,
            destination=flow.destination,
            source_port=flow.source_port,
            destination_port=flow.destination_port,
            protocol=flow.protocol,
            tcp_flags=flow.tcp_flags,
            interface=tap.index,
            egress=flow.leaving != tap.leaving_is_ingress,
        )


class Export(Closing):
    """A UDP socket to a collector. What it does not take is lost, and counted."""

    def __init__(self, host: str, port: int, *, domain: int = 0) -> None:
        """Find the collector; OSError when its name leads nowhere."""
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._offset = time.time_ns() - time.monotonic_ns()
        self._socket = socket.socket(family, kind, protocol)
        self._socket.settimeout(0)
        self._socket.connect(where)
        self._exporter, self._deltas = ipfix.Exporter(domain), Deltas(self._offset)
        self._changes: list[ipfix.Translation] = []
        self._due = time.monotonic() + EVERY
        self.records = self.messages = self.lost = 0

    def changed(self, pod: PacketSeen, out: PacketSeen) -> None:
        """Take note of a packet as it left its pod and as it left the node."""
        self._changes.append(
            ipfix.Translation(
                time_ms=(out.time_ns + self._offset) // NS_PER_MS,
                protocol=pod.protocol,
                source=pod.source,
                source_port=pod.source_port,
                destination=pod.destination,
                destination_port=pod.destination_port,
                post_source=out.source,
                post_source_port=out.source_port,
                post_destination=out.destination,
                post_destination_port=out.destination_port,
            )
        )

    @property
    def due(self) -> bool:
        """Tell whether it is time for the flows."""
        return time.monotonic() >= self._due

    def send(self, flows: Iterable[FlowSeen], taps: Iterable[Tap]) -> None:
        """Send what came since the last time."""
        self._due = time.monotonic() + EVERY
        changes, self._changes = self._changes, []
        by_name = {tap.name: tap for tap in taps}
        records = self._counted(chain(changes, self._deltas.of(flows, by_name)))
        for message in self._exporter.messages(records, int(time.time())):
            self.messages += 1
            try:
                self._socket.send(message)
            except OSError:  # nobody listens there now, or the socket's buffer is full
                self.lost += 1

    def _counted(self, records: Iterable[ipfix.Record]) -> Iterator[ipfix.Record]:
        for record in records:
            self.records += 1
            yield record

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
