"""Waiting for a route: the kernel tells who listens of every change of its tables (rtnetlink(7))."""

import asyncio
import errno
import socket

from dataplane.kernel import netlink, netns

RTMGRP_IPV6_ROUTE = 0x400  # linux/rtnetlink.h
WORDS = 65_536  # octets of one look; what the messages say is read from the table


async def routed(where: str, destination: str) -> None:
    """Wait until a namespace (by name) has a route to an IPv6 `destination` in its main table.

    It waits as long as it takes: the caller sets the deadline.
    """
    with netns.call(where, _listening) as channel:
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        loop.add_reader(channel, changed.set)
        try:
            while not _has(where, destination):
                await changed.wait()
                changed.clear()
                _drain(channel)
        finally:
            loop.remove_reader(channel)


def _listening() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    channel = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
    channel.bind((0, RTMGRP_IPV6_ROUTE))
    return channel


def _has(where: str, destination: str) -> bool:
    return any(to == destination for to, _, _ in netns.call(where, netlink.routes))


def _drain(channel: socket.socket) -> None:
    """Read what is there: one look at the table answers for all of it."""
    try:
        while True:
            channel.recv(WORDS)
    except BlockingIOError:
        return
    except OSError as failure:  # ENOBUFS: some were lost, and the table is looked at all the same
        if failure.errno != errno.ENOBUFS:
            raise
