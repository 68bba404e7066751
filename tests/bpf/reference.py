"""What the packet program must make of a frame, in Python and from the RFCs' diagrams.

Written to be read against RFC 791, 8200, 4302, 9293, 768, 792 and 4443; it shares no text and no
structure with the C, and knows of the program's own choices only what its documentation promises:
two VLAN tags, eight extension headers, the first 16 octets of TCP, 32 octets of payload.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

EXTENSION_HEADERS = {0, 43, 44, 51, 60, 135, 139, 140}
WITH_PORTS = {6, 17, 33, 132, 136}
SYN, SYN_ACK, RST, UDP, ECHO_REQUEST, ECHO_REPLY = range(1, 7)
GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A frame as read. `verdict` is ip, foreign or broken; without ip, nothing else has meaning."""

    verdict: str
    family: int = 0
    protocol: int = 0
    source: bytes = b""
    destination: bytes = b""
    source_port: int = 0
    destination_port: int = 0
    octets: int = 0
    length: int = 0
    fragment: bool = False
    tcp_flags: int = 0
    kind: int = 0
    stamp: int = 0

    @property
    def key(self):
        """What tells flows apart, without the interface."""
        ends = (self.source, self.destination, self.source_port, self.destination_port)
        return (*ends, self.protocol, self.family)


FOREIGN, BROKEN = Reading(verdict="foreign"), Reading(verdict="broken")


def read(frame, *, layer=2, gso_size=0):
    """Read a frame (layer 2) or a bare IP packet (layer 3)."""
    if layer == 3:
        version = frame[0] >> 4
        return _network(frame, {4: 0x0800, 6: 0x86DD}.get(version, 0), gso_size)
    at = 12
    for _ in range(3):
        word = frame[at : at + 2]
        if len(word) < 2:
            return FOREIGN
        ethertype = int.from_bytes(word)
        at += 2
        if ethertype not in (0x8100, 0x88A8):
            break
        at += 2
    return _network(frame[at:], ethertype, gso_size)


def _network(data, ethertype, gso_size):
    if ethertype == 0x0800:
        return _ipv4(data, gso_size)
    if ethertype == 0x86DD:
        return _ipv6(data, gso_size)
    return FOREIGN


def _ipv4(data, gso_size):
    if len(data) < 20 or data[0] >> 4 != 4 or (data[0] & 15) < 5:
        return BROKEN
    flags_and_offset = int.from_bytes(data[6:8])
    more, offset = flags_and_offset & 0x2000, flags_and_offset & 0x1FFF
    total = int.from_bytes(data[2:4])
    return _transport(
        data,
        at=(data[0] & 15) * 4,
        end=total or len(data),
        protocol=data[9],
        fragment=bool(more or offset),
        later=offset > 0,
        gso_size=gso_size,
        fields={
            "family": 4,
            "source": IPv6Address(f"::ffff:{IPv4Address(data[12:16])}").packed,
            "destination": IPv6Address(f"::ffff:{IPv4Address(data[16:20])}").packed,
        },
    )


def _ipv6(data, gso_size):
    if len(data) < 40 or data[0] >> 4 != 6:
        return BROKEN
    payload_length, protocol = int.from_bytes(data[4:6]), data[6]
    at, fragment, later = 40, False, False
    for _ in range(8):
        header = data[at : at + 4]
        if protocol not in EXTENSION_HEADERS or len(header) < 4:
            break
        if protocol == 44:
            offset, more = int.from_bytes(header[2:4]) >> 3, header[3] & 1
            fragment |= bool(offset or more)
            later = offset > 0
            at += 8
        elif protocol == 51:
            at += 4 * (header[1] + 2)
        else:
            at += 8 * (header[1] + 1)
        protocol = header[0]
        if later:
            break
    return _transport(
        data,
        at=at,
        end=40 + payload_length if payload_length else len(data),
        protocol=protocol,
        fragment=fragment,
        later=later,
        gso_size=gso_size,
        fields={"family": 6, "source": data[8:24], "destination": data[24:40]},
    )


def _transport(data, *, at, end, protocol, fragment, later, gso_size, fields):
    found = {
        "verdict": "ip",
        "protocol": protocol,
        "octets": len(data),
        "length": min(end, len(data), 0xFFFF),
        "fragment": fragment,
        **fields,
    }
    header = b"" if later else data[at:]
    if protocol in WITH_PORTS and len(header) >= 4:
        found["source_port"] = int.from_bytes(header[:2])
        found["destination_port"] = int.from_bytes(header[2:4])
    if protocol == 6 and len(header) >= 16:
        found["tcp_flags"] = header[13]
        found |= _tcp_stamp(header)
    if protocol == 17 and len(header) >= 8:
        length = max(int.from_bytes(header[4:6]) - 8, 0)
        if gso_size:
            length = min(length, gso_size)
        found |= _payload_stamp(UDP, data, at + 8, end, length=length)
    echo = {
        (1, 8): ECHO_REQUEST,
        (58, 128): ECHO_REQUEST,
        (1, 0): ECHO_REPLY,
        (58, 129): ECHO_REPLY,
    }
    if len(header) >= 8 and (protocol, header[0]) in echo:
        found["source_port"] = found["destination_port"] = int.from_bytes(header[4:6])
        length = 0xFFFF if fragment else max(end - at - 8, 0)
        # the sequence number goes into the hash as it lies in memory
        sequence = int.from_bytes(header[6:8], "little")
        kind = echo[protocol, header[0]]
        found |= _payload_stamp(kind, data, at + 8, end, length=length, sequence=sequence)
    if _stays_on_link(found):
        found |= {"kind": 0, "stamp": 0}
    return Reading(**found)


def _stays_on_link(found):
    ends = [IPv6Address(found[end]) for end in ("source", "destination")]
    ends = [end.ipv4_mapped if found["family"] == 4 else end for end in ends]
    return ends[1].is_multicast or any(end.is_link_local for end in ends)


def _tcp_stamp(header):
    sequence, acknowledged, flags = (
        int.from_bytes(header[4:8]),
        int.from_bytes(header[8:12]),
        header[13],
    )
    if flags & 4:
        number = (acknowledged - 1) % 2**32 if flags & 16 else sequence
        kind = RST
    elif flags & 2:
        number, kind = sequence, SYN_ACK if flags & 16 else SYN
    else:
        return {}
    return {"kind": kind, "stamp": _hash(SYN, number)}


def _payload_stamp(kind, data, start, end, *, length, sequence=0):
    wanted = min(length, 32)
    payload = data[start : start + wanted]
    if start + wanted > end or len(payload) < wanted:
        return {}
    words = payload.ljust(32, b"\0")
    numbers = (int.from_bytes(words[i : i + 8], "little") for i in range(0, 32, 8))
    return {"kind": kind, "stamp": _hash(kind, length, sequence, *numbers)}


def _hash(kind, *words):
    value = kind
    for word in words:
        value = ((value ^ word) * GOLDEN) % 2**64
        value ^= value >> 32
    return value
