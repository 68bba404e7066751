"""RFC 1035 section 4, DNS messages: one question out, the answer section in; and what a message says.

Standard library only, and quick to import: this runs in the client inside a pod, too.
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
IN, CHAOS = 1, 3
OPCODE = 0x7800  # 0 is a standard query
FLAG_RESPONSE, FLAG_TRUNCATED, FLAG_RECURSION_DESIRED = 0x8000, 0x0200, 0x0100
HEADER = struct.Struct("!HHHHHH")
POINTERS = 64  # a name with more compression pointers is hostile, RFC 1035 sets no limit
LABEL, NAME = 63, 255  # octets, section 2.3.4


class MalformedError(ValueError):
    """A message that breaks RFC 1035."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the rcode's name, whether it was truncated, and the answer section.

    A record is (owner, type, value); a value is an address or a name, or hexadecimal digits for a
    type that is not known here.
    """

    rcode: str
    truncated: bool
    records: tuple[tuple[str, str, str], ...]

    def values(self, type_: str) -> tuple[str, ...]:
        """Return the values of the records of that type."""
        return tuple(value for _, kind, value in self.records if kind == type_)


@dataclass(frozen=True, slots=True)
class Message:
    """What a message says that somebody else sent: `rcode` is empty in a question.

    The name is in lower case (names compare without regard to case, section 2.3.3). `whole` is false
    where octets are missing, or the sender says so: then it may say more than is here.
    """

    identifier: int
    response: bool
    name: str
    type: str
    rcode: str
    addresses: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]
    whole: bool


def message(octets: bytes) -> Message | None:
    """Return what a message says whose `octets` may have been cut off anywhere.

    None where it asks for no name of the Internet's class, or cannot be read so far.
    """
    if len(octets) < HEADER.size:
        return None
    identifier, flags, questions, count, _, _ = HEADER.unpack_from(octets)
    try:
        name, offset = decode_name(octets, HEADER.size)
        kind, class_ = struct.unpack_from("!HH", octets, offset)
    except (MalformedError, struct.error):
        return None
    if questions != 1 or class_ != IN or flags & OPCODE:
        return None
    response = bool(flags & FLAG_RESPONSE)
    addresses = [*_addresses(octets, offset + 4, count)] if response else []
    whole = None not in addresses and not flags & FLAG_TRUNCATED
    return Message(
        identifier=identifier,
        response=response,
        name=name.lower(),
        type=NAMES.get(kind, str(kind)),
        rcode=RCODES.get(flags & 0xF, str(flags & 0xF)) if response else "",
        addresses=tuple(address for address in addresses if address is not None),
        whole=whole,
    )


def _addresses(
    octets: bytes, offset: int, count: int
) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address | None]:
    """Yield the addresses of `count` records from `offset` on; None at last where they are cut off."""
    try:
        for _ in range(count):
            _, offset = decode_name(octets, offset)
            kind, class_, _, length = struct.unpack_from("!HHIH", octets, offset)
            offset += 10
            data = octets[offset : offset + length]
            offset += length
            if len(data) < length:
                yield None
            elif class_ == IN and (kind, length) in ((TYPES["A"], 4), (TYPES["AAAA"], 16)):
                yield ipaddress.ip_address(data)
    except (MalformedError, struct.error):
        yield None


def query(identifier: int, name: str, type_: str, *, class_: int = IN) -> bytes:
    """Return a recursive query; ValueError for a name or type that cannot be asked for."""
    if type_ not in TYPES:
        raise ValueError(f"{type_}: unknown DNS type (known: {', '.join(sorted(TYPES))})")
    header = HEADER.pack(identifier, FLAG_RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encode_name(name) + struct.pack("!HH", TYPES[type_], class_)


def answer(message: bytes, identifier: int, question: bytes) -> Answer | None:
    """Read a response to `question` (the query's own octets); None when it answers something else.

    MalformedError when it cannot be read.
    """
    try:
        number, flags, questions, count, _, _ = HEADER.unpack_from(message)
        if number != identifier or not flags & FLAG_RESPONSE:
            return None
        asked = question[HEADER.size :]
        offset = HEADER.size
        if questions:
            end = HEADER.size + len(asked)
            # Section 7.3 of RFC 1035, and 0x20: names compare without regard to case.
            if message[HEADER.size : end].lower() != asked.lower():
                return None
            offset = end
        records = []
        for _ in range(count):
            owner, offset = decode_name(message, offset)
            kind, _, _, length = struct.unpack_from("!HHIH", message, offset)
            offset += 10
            if offset + length > len(message):
                raise MalformedError("a record ends behind its message")
            records.append(
                (owner, NAMES.get(kind, str(kind)), _value(message, offset, kind, length))
            )
            offset += length
    except struct.error as failure:
        raise MalformedError("cut short") from failure
    rcode = RCODES.get(flags & 0xF, str(flags & 0xF))
    return Answer(rcode, bool(flags & FLAG_TRUNCATED), tuple(records))


def encode_name(name: str) -> bytes:
    """Return a name's labels; ValueError when it is too long or has an empty label."""
    encoded = b""
    for label in name.rstrip(".").split(".") if name.rstrip(".") else []:
        octets = label.encode("ascii")
        if not 0 < len(octets) <= LABEL:
            raise ValueError(f"{name!r}: a label has 1 to {LABEL} octets")
        encoded += bytes((len(octets),)) + octets
    if len(encoded) >= NAME:
        raise ValueError(f"{name!r}: longer than {NAME} octets")
    return encoded + b"\0"


def decode_name(message: bytes, offset: int) -> tuple[str, int]:
    """Return the name at an offset (without its last dot) and the offset behind it."""
    labels: list[str] = []
    behind = -1
    length, pointers = 0, 0
    while True:
        if offset >= len(message):
            raise MalformedError("a name ends behind its message")
        size = message[offset]
        if size & 0xC0 == 0xC0:
            (pointer,) = struct.unpack_from("!H", message, offset)
            behind = offset + 2 if behind < 0 else behind
            offset = pointer & 0x3FFF
            pointers += 1
            if pointers > POINTERS:
                raise MalformedError("a name of nothing but pointers")
        elif size & 0xC0:
            raise MalformedError(f"label type {size >> 6}")
        elif size == 0:
            return ".".join(labels), offset + 1 if behind < 0 else behind
        else:
            label = message[offset + 1 : offset + 1 + size]
            length += size + 1
            if len(label) < size or length >= NAME:
                raise MalformedError("a label or a name is too long")
            labels.append(label.decode("ascii", errors="backslashreplace"))
            offset += 1 + size


def _value(message: bytes, offset: int, kind: int, length: int) -> str:
    data = message[offset : offset + length]
    if kind == TYPES["A"] and length == 4:
        return str(ipaddress.IPv4Address(data))
    if kind == TYPES["AAAA"] and length == 16:
        return str(ipaddress.IPv6Address(data))
    if kind in (TYPES["CNAME"], TYPES["PTR"], TYPES["NS"]):
        return decode_name(message, offset)[0]
    return data.hex()
