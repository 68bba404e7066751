"""Waiting for a route: the kernel tells who listens of every change of its tables (rtnetlink(7))."""

import asyncio

from dataplane.kernel import netlink, netns
from dataplane.kernel.rtnetlink import drain, events

RTMGRP_IPV6_ROUTE = 0x400  # linux/rtnetlink.h


async def routed(where: str, destination: str) -> None:
    """Wait until a namespace (by name) has a route to an IPv6 `destination` in its main table.

    It waits as long as it takes: the caller sets the deadline.
    """
    with netns.call(where, events, RTMGRP_IPV6_ROUTE) as channel:
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        loop.add_reader(channel, changed.set)
        try:
            while not _has(where, destination):
                await changed.wait()
                changed.clear()
                drain(channel)
        finally:
            loop.remove_reader(channel)


def _has(where: str, destination: str) -> bool:
    return any(to == destination for to, _, _ in netns.call(where, netlink.routes))
