"""A trace on a node: awaited at the pods' interfaces and the uplinks, or sent from inside a pod.

It imports nothing of the lab; whoever sends hands in the client.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from dataplane.kernel import netlink, netns
from dataplane.model.errors import UnsupportedError
from dataplane.model.nearest import suggest
from dataplane.model.node import NODE
from dataplane.model.topology import Point, Tap
from dataplane.model.trace import Asked, Sights, State, Trace
from dataplane.session.mode import choose, possible
from dataplane.session.tracing import Scene, Tracer
from dataplane.verify.trace import traces, wanted
from probes.node.interfaces import PodInterface

LOOK = 0.5  # seconds between two looks
GRACE_NS = 3_000_000_000  # for an answer: a SYN is repeated after one second and after three
SETTLED = {State.ANSWERED, State.REFUSED, State.REJECTED}


def called(pods: Iterable[PodInterface], name: str) -> PodInterface:
    """Return the pod of that name: its own, its namespace's or its interface's.

    UnsupportedError when there is none, or more than one.
    """
    pods = tuple(pods)
    found = [pod for pod in pods if name in _names(pod)]
    if len(found) == 1:
        return found[0]
    known = sorted({each for pod in pods for each in (pod.owner, pod.interface)})
    several = ", ".join(pod.interface for pod in found)
    raise UnsupportedError(
        f"tracing from {name}",
        needs=f"one pod of this node: {several or suggest(name, known, listing='sixscope attach')}",
        found=f"{len(found)} of that name" if found else "none of that name",
    )


def _names(pod: PodInterface) -> set[str]:
    names = {pod.owner, pod.interface}
    return names | {pod.owner.rpartition("/")[2]} if pod.pod is not None else names


def scene_of(pods: Iterable[PodInterface], uplinks: Iterable[Tap]) -> Scene:
    """Return where to look on this node: pods' host sides, uplinks, and layer 3 devices (translators)."""
    pods = tuple(pods)
    taps = (*(pod.tap() for pod in pods), *uplinks)
    known = {tap.index for tap in taps}
    bare = (_device(link) for link in netlink.links() if link["kind"] == "tun" and not link["mac"])
    taps = (*taps, *(tap for tap in bare if tap.index not in known))
    chosen = choose("auto", "auto", possible(taps))
    owners = {pod.cookie: pod.owner for pod in pods if pod.cookie}
    ours = netns.cookie()
    return Scene(
        taps=taps,
        where=lambda _: None,
        owners=owners | ({ours: NODE} if ours else {}),
        names={link["index"]: link["name"] for link in netlink.links()},
        mode=chosen.mode,
        passed_by=chosen.passed_by,
        awaiting=True,
    )


def _device(link: dict[str, object]) -> Tap:
    """Return a tap for a TUN device: a translator on the node is one, and so is a VPN."""
    return Tap(
        name=str(link["name"]),
        namespace="",
        interface=str(link["name"]),
        index=int(str(link["index"])),
        point=Point.EDGE,
        owner=NODE,
        leaving_is_ingress=False,
        layer=3,
    )


async def awaited(
    tracer: Tracer, asked: Asked, *, count: int, over: asyncio.Event
) -> tuple[Sights, tuple[Trace, ...]]:
    """Wait until `count` packets or connections have been seen and have fared somehow, or it is over."""
    asked = replace(asked, since_ns=time.monotonic_ns())
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), LOOK)
        last = over.is_set()
        sights = await asyncio.to_thread(tracer.sights)
        taps = {tap.name: tap for tap in sights.taps}
        if last or any(wanted(packet, taps[packet.tap], asked) for packet in sights.packets):
            found = await asyncio.to_thread(traces, sights, asked)
            if last or _fared(found, count):
                return sights, found[:count]


def _fared(found: tuple[Trace, ...], count: int) -> bool:
    """Tell whether that many traces have come to an end, or had the time for one."""
    seen = [trace for trace in found if trace.legs][:count]
    return len(seen) == count and all(
        trace.state in SETTLED or time.monotonic_ns() - trace.begun_ns > GRACE_NS for trace in seen
    )
