"""IPFIX messages (RFC 7011): flows, and the events of address translators (RFC 8158).

Two templates for flows, one per family, and three for translations: within IPv4, within IPv6, and from
IPv6 to IPv4. Numbers of information elements are those of IANA's registry.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address

from dataplane.model.address import Address

VERSION = 10
PORT = 4739
LARGEST = 1232  # octets of a message over UDP: 1280, the least MTU of IPv6, without its headers
TEMPLATE_SET = 2
_HEADER, _SET = struct.Struct("!HHIII"), struct.Struct("!HH")

FLOW_START, FLOW_END, OBSERVED = 152, 153, 323  # milliseconds since 1970
OCTETS, PACKETS = 1, 2  # deltas: since the flow was exported before
SOURCE4, SOURCE6, DESTINATION4, DESTINATION6 = 8, 27, 12, 28
SOURCE_PORT, DESTINATION_PORT, PROTOCOL, TCP_FLAGS = 7, 11, 4, 6
INGRESS, EGRESS, DIRECTION = 10, 14, 61
NAT_EVENT, NAT_SOURCE4, NAT_SOURCE6, NAT_SOURCE_PORT = 230, 225, 281, 227
NAT_DESTINATION4, NAT_DESTINATION6, NAT_DESTINATION_PORT = 226, 282, 228

WIDTHS = {
    **dict.fromkeys((FLOW_START, FLOW_END, OBSERVED, OCTETS, PACKETS), 8),
    **dict.fromkeys((SOURCE4, DESTINATION4, NAT_SOURCE4, NAT_DESTINATION4, INGRESS, EGRESS), 4),
    **dict.fromkeys((SOURCE6, DESTINATION6, NAT_SOURCE6, NAT_DESTINATION6), 16),
    **dict.fromkeys((SOURCE_PORT, DESTINATION_PORT, NAT_SOURCE_PORT, NAT_DESTINATION_PORT), 2),
    TCP_FLAGS: 2,
    **dict.fromkeys((PROTOCOL, DIRECTION, NAT_EVENT), 1),
}
_MEASURED = (FLOW_START, FLOW_END, OCTETS, PACKETS)
_PLACED = (SOURCE_PORT, DESTINATION_PORT, PROTOCOL, TCP_FLAGS, INGRESS, EGRESS, DIRECTION)
_PORTS = (SOURCE_PORT, NAT_SOURCE_PORT, DESTINATION_PORT, NAT_DESTINATION_PORT, PROTOCOL)
FLOW6, FLOW4, NAT44, NAT66, NAT64 = range(256, 261)
TEMPLATES: dict[int, tuple[int, ...]] = {
    FLOW6: (*_MEASURED, SOURCE6, DESTINATION6, *_PLACED),
    FLOW4: (*_MEASURED, SOURCE4, DESTINATION4, *_PLACED),
    NAT44: (
        *(OBSERVED, NAT_EVENT, SOURCE4, NAT_SOURCE4, DESTINATION4, NAT_DESTINATION4),
        *_PORTS,
    ),
    NAT66: (
        *(OBSERVED, NAT_EVENT, SOURCE6, NAT_SOURCE6, DESTINATION6, NAT_DESTINATION6),
        *_PORTS,
    ),
    NAT64: (
        *(OBSERVED, NAT_EVENT, SOURCE6, NAT_SOURCE4, DESTINATION6, NAT_DESTINATION4),
        *_PORTS,
    ),
}
# RFC 8158 section 4.3 has no session of IPv6 alone, which no translator should have: the older "NAT
# translation create" names no families.
EVENTS = {NAT44: 4, NAT66: 1, NAT64: 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What one direction of a flow carried since it was exported before. Times in ms since 1970.

    `interface` is the index of the interface where it was seen, `egress` the direction there.
    """

    start_ms: int
    end_ms: int
    octets: int
    packets: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    protocol: int
    tcp_flags: int
    interface: int
    egress: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A packet whose addresses were changed; both sides of it, `time_ms` since 1970."""

    time_ms: int
    protocol: int
    source: Address
    source_port: int
    destination: Address
    destination_port: int
    post_source: Address
    post_source_port: int
    post_destination: Address
    post_destination_port: int


Record = Flow | Translation


class Exporter:
    """Makes messages of one observation domain over UDP. Pure: the time comes with the records."""

    def __init__(self, domain: int, *, largest: int = LARGEST, resend: int = 60) -> None:
        """`domain` is a number of the exporter's own; templates come again after `resend` seconds."""
        self._domain, self._largest, self._resend = domain, largest, resend
        self._sequence = 0
        self._templates_at: int | None = None

    def messages(self, records: Iterable[Record], now: int) -> Iterator[bytes]:
        """Yield messages of at most `largest` octets; `now` in seconds since 1970.

        The sequence number is how many data records were sent before (RFC 7011 section 3.1).
        """
        if self._templates_at is None or now - self._templates_at >= self._resend:
            self._templates_at = now
            yield self._message(now, [_set(TEMPLATE_SET, b"".join(map(_template, TEMPLATES)))], 0)
        waiting: dict[int, list[bytes]] = {}
        room = self._largest - _HEADER.size
        used, count = 0, 0
        for record in records:
            number, data = encoded(record)
            needed = len(data) + (0 if number in waiting else _SET.size)
            if used + needed > room and count:
                yield self._message(now, _sets(waiting), count)
                waiting, used, count = {}, 0, 0
                needed = len(data) + _SET.size
            waiting.setdefault(number, []).append(data)
            used, count = used + needed, count + 1
        if count:
            yield self._message(now, _sets(waiting), count)

    def _message(self, now: int, sets: Sequence[bytes], records: int) -> bytes:
        length = _HEADER.size + sum(map(len, sets))
        sequence = self._sequence & 0xFFFF_FFFF
        self._sequence += records
        header = _HEADER.pack(VERSION, length, now & 0xFFFF_FFFF, sequence, self._domain)
        return b"".join((header, *sets))


