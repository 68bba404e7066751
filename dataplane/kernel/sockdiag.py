"""sock_diag: the sockets of the calling thread's namespace that wait for others.

The kernel lists them by family and protocol (include/uapi/linux/inet_diag.h). What /proc/net says
of the same sockets is less: not whether an IPv6 socket takes IPv4 as well.
"""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from dataplane.kernel.rtnetlink import HEADER, NLM_F_REQUEST, NLMSG_ERROR
from dataplane.model.address import Address

SOCK_DIAG_BY_FAMILY = 20
NLM_F_DUMP = 0x300
NLMSG_DONE = 3
INET_DIAG_SKV6ONLY = 11
# 1 << state (include/net/tcp_states.h): a TCP socket that listens, a UDP one that is not connected
WAITING = {socket.IPPROTO_TCP: 1 << 10, socket.IPPROTO_UDP: 1 << 7}
NETLINK_SOCK_DIAG = 4
_REQUEST = struct.Struct("=BBBxI48x")  # struct inet_diag_req_v2 with an empty inet_diag_sockid
_MESSAGE = struct.Struct("=BBBB2s2s16s16sI8s5I")  # struct inet_diag_msg
_ATTRIBUTE = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A socket that waits for others. `v6only` is None for an IPv4 socket.

    `inode` is what /proc/PID/fd calls it by (`socket:[INODE]`).
    """

    protocol: int
    address: Address
    port: int
    v6only: bool | None
    inode: int = field(default=0, compare=False)


def waiting() -> list[Waiting]:
    """List the TCP sockets that listen and the UDP sockets that are bound and not connected.

    Sockets that share an address and a port (SO_REUSEPORT) are listed once. OSError when the
    kernel cannot say (a module is missing), with the request in its text.
    """
    found: dict[Waiting, None] = {}
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG
    ) as channel:
        for protocol in WAITING:
            for family in (socket.AF_INET, socket.AF_INET6):
                found |= dict.fromkeys(_dump(channel, family, protocol))
    return [each for each in found if each.port]


def _dump(channel: socket.socket, family: int, protocol: int) -> Iterator[Waiting]:
    body = _REQUEST.pack(family, protocol, 0, WAITING[protocol])
    flags = NLM_F_REQUEST | NLM_F_DUMP
    channel.send(HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, flags, 1, 0) + body)
    while True:
        data, offset = channel.recv(1 << 17), 0
        while offset < len(data):
            length, kind, _, _, _ = HEADER.unpack_from(data, offset)
            body = data[offset + HEADER.size : offset + length]
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", body)
                what = f"sock_diag of family {family}, protocol {protocol}"
                raise OSError(-code, f"{what}: {os.strerror(-code)}")
            yield _waiting(body, protocol)
            offset += (length + 3) & ~3


def _waiting(body: bytes, protocol: int) -> Waiting:
    fields = _MESSAGE.unpack_from(body)
    family, port, source = fields[0], int.from_bytes(fields[4]), fields[6]
    if family == socket.AF_INET:
        return Waiting(protocol, IPv4Address(source[:4]), port, v6only=None, inode=fields[-1])
    only = any(_attribute(body[_MESSAGE.size :], INET_DIAG_SKV6ONLY))
    return Waiting(protocol, IPv6Address(source), port, v6only=only, inode=fields[-1])


def _attribute(body: bytes, wanted: int) -> bytes:
    """Return an attribute's value, nothing where there is none."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if kind == wanted:
            return body[offset + _ATTRIBUTE.size : offset + length]
        offset += max(_ATTRIBUTE.size, (length + 3) & ~3)
    return b""
