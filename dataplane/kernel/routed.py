"""Waiting for routes and addresses: the kernel tells who listens of every change (rtnetlink(7))."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_interface

from dataplane.kernel import netlink, netns
from dataplane.kernel.rtnetlink import drain, events

RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE = 0x100, 0x400  # linux/rtnetlink.h


async def routed(where: str, destination: str) -> None:
    """Wait until a namespace (by name) has a route to an IPv6 `destination` in its main table.

    It waits as long as it takes: the caller sets the deadline.
    """

    def is_there() -> bool:
        return any(to == destination for to, _, _ in netlink.routes())

    await _until(where, RTMGRP_IPV6_ROUTE, is_there)


async def addressed(where: str) -> None:
    """Wait until a namespace (by name) has an IPv6 address that is good beyond its links.

    It waits as long as it takes: the caller sets the deadline.
    """

    def is_there() -> bool:
        found = (ip_interface(address).ip for _, address in netlink.addresses())
        return any(a.version == 6 and not (a.is_link_local or a.is_loopback) for a in found)

    await _until(where, RTMGRP_IPV6_IFADDR, is_there)


async def _until(where: str, groups: int, is_there: Callable[[], bool]) -> None:
    """Wait until something is there inside a namespace, which is looked for after every event."""
    with netns.call(where, events, groups) as channel:
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()
        loop.add_reader(channel, changed.set)
        try:
            while not netns.call(where, is_there):
                await changed.wait()
                changed.clear()
                drain(channel)
        finally:
            loop.remove_reader(channel)
