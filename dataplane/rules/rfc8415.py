"""RFC 8415, DHCPv6: what a message between client and server says, as far as it is there to be read."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address

from dataplane.model.seen import DhcpMessage

TYPES = {
    1: DhcpMessage.SOLICIT,
    2: DhcpMessage.ADVERTISE,
    3: DhcpMessage.REQUEST,
    4: DhcpMessage.CONFIRM,
    5: DhcpMessage.RENEW,
    6: DhcpMessage.REBIND,
    7: DhcpMessage.REPLY,
    8: DhcpMessage.RELEASE,
    9: DhcpMessage.DECLINE,
    10: DhcpMessage.RECONFIGURE,
    11: DhcpMessage.INFORMATION_REQUEST,
}  # section 7.3; 12 and 13 are between relays and servers, and have another header
HEADER, OPTION = 4, 4  # octets: type and transaction id (section 8); code and length (section 21.1)
CLIENT, SERVER, IA_NA, IA_ADDRESS = 1, 2, 3, 5  # option codes (section 21)
IA_NA_HEADER = 12  # octets: IAID, T1, T2 (section 21.4)
ADDRESS, VALID_AT, ADDRESS_OPTION = 16, 20, 24  # octets of an IA Address option (section 21.6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message: DUIDs in hexadecimal digits, and the addresses that it gives a client.

    `whole` is false where octets are missing or no options: then it may say more than is here.
    """

    type: DhcpMessage
    transaction: int
    client: str | None
    server: str | None
    addresses: tuple[IPv6Address, ...]
    whole: bool


def message(octets: bytes, *, length: int | None = None) -> Message | None:
    """Return what a message says whose `octets` may have been cut off from `length` octets.

    None where it is none between client and server.
    """
    if len(octets) < HEADER or octets[0] not in TYPES:
        return None
    client = server = None
    addresses: list[IPv6Address] = []
    whole = length is None or length == len(octets)
    for code, body, complete in _options(octets[HEADER:]):
        whole = whole and complete
        if code == CLIENT and complete:
            client = body.hex()
        elif code == SERVER and complete:
            server = body.hex()
        elif code == IA_NA:
            for given, known in _given(body):
                whole = whole and known
                addresses += given
    return Message(
        type=TYPES[octets[0]],
        transaction=int.from_bytes(octets[1:HEADER], "big"),
        client=client,
        server=server,
        addresses=tuple(dict.fromkeys(addresses)),
        whole=whole,
    )


def _given(identity: bytes) -> Iterator[tuple[tuple[IPv6Address, ...], bool]]:
    """Yield the addresses of an IA_NA, and whether they could be read.

    A server takes one away by a valid lifetime of 0 (section 18.2.10.1).
    """
    if len(identity) < IA_NA_HEADER:
        yield (), False
    for code, body, complete in _options(identity[IA_NA_HEADER:]):
        if code != IA_ADDRESS:
            yield (), complete
        elif len(body) < ADDRESS_OPTION:
            yield (), False
        else:
            (valid,) = struct.unpack_from("!I", body, VALID_AT)
            address = IPv6Address(body[:ADDRESS])
            yield ((address,) if valid else ()), complete


def _options(octets: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """Yield code, body and whether all of it is there; a rest that is no option counts as code 0."""
    while octets:
        if len(octets) < OPTION:
            yield 0, octets, False
            return
        code, length = struct.unpack_from("!HH", octets)
        body = octets[OPTION : OPTION + length]
        yield code, body, len(body) == length
        octets = octets[OPTION + length :]
