"""The source that a session feeds while it runs, and that a recording fills in one go."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from threading import Lock

from dataplane.api.events import HISTORY, Journal, News
from dataplane.api.paging import Cursor, Page, Query, cut
from dataplane.api.sightings import Sightings
from dataplane.api.source import CROWD, OWNERS, Attempts, Ending, Sighted
from dataplane.api.tables import FRESH, FlowTables, Reading, Traffic
from dataplane.model.answer import Answer, RunResult
from dataplane.model.evidence import Evidence
from dataplane.model.plan import Plan
from dataplane.model.seen import ConnectSeen, FlowSeen, ProbeReport
from dataplane.model.topology import Tap, Topology

REMEMBERED = 20_000


def no_reports() -> Iterable[ProbeReport]:
    """Return the books of a place where no probe is."""
    return ()


class LiveSource:
    """A session's side of the endpoint. `publish` is for any thread and never waits for a reader.

    The session describes itself as it goes: `describe`, `watch` once the probes are on, `publish`
    as things happen, `settle` before the probes go away, `close` at the end.
    """

    def __init__(self, *, history: int = HISTORY, remembered: int = REMEMBERED) -> None:
        self.journal = Journal(history=history)
        self.sightings = Sightings()
        self._plan: Plan | None = None
        self._topology: Topology | None = None
        self._taps: tuple[Tap, ...] = ()
        self._run: RunResult | None = None
        self._ready = False
        self._answers: dict[str, Answer] = {}
        self._tables = FlowTables()
        self._read_reports: Callable[[], Iterable[ProbeReport]] = no_reports
        self._reading_reports: Reading[tuple[ProbeReport, ...]] = Reading()
        self._connects: deque[ConnectSeen] = deque(maxlen=remembered)
        self._connects_seen = 0
        self._attempts: Counter[Ending] = Counter()
        self._owners: set[str] = set()
        self._lock = Lock()

    def describe(
        self, *, plan: Plan | None, topology: Topology | None = None, taps: Sequence[Tap] = ()
    ) -> None:
        """Say what is watched; `taps` default to the topology's."""
        self._plan, self._topology = plan, topology
        self._taps = tuple(taps) or (topology.taps if topology else ())

    def watch(
        self,
        *,
        flows: Callable[[], Sequence[FlowSeen]],
        reports: Callable[[], Iterable[ProbeReport]] = no_reports,
        fresh: float = FRESH,
    ) -> None:
        """Say how to read the kernel, and that everything is on: from now on the endpoint is ready.

        Both functions are called on a thread. `flows` may return a sequence that converts lazily, and
        for a large table had better (`PagedFlows`). A reading serves everybody for `fresh` seconds.
        """
        self._tables.watch(flows, fresh=fresh)
        self._read_reports = reports
        self._ready = True

    async def settle(self, evidence: Evidence) -> None:
        """Read the kernel no more: what was recorded is what there is. Await it before detaching.

        Readiness is given then too, as all there will be is there, also without probes.
        """
        reports = evidence.reports
        self._read_reports = lambda: reports
        await self._reading_reports.idle()
        await self._tables.settle(evidence.flows)
        self._ready = True

    def publish(self, value: News) -> None:
        """Take note of a value and hand it to every reader; an attempt once, with its result."""
        with self._lock:
            if isinstance(value, ConnectSeen):
                self._connects.append(value)
                self._connects_seen += 1
                self._attempts[self._owner(value), value.family, value.result] += 1
            elif isinstance(value, Answer):
                self._answers[value.check] = value
            elif isinstance(value, RunResult):
                self._run = value
                self._answers = {answer.check: answer for answer in value.answers}
        self.journal.publish(value)

    def close(self) -> None:
        """Say that nothing more will come: readers of events end, the rest goes on being served."""
        self.journal.close()

    def ready(self) -> bool:
        """Return whether the probes are on."""
        return self._ready

    def run(self) -> RunResult | None:
        """Return the result, None until it was published."""
        return self._run

    def plan(self) -> Plan | None:
        """Return the plan, if it was described."""
        return self._plan

    def topology(self) -> Topology | None:
        """Return the topology, if it was described."""
        return self._topology

    def taps(self) -> tuple[Tap, ...]:
        """Return the interfaces that are watched."""
        return self._taps

    def answers(self) -> tuple[Answer, ...]:
        """Return the answers so far, by name of the check."""
        with self._lock:
            return tuple(self._answers[name] for name in sorted(self._answers))

    def attempts(self) -> tuple[Attempts, ...]:
        """Return the connection attempts, counted."""
        with self._lock:
            counts = sorted(self._attempts.items())
        return tuple(
            Attempts(owner=owner, family=family, result=result, count=count)
            for (owner, family, result), count in counts
        )

    def sighted(self) -> Sighted:
        """Return what a follower has counted of its node."""
        return self.sightings.sighted()

    async def flows(self, query: Query) -> Page[FlowSeen]:
        """Return a page of the flow table."""
        return await self._tables.page(query)

    async def traffic(self) -> tuple[Traffic, ...]:
        """Return the sums over the flow table."""
        return await self._tables.traffic()

    async def connects(self, query: Query) -> Page[ConnectSeen]:
        """Return a page of the remembered attempts; a cursor counts from the very first one."""
        with self._lock:
            remembered, seen = list(self._connects), self._connects_seen
        forgotten = seen - len(remembered)
        wanted = query.cursor.offset if query.cursor else forgotten
        start = max(wanted, forgotten) - forgotten
        here = replace(query, cursor=Cursor(table=0, offset=start))
        page = cut(remembered, here, family=lambda attempt: attempt.family)
        following = page.next and replace(page.next, offset=page.next.offset + forgotten)
        skipped = max(0, forgotten - wanted)
        return Page(items=page.items, next=following, total=seen, skipped=skipped)

    async def reports(self) -> tuple[ProbeReport, ...]:
        """Read the probes' books, on a thread."""
        return await self._reading_reports.share(lambda: tuple(self._read_reports()))

    def _owner(self, attempt: ConnectSeen) -> str:
        owner = attempt.owner or ""
        if owner in self._owners:
            return owner
        if len(self._owners) < OWNERS:
            self._owners.add(owner)
            return owner
        return CROWD


def recorded(
    evidence: Evidence, result: RunResult | None, *, topology: Topology | None = None
) -> LiveSource:
    """Return a source over a finished recording and what was made of it; nothing more will come."""
    source = LiveSource(remembered=len(evidence.connects))
    source.describe(plan=evidence.header.plan, topology=topology, taps=evidence.header.taps)
    source.watch(flows=lambda: evidence.flows, reports=lambda: evidence.reports, fresh=float("inf"))
    for attempt in evidence.connects:
        source.publish(attempt)
    if result is not None:
        source.publish(result)
    source.close()
    return source
