"""VXLAN devices (RFC 7348): one end of a tunnel in the calling thread's namespace, by rtnetlink."""

import os
import socket
import struct

from dataplane.kernel.rtnetlink import HEADER, NLM_F_REQUEST
from dataplane.model.address import Address

# include/uapi/linux/rtnetlink.h, netlink.h, if_link.h
RTM_NEWLINK = 16
NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 0x4, 0x200, 0x400
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO = 1, 3, 18
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFLA_VXLAN_ID, IFLA_VXLAN_GROUP, IFLA_VXLAN_LOCAL = 1, 2, 4
IFLA_VXLAN_PORT, IFLA_VXLAN_GROUP6, IFLA_VXLAN_LOCAL6 = 15, 16, 17
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg


def add(  # noqa: PLR0913 - a tunnel has that many sides, and all are named
    interface: str,
    *,
    index: int,
    mac: str,
    network: int,
    port: int,
    local: Address,
    remote: Address,
) -> None:
    """Make a VXLAN device; it stays down. `network` is the VNI, `port` the UDP port of both ends.

    Everything that leaves through it goes to `remote`, from `local`, which need not be there yet.
    OSError when the kernel refuses it: EOPNOTSUPP is a kernel without VXLAN.
    """
    six = remote.version == 6
    data = (
        _attribute(IFLA_VXLAN_ID, struct.pack("=I", network))
        + _attribute(IFLA_VXLAN_PORT, port.to_bytes(2))
        + _attribute(IFLA_VXLAN_LOCAL6 if six else IFLA_VXLAN_LOCAL, local.packed)
        + _attribute(IFLA_VXLAN_GROUP6 if six else IFLA_VXLAN_GROUP, remote.packed)
    )
    info = _attribute(IFLA_INFO_KIND, b"vxlan\0") + _attribute(IFLA_INFO_DATA, data)
    body = (
        _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
        + _attribute(IFLA_IFNAME, interface.encode() + b"\0")
        + _attribute(IFLA_ADDRESS, bytes.fromhex(mac.replace(":", "")))
        + _attribute(IFLA_LINKINFO, info)
    )
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    ) as channel:
        channel.send(HEADER.pack(HEADER.size + len(body), RTM_NEWLINK, flags, 1, 0) + body)
        (code,) = struct.unpack_from("=i", channel.recv(1 << 16), HEADER.size)
    if code:
        raise OSError(-code, f"link add {interface} (vxlan): {os.strerror(-code)}")


def _attribute(kind: int, value: bytes) -> bytes:
    """Return a netlink attribute, padded to a multiple of 4 octets."""
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)
