"""What a network namespace is called in another one: the id that links to it carry (IFLA_LINK_NETNSID)."""

import os
import socket
import struct

from dataplane.kernel.rtnetlink import (
    HEADER,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    NetlinkError,
    route_socket,
)

# include/uapi/linux/rtnetlink.h, net_namespace.h
RTM_GETNSID = 90
NETNSA_NSID, NETNSA_FD = 1, 3


def namespace_id(descriptor: int) -> int | None:
    """Return the id that another namespace has in the calling thread's one, None without one.

    A namespace has an id where a link leads to it (net/core/net_namespace.c, RTM_GETNSID).
    """
    attribute = struct.pack("=HHI", 8, NETNSA_FD, descriptor)
    body = struct.pack("=B3x", socket.AF_UNSPEC) + attribute
    with route_socket() as channel:
        channel.send(HEADER.pack(HEADER.size + len(body), RTM_GETNSID, NLM_F_REQUEST, 1, 0) + body)
        data = channel.recv(65536)
    _, kind, _, _, _ = HEADER.unpack_from(data)
    if kind == NLMSG_ERROR:
        (code,) = struct.unpack_from("=i", data, HEADER.size)
        raise NetlinkError(-code, f"namespace id of descriptor {descriptor}: {os.strerror(-code)}")
    length, which, number = struct.unpack_from("=HHi", data, HEADER.size + 4)
    return number if length == 8 and which == NETNSA_NSID and number >= 0 else None
