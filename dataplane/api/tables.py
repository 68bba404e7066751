"""The flow table as readers walk it: read from the kernel on a thread, held still while it is walked."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, overload

from dataplane.api.paging import GoneError, Page, Query, cut
from dataplane.model.address import Family
from dataplane.model.seen import FlowSeen

HELD = 3
FRESH = 1.0  # seconds for which a reading serves everybody who asks for the newest
SLICE = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the flow table holds of one tap, family and direction. `bytes` at L3."""

    tap: str
    family: Family
    leaving: bool
    flows: int
    packets: int
    bytes: int


class Pages(Protocol):
    """A snapshot that gives its flows page by page, as the flow probe's does."""

    def __len__(self) -> int:
        """Return how many flows there are."""

    def page(self, start: int, stop: int) -> Iterable[FlowSeen]:
        """Give the flows from `start` up to `stop`."""


class PagedFlows(Sequence[FlowSeen]):
    """A snapshot as a sequence: flows are made when they are looked at, and kept by nobody.

    100,000 flows made at once are as many objects to be freed at once, and nothing else runs
    meanwhile: 0.08 s. Raw they are a few large blocks.
    """

    def __init__(self, snapshot: Pages | None) -> None:
        self._snapshot = snapshot

    def __len__(self) -> int:
        return 0 if self._snapshot is None else len(self._snapshot)

    @overload
    def __getitem__(self, at: int) -> FlowSeen: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[FlowSeen, ...]: ...
    def __getitem__(self, at: int | slice) -> FlowSeen | tuple[FlowSeen, ...]:
        if isinstance(at, int):
            position = range(len(self))[at]  # IndexError as of any sequence
            return self[position : position + 1][0]
        positions = range(len(self))[at]
        if positions.step != 1:
            return tuple(self[position] for position in positions)
        if self._snapshot is None or not positions:
            return ()
        return tuple(self._snapshot.page(positions.start, positions.stop))


def no_flows() -> Sequence[FlowSeen]:
    """Return the flows of a place where no probe is."""
    return ()


class Sums:
    """Traffic in the making."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, Family, bool], list[int]] = {}

    def add(self, flows: Iterable[FlowSeen]) -> None:
        """Add flows."""
        for flow in flows:
            total = self._sums.setdefault((flow.tap, flow.family, flow.leaving), [0, 0, 0])
            total[0] += 1
            total[1] += flow.packets
            total[2] += flow.bytes

    def traffic(self) -> tuple[Traffic, ...]:
        """Return the sums by tap, family and direction."""
        return tuple(
            Traffic(tap=tap, family=family, leaving=leaving, flows=n, packets=packets, bytes=octets)
            for (tap, family, leaving), (n, packets, octets) in sorted(self._sums.items())
        )


class Reading(Generic[T]):
    """One reading at a time, on a thread. Who asks meanwhile shares it; who leaves does not end it."""

    def __init__(self) -> None:
        self._under_way: asyncio.Future[T] | None = None

    async def share(self, read: Callable[[], T]) -> T:
        """Return what the reading under way, or a new one, gives; its error is everybody's."""
        if self._under_way is None:
            self._under_way = asyncio.get_running_loop().run_in_executor(None, read)
            self._under_way.add_done_callback(self._done)
        return await asyncio.shield(self._under_way)

    async def idle(self) -> None:
        """Wait until no reading is under way."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way])

    def _done(self, reading: "asyncio.Future[T]") -> None:
        self._under_way = None
        if not reading.cancelled():
            reading.exception()  # seen here, in case that everybody who waited for it is gone


Read = Callable[[], Sequence[FlowSeen]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """The flow table as `read` gave it, once."""

    number: int
    read: Read
    read_at: float
    flows: Sequence[FlowSeen]


class FlowTables:
    """Snapshots of the flow table, numbered; a cursor names the one that it walks.

    `read` is called on a thread, one reading at a time, and returns a sequence that may convert its
    entries lazily: a page asks for its own slice only. The HELD last used snapshots are held.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[int, Snapshot] = OrderedDict()
        self._reading: Reading[Snapshot] = Reading()
        self._newest: Snapshot | None = None
        self._summing = asyncio.Lock()
        self._summed = 0
        self._traffic: tuple[Traffic, ...] = ()
        self._count = 0
        self.watch(no_flows)

    def watch(self, read: Read, *, fresh: float = FRESH) -> None:
        """Read from here from now on. A reading younger than `fresh` seconds serves everybody."""
        self._read: Read = read
        self._fresh = fresh
        self._newest = None

    async def page(self, query: Query) -> Page[FlowSeen]:
        """Return a page; GoneError when the cursor's snapshot is no longer held."""
        if query.cursor is None:
            snapshot = await self._take()
        elif query.cursor.table in self._held:
            snapshot = self._held[query.cursor.table]
            self._held.move_to_end(snapshot.number)
        else:
            raise GoneError(
                f"cursor: its snapshot is gone; the {HELD} last used ones are held, begin anew without it"
            )
        rows = snapshot.flows
        return cut(rows, query, table=snapshot.number, family=lambda flow: flow.family)

    async def traffic(self) -> tuple[Traffic, ...]:
        """Return the sums over the newest snapshot, added up once per snapshot.

        Each slice is a thread's work of its own, so that the loop has its turn in between without
        having to wrest the interpreter from a busy thread, 5 ms at every system call.
        """
        snapshot = await self._take()
        async with self._summing:
            if self._summed < snapshot.number:
                sums, flows = Sums(), snapshot.flows
                for start in range(0, len(flows), SLICE):
                    await asyncio.to_thread(_add_slice, sums, flows, start)
                self._summed, self._traffic = snapshot.number, sums.traffic()
            return self._traffic

    async def settle(self, flows: Sequence[FlowSeen]) -> None:
        """Read no more: let these be the flows for good, once no reading is under way."""
        self.watch(lambda: flows, fresh=float("inf"))
        await self._reading.idle()

    async def _take(self) -> Snapshot:
        """Return the newest snapshot, or read one when it is no longer fresh."""
        newest = self._newest
        if newest is None or time.monotonic() - newest.read_at >= self._fresh:
            newest = await self._reading.share(self._snapshot)
            if newest.number not in self._held:
                self._keep(newest)
        return newest

    def _snapshot(self) -> Snapshot:
        self._count += 1
        number, read = self._count, self._read
        return Snapshot(number=number, read=read, flows=read(), read_at=time.monotonic())

    def _keep(self, snapshot: Snapshot) -> None:
        if snapshot.read is self._read:
            self._newest = snapshot
        self._held[snapshot.number] = snapshot
        while len(self._held) > HELD:
            self._held.popitem(last=False)


def _add_slice(sums: Sums, flows: Sequence[FlowSeen], start: int) -> None:
    sums.add(flows[start : start + SLICE])
