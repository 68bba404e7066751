"""Seeing a trace: the probes and a packet socket on every tap, and drops in every namespace.

It imports nothing of the lab. What carries a packet through translators is the probes' stamp; the
packet sockets add what a stamp has not: the octets, the hop limit, and every ICMP error.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from dataplane.kernel import netlink, netns
from dataplane.kernel.packetsocket import PacketSockets
from dataplane.model.seen import DropSeen, PacketSeen, ProbeReport
from dataplane.model.topology import Tap
from dataplane.model.trace import Sights, State, Trace
from dataplane.session.feed import consumed, every
from probes.watch import Mode, Watch

MOST = 50_000  # stamped packets that are kept while something is awaited
INTERVAL = 0.2  # seconds between two looks at the packet sockets
UNRESOLVED = 3.5  # seconds until a neighbour that does not answer is given up
Where = Callable[[str], str | Path | int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where is looked.

    `where` tells for a tap's namespace what to enter (None: ours). `owners` are owners of namespaces by
    cookie, whose drops are told of; `names` are interfaces by index. With `awaiting`, what passes meanwhile
    may be much: the latest packets are kept, and of connections only what opens them is captured.
    """

    taps: tuple[Tap, ...]
    where: Where
    owners: Mapping[int, str]
    names: Mapping[int, str] = field(default_factory=dict)
    mode: Mode = "tc"
    passed_by: tuple[str, ...] = ()
    awaiting: bool = False


class Tracer:
    """The probes and packet sockets of a scene, attached."""

    def __init__(self, scene: Scene, watch: Watch, sockets: PacketSockets) -> None:
        self._scene, self._watch, self._sockets = scene, watch, sockets
        self._mtus = mtus(scene.taps, scene.where)
        self._latest: deque[PacketSeen] = deque(maxlen=MOST)
        self._taken = 0

    def drain(self) -> None:
        """Take what the packet sockets hold, and what has been stamped where that may be much."""
        self._sockets.drain()
        if self._scene.awaiting:
            packets = self._watch.take_packets()
            self._taken += len(packets)
            self._latest.extend(packets)

    def sights(self) -> Sights:
        """Return everything that was seen so far."""
        self.drain()
        scene = self._scene
        return Sights(
            taps=scene.taps,
            packets=tuple(self._latest) if scene.awaiting else self._watch.packets(),
            too_big=self._watch.too_big(),
            drops=tuple(self._named(drop) for drop in self._watch.drops()),
            frames=self._sockets.frames(),
            mtus=self._mtus,
            gaps=(*_gaps(self._watch.reports()), *self._sockets.gaps(), *self._given_up()),
        )

    def _given_up(self) -> tuple[str, ...]:
        given_up = self._taken - len(self._latest)
        return (f"{given_up} stamped packets were given up",) if given_up else ()

    def _named(self, drop: DropSeen) -> DropSeen:
        """Give an interface that is not watched its name, where it is known."""
        if not drop.interface.isdigit():
            return drop
        name = self._scene.names.get(int(drop.interface))
        return replace(drop, interface=name) if name else drop


@asynccontextmanager
async def tracing(scene: Scene) -> AsyncIterator[Tracer]:
    """Attach to a scene; everything is taken away again on leaving, cancelled or not."""
    opened: list[Watch] = []
    sockets: list[PacketSockets] = []

    def attach() -> Tracer:
        opened.append(
            Watch.open(
                scene.taps,
                scene.where,
                {},
                mode=scene.mode,
                flows=False,
                connects=False,
                drops=scene.owners,
                passed_by=scene.passed_by,
            )
        )
        sockets.append(PacketSockets.open(scene.taps, scene.where, opening=scene.awaiting))
        return Tracer(scene, opened[0], sockets[0])

    try:
        # A thread cannot be cancelled: what it attaches has to be taken away after it has ended.
        attaching = asyncio.get_running_loop().run_in_executor(None, attach)
        try:
            tracer = await asyncio.shield(attaching)
        except asyncio.CancelledError:
            await asyncio.wait({attaching})
            attaching.exception()
            raise
        with consumed(opened[0]):
            async with every(INTERVAL, tracer.drain):
                yield tracer
    finally:
        for held in (*sockets, *opened):
            held.close()


async def settled(
    tracer: Tracer, join: Callable[[Sights], tuple[Trace, ...]]
) -> tuple[Sights, tuple[Trace, ...]]:
    """Return what was seen and the traces of it, once nobody is likely to add a word.

    A packet that waits for its neighbour's hardware address is given up after the third question, a
    second apart (RFC 4861 section 10): what is lost is looked at again for as long.
    """
    end = time.monotonic() + UNRESOLVED
    never = asyncio.Event()
    while True:
        sights = await asyncio.to_thread(tracer.sights)
        traces = await asyncio.to_thread(join, sights)
        lost = any(trace.state is State.LOST for trace in traces)
        if not lost or time.monotonic() >= end:
            return sights, traces
        with suppress(TimeoutError):
            await asyncio.wait_for(never.wait(), INTERVAL)


def cookies(namespaces: Mapping[str, str | Path]) -> dict[int, str]:
    """Return owners by the cookies of their namespaces (owner -> what to enter)."""
    found = {netns.call(place, netns.cookie): owner for owner, place in namespaces.items()}
    found.pop(0, None)  # this kernel cannot tell
    return found


def mtus(taps: Iterable[Tap], where: Where) -> dict[str, int]:
    """Return the MTU of every tap's interface as it is now, by the tap's name."""
    by_namespace: dict[str, list[Tap]] = {}
    for tap in taps:
        by_namespace.setdefault(tap.namespace, []).append(tap)
    found: dict[str, int] = {}
    for namespace, there in by_namespace.items():
        target = where(namespace)
        links = netlink.links() if target is None else netns.call(target, netlink.links)
        by_index = {link["index"]: link["mtu"] for link in links}
        found |= {tap.name: by_index[tap.index] for tap in there if tap.index in by_index}
    return found


def _gaps(reports: Sequence[ProbeReport]) -> list[str]:
    told = [f"{r.probe} at {r.where}: {r.blind}" for r in reports if r.blind]
    told += [f"{r.probe} at {r.where}: {r.lost} events were lost" for r in reports if r.lost]
    return told
