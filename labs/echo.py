"""ICMP echo for the client inside a pod: by a ping socket, or, where nobody may have one, by a raw one.

The standard library only, as `labs.client`. A ping socket has the kernel write identifier and
checksum (icmp(7), net.ipv4.ping_group_range); behind a raw one they are written here.
"""

import secrets
import socket

REQUEST: dict[int, int] = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY: dict[int, int] = {socket.AF_INET: 0, socket.AF_INET6: 129}
PROTOCOL: dict[int, int] = {
    socket.AF_INET: socket.IPPROTO_ICMP,
    socket.AF_INET6: socket.IPPROTO_ICMPV6,
}
HEADER = 8


class Echo:
    """An echo request with a payload of its own, and how its reply is known."""

    def __init__(self, family: int, payload: bytes) -> None:
        """Open a socket; PermissionError for who may have neither kind."""
        self._family, self._payload = family, payload
        self._raw = False
        try:
            self.channel = socket.socket(
                family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, PROTOCOL[family]
            )
        except PermissionError:
            self._raw = True
            self.channel = socket.socket(
                family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, PROTOCOL[family]
            )

    def request(self) -> bytes:
        """Return what is to be sent."""
        if not self._raw:
            return bytes((REQUEST[self._family], 0, 0, 0, 0, 0, 0, 1)) + self._payload
        rest = secrets.token_bytes(2) + b"\0\1" + self._payload
        head = bytes((REQUEST[self._family], 0))
        if self._family == socket.AF_INET6:  # the kernel writes it (RFC 3542 section 3.1)
            return head + bytes(2) + rest
        return head + checksum(head + bytes(2) + rest) + rest

    def is_reply(self, received: bytes) -> bool:
        """Tell whether what was received is the reply to it."""
        start = 0
        if self._raw and self._family == socket.AF_INET:
            start = 4 * (received[0] & 15)  # raw(7): with the IP header
        message = received[start:]
        return message[:1] == bytes((REPLY[self._family],)) and message[HEADER:] == self._payload


def checksum(octets: bytes) -> bytes:
    """Return the checksum of an even number of octets (RFC 1071)."""
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")
