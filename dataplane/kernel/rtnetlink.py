"""Channels to rtnetlink: opened in the calling thread's namespace, and what the kernel acknowledges."""

import errno
import os
import socket
import struct
from collections.abc import Iterator

# include/uapi/linux/netlink.h, rtnetlink.h
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_TYPE_MASK = 0x3FFF
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NLM_F_CAPPED, NLM_F_ACK_TLVS, NLMSGERR_ATTR_MSG = 0x100, 0x200, 1
RTMGRP_LINK = 1
WORDS = 65_536  # octets of one read of events

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr


class NetlinkError(OSError):
    """The kernel refused a request; the text names the request and the kernel's own reason."""


def link_events() -> socket.socket:
    """Return a channel that has something to read whenever a link of this namespace has changed.

    What is read tells no more than that; where it overflows, reading says ENOBUFS.
    """
    return events(RTMGRP_LINK)


def events(groups: int) -> socket.socket:
    """Return a channel that has something to read whenever something of these groups has changed."""
    channel = route_socket()
    channel.bind((0, groups))
    channel.settimeout(0)
    return channel


def drain(channel: socket.socket) -> None:
    """Read what a channel of events has: that something has changed is all that is wanted of it."""
    try:
        while True:
            channel.recv(WORDS)
    except BlockingIOError:
        return
    except OSError as failure:  # ENOBUFS: some were lost, and something has changed all the same
        if failure.errno != errno.ENOBUFS:
            raise


def route_socket() -> socket.socket:
    """Return a channel to rtnetlink in the calling thread's namespace, which says errors in words."""
    channel = socket.socket(
        socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    )
    channel.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)  # do not send the request back
    channel.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)  # but say in words what is wrong with it
    return channel


def dump(channel: socket.socket, kind: int, request: bytes) -> list[bytes]:
    """Ask for everything of a kind; return the messages without their `nlmsghdr`.

    `channel` is one of any family of netlink, with nothing else under way. OSError as the kernel has
    it (EOPNOTSUPP, EINVAL where it knows no such thing).
    """
    channel.sendall(
        HEADER.pack(HEADER.size + len(request), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + request
    )
    found: list[bytes] = []
    while True:
        data = channel.recv(1 << 17)
        at = 0
        while at < len(data):
            size, answer, _, _, _ = HEADER.unpack_from(data, at)
            body = data[at + HEADER.size : at + size]
            at += (size + 3) & ~3
            if answer == NLMSG_DONE:
                return found
            if answer == NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", body)
                raise OSError(-code, f"netlink dump {kind}: {os.strerror(-code)}")
            found.append(body)


def walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the value of every attribute (`struct nlattr`), in their order."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        yield kind & NLA_TYPE_MASK, data[at + 4 : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes) -> dict[int, bytes]:
    """Return attributes by their type; of several of one type the last."""
    return dict(walk(data))


def read_acknowledgements(channel: socket.socket, whats: list[str], first: int) -> None:
    """Read one acknowledgement for each of `whats`, which were numbered from `first` on.

    NetlinkError for the first request that was refused.
    """
    missing = len(whats)
    while missing:
        data = channel.recv(65536)
        offset = 0
        while offset < len(data):
            length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
            if kind == NLMSG_ERROR:
                missing -= 1
                (code,) = struct.unpack_from("=i", data, offset + HEADER.size)
                if code:
                    what = whats[sequence - first]
                    words = _reason(data[offset : offset + length], flags)
                    raise NetlinkError(-code, f"{what}: {words or os.strerror(-code)}")
            offset += (length + 3) & ~3


def _reason(message: bytes, flags: int) -> str:
    if not flags & NLM_F_ACK_TLVS or not flags & NLM_F_CAPPED:
        return ""
    offset = HEADER.size + 4 + HEADER.size  # the error's number, then the request's header
    while offset + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, offset)
        if kind == NLMSGERR_ATTR_MSG:
            text = message[offset + 4 : offset + length].rstrip(b"\0")
            return text.decode(errors="replace")
        offset += max(4, (length + 3) & ~3)
    return ""