def encoded(record: Record) -> tuple[int, bytes]:
    """Return the template of a record, and its data."""
    number, values = _flow(record) if isinstance(record, Flow) else _translation(record)
    pieces = (values[element].to_bytes(WIDTHS[element]) for element in TEMPLATES[number])
    return number, b"".join(pieces)


def _flow(flow: Flow) -> tuple[int, dict[int, int]]:
    six = isinstance(flow.source, IPv6Address)
    return FLOW6 if six else FLOW4, {
        FLOW_START: flow.start_ms,
        FLOW_END: flow.end_ms,
        OCTETS: flow.octets,
        PACKETS: flow.packets,
        SOURCE6 if six else SOURCE4: int(flow.source),
        DESTINATION6 if six else DESTINATION4: int(flow.destination),
        SOURCE_PORT: flow.source_port,
        DESTINATION_PORT: flow.destination_port,
        PROTOCOL: flow.protocol,
        TCP_FLAGS: flow.tcp_flags,
        INGRESS: 0 if flow.egress else flow.interface,
        EGRESS: flow.interface if flow.egress else 0,
        DIRECTION: int(flow.egress),
    }


def _translation(change: Translation) -> tuple[int, dict[int, int]]:
    six, post_six = (isinstance(end, IPv6Address) for end in (change.source, change.post_source))
    number = NAT66 if post_six else NAT64 if six else NAT44
    return number, {
        OBSERVED: change.time_ms,
        NAT_EVENT: EVENTS[number],
        SOURCE6 if six else SOURCE4: int(change.source),
        DESTINATION6 if six else DESTINATION4: int(change.destination),
        NAT_SOURCE6 if post_six else NAT_SOURCE4: int(change.post_source),
        NAT_DESTINATION6 if post_six else NAT_DESTINATION4: int(change.post_destination),
        SOURCE_PORT: change.source_port,
        NAT_SOURCE_PORT: change.post_source_port,
        DESTINATION_PORT: change.destination_port,
        NAT_DESTINATION_PORT: change.post_destination_port,
        PROTOCOL: change.protocol,
    }


def _template(number: int) -> bytes:
    fields = TEMPLATES[number]
    pairs = (struct.pack("!HH", element, WIDTHS[element]) for element in fields)
    return struct.pack("!HH", number, len(fields)) + b"".join(pairs)


def _set(number: int, content: bytes) -> bytes:
    return _SET.pack(number, _SET.size + len(content)) + content


def _sets(waiting: dict[int, list[bytes]]) -> list[bytes]:
    return [_set(number, b"".join(records)) for number, records in waiting.items()]
