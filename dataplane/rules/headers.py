"""The headers of a captured frame, as far as a trace needs them.

Sources: RFC 791 section 3.1 and RFC 792 (IPv4, ICMP), RFC 8200 sections 3 and 4 and RFC 4443 (IPv6,
ICMPv6), RFC 9293 section 3.1 (TCP), RFC 768 (UDP), IEEE 802.3 and 802.1Q (Ethernet).
"""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from dataplane.model.address import Family
from dataplane.model.seen import PacketKind, Quoted
from dataplane.model.trace import Headers

ETHERTYPES = {0x0800: 4, 0x86DD: 6}
TAGS = {0x8100, 0x88A8}
EXTENSIONS = {0, 43, 60, 135, 139, 140}  # RFC 8200 section 4, RFC 6275, 7401, 5533
FRAGMENT, AUTHENTICATION = 44, 51
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
MOST_EXTENSIONS = 8
ECHOES: Mapping[tuple[int, int], PacketKind] = {
    (ICMP, 8): PacketKind.ECHO_REQUEST,
    (ICMP, 0): PacketKind.ECHO_REPLY,
    (ICMPV6, 128): PacketKind.ECHO_REQUEST,
    (ICMPV6, 129): PacketKind.ECHO_REPLY,
}
# RFC 792, RFC 1812 section 5.2.7.1
UNREACHABLE4 = {
    0: "no route to the network",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    9: "network prohibited",
    10: "host prohibited",
    13: "administratively prohibited",
}
# RFC 4443 section 3.1
UNREACHABLE6 = {
    0: "no route to the destination",
    1: "administratively prohibited",
    2: "beyond the scope of the source",
    3: "address unreachable",
    4: "port unreachable",
    5: "source address failed a policy",
    6: "route rejected",
}


def headers(octets: bytes, layer: int) -> Headers | None:
    """Read a frame; None where it is no IP packet, a later fragment, or cut off before its ports."""
    try:
        return _ip(octets, layer)
    except IndexError:
        return None


def _ip(octets: bytes, layer: int) -> Headers | None:
    at, version = 0, octets[0] >> 4
    if layer == 2:
        at, kind = 14, _number(octets, 12)
        while kind in TAGS and at < 14 + 2 * 4:
            kind, at = _number(octets, at + 2), at + 4
        version = ETHERTYPES.get(kind, 0)
    if version == 4:
        return _four(octets, at)
    return _six(octets, at) if version == 6 else None


def _four(octets: bytes, at: int) -> Headers | None:
    if _number(octets, at + 6) & 0x1FFF:
        return None
    found = Headers(
        family=Family.IPV4,
        protocol=octets[at + 9],
        source=IPv4Address(_exactly(octets, at + 12, 4)),
        destination=IPv4Address(_exactly(octets, at + 16, 4)),
        source_port=0,
        destination_port=0,
        hop_limit=octets[at + 8],
        length=_number(octets, at + 2),
    )
    return _upper(found, octets, at + 4 * (octets[at] & 15))


def _six(octets: bytes, at: int) -> Headers | None:
    protocol, start = octets[at + 6], at + 40
    for _ in range(MOST_EXTENSIONS):
        if protocol in EXTENSIONS:
            protocol, start = octets[start], start + 8 * (octets[start + 1] + 1)
        elif protocol == AUTHENTICATION:
            protocol, start = octets[start], start + 4 * (octets[start + 1] + 2)
        elif protocol == FRAGMENT:
            if _number(octets, start + 2) & 0xFFF8:
                return None
            protocol, start = octets[start], start + 8
        else:
            break
    found = Headers(
        family=Family.IPV6,
        protocol=protocol,
        source=IPv6Address(_exactly(octets, at + 8, 16)),
        destination=IPv6Address(_exactly(octets, at + 24, 16)),
        source_port=0,
        destination_port=0,
        hop_limit=octets[at + 7],
        length=40 + _number(octets, at + 4),
    )
    return _upper(found, octets, start)


def _upper(found: Headers, octets: bytes, at: int) -> Headers:
    if found.protocol in (ICMP, ICMPV6):
        return _icmp(found, octets, at)
    if found.protocol not in (TCP, UDP):
        return found
    kind: PacketKind | None = PacketKind.UDP
    if found.protocol == TCP:
        flags = octets[at + 13]
        kind = None
        if flags & 0x04:
            kind = PacketKind.TCP_RST
        elif flags & 0x02:
            kind = PacketKind.TCP_SYN_ACK if flags & 0x10 else PacketKind.TCP_SYN
    return replace(
        found,
        source_port=_number(octets, at),
        destination_port=_number(octets, at + 2),
        packet=kind,
    )


def _icmp(found: Headers, octets: bytes, at: int) -> Headers:
    kind, code = octets[at], octets[at + 1]
    echo = ECHOES.get((found.protocol, kind))
    if echo is not None:
        identifier = _number(octets, at + 4)
        return replace(found, packet=echo, source_port=identifier, destination_port=identifier)
    complaint, mtu = _complaint(found.protocol, kind, code, octets[at + 4 : at + 8])
    if not complaint:
        return found
    return replace(found, complaint=complaint, mtu=mtu, quoted=_quoted(octets[at + 8 :]))


def _complaint(protocol: int, kind: int, code: int, rest: bytes) -> tuple[str, int | None]:
    """Return what an ICMP error says ("" for a message that is none), and the next hop's MTU."""
    if protocol == ICMP:
        if (kind, code) == (3, 4):
            return "packet too big", int.from_bytes(rest[2:])
        if kind == 3:
            return UNREACHABLE4.get(code, f"unreachable, code {code}"), None
        return {11: "hop limit exceeded", 12: "parameter problem"}.get(kind, ""), None
    if kind == 2:
        return "packet too big", int.from_bytes(rest)
    if kind == 1:
        return UNREACHABLE6.get(code, f"unreachable, code {code}"), None
    return {3: "hop limit exceeded", 4: "parameter problem"}.get(kind, ""), None


def _quoted(octets: bytes) -> Quoted | None:
    """Read the packet that an error quotes; only its first octets are sure to be there."""
    try:
        found = _ip(octets + bytes(14), 3)  # TCP's flags may be missing, the ports are there
    except IndexError:
        return None
    if found is None:
        return None
    return Quoted(
        protocol=found.protocol,
        source=found.source,
        destination=found.destination,
        source_port=found.source_port,
        destination_port=found.destination_port,
    )


def _number(octets: bytes, at: int) -> int:
    return octets[at] << 8 | octets[at + 1]


def _exactly(octets: bytes, at: int, length: int) -> bytes:
    found = octets[at : at + length]
    if len(found) < length:
        raise IndexError
    return found
