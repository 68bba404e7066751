"""Whether a namespace has a way to an address, as its kernel sees it: asked for, nothing is sent."""

import socket
import struct
from ipaddress import IPv6Address

from dataplane.kernel.rtnetlink import HEADER, NLM_F_REQUEST, NLMSG_ERROR, route_socket

RTM_GETROUTE = 26  # include/uapi/linux/rtnetlink.h
RTA_DST = 1
ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg
ATTRIBUTE = struct.Struct("=HH16s")
PATIENCE_S = 1.0  # it answers at once


def way(destination: IPv6Address) -> int:
    """Return 0 where the calling thread's namespace has a way to an address, else the errno of `connect`.

    ENETUNREACH without a route; a route of type unreachable, prohibit or blackhole gives its own.
    """
    body = ROUTE.pack(socket.AF_INET6, 128, 0, 0, 0, 0, 0, 0, 0)
    body += ATTRIBUTE.pack(ATTRIBUTE.size, RTA_DST, destination.packed)
    length = HEADER.size + len(body)
    with route_socket() as channel:
        channel.settimeout(PATIENCE_S)
        channel.sendto(HEADER.pack(length, RTM_GETROUTE, NLM_F_REQUEST, 1, 0) + body, (0, 0))
        answer = channel.recv(65536)
    _, kind, _, _, _ = HEADER.unpack_from(answer)
    if kind != NLMSG_ERROR:
        return 0
    (code,) = struct.unpack_from("=i", answer, HEADER.size)
    return -int(code)
