"""Writing pcapng, the capture format that Wireshark reads, with comments on packets.

Source: draft-ietf-opsawg-pcapng (PCAP Next Generation Capture File Format), sections 4.1 (Section
Header Block), 4.2 (Interface Description Block), 4.3 (Enhanced Packet Block) and 3.5 (options).
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6  # block types
BYTE_ORDER, VERSION = 0x1A2B3C4D, (1, 0)
UNKNOWN_LENGTH = -1  # of the section
END_OF_OPTIONS, COMMENT = 0, 1
USER_APPLICATION = 4  # of a section
NAME, DESCRIPTION, RESOLUTION = 2, 3, 9  # of an interface
FLAGS = 2  # of a packet
INBOUND, OUTBOUND = 1, 2  # the two lowest bits of its flags
NANOSECONDS = 9  # negative power of ten
ETHERNET, RAW_IP = 1, 101  # link types, draft-ietf-opsawg-pcaplinktype
LONGEST_OPTION = 65_535
LONGEST_PACKET = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface of the file; `link_type` is `ETHERNET` or `RAW_IP`."""

    name: str
    description: str
    link_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet: `interface` is the position of its own, `time_ns` since 1970, `length` what it had.

    `octets` are what was captured of it, which may be less.
    """

    interface: int
    time_ns: int
    octets: bytes
    length: int
    outbound: bool
    comment: str = ""


def pcapng(
    interfaces: Iterable[Interface], packets: Iterable[Packet], *, comment: str, application: str
) -> bytes:
    """Return a file of one section. `comment` is about the whole of it."""
    return b"".join(_blocks(interfaces, packets, comment, application))


def _blocks(
    interfaces: Iterable[Interface], packets: Iterable[Packet], comment: str, application: str
) -> Iterator[bytes]:
    head = struct.pack("<IHHq", BYTE_ORDER, *VERSION, UNKNOWN_LENGTH)
    yield _block(SECTION, head, [(COMMENT, _text(comment)), (USER_APPLICATION, _text(application))])
    for interface in interfaces:
        head = struct.pack("<HHI", interface.link_type, 0, LONGEST_PACKET)
        options = [
            (NAME, _text(interface.name)),
            (DESCRIPTION, _text(interface.description)),
            (RESOLUTION, bytes((NANOSECONDS,))),
        ]
        yield _block(INTERFACE, head, options)
    for packet in packets:
        octets = packet.octets[:LONGEST_PACKET]
        head = struct.pack(
            "<IIIII",
            packet.interface,
            packet.time_ns >> 32,
            packet.time_ns & 0xFFFFFFFF,
            len(octets),
            max(packet.length, len(octets)),
        )
        flags = struct.pack("<I", OUTBOUND if packet.outbound else INBOUND)
        yield _block(
            PACKET, head + _padded(octets), [(COMMENT, _text(packet.comment)), (FLAGS, flags)]
        )


def _block(kind: int, body: bytes, options: Iterable[tuple[int, bytes]]) -> bytes:
    told = b"".join(
        struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options if value
    )
    body += told + struct.pack("<HH", END_OF_OPTIONS, 0)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _padded(octets: bytes) -> bytes:
    """Fill up to a multiple of four octets (section 3.1)."""
    return octets + bytes(-len(octets) % 4)


def _text(text: str) -> bytes:
    """Encode an option's text, cut off where an option ends; never within a character."""
    return text.encode(errors="replace")[:LONGEST_OPTION].decode(errors="ignore").encode()
