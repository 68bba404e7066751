"""Following a machine that is not our lab: what its pods do, live, without a manifest to judge by.

It imports nothing of the lab: on a node neither scapy nor the lab's servers need to be there.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from dataplane import __version__
from dataplane.api.live import LiveSource
from dataplane.kernel.hooks import Wish
from dataplane.model.address import Address, Family
from dataplane.model.answer import Answer, State
from dataplane.model.errors import ProbeRefusedError, UnsupportedError
from dataplane.model.evidence import Evidence, Header
from dataplane.model.fallback import Fallback
from dataplane.model.seen import ConnectSeen, DropSeen, FlowSeen, PacketSeen, ProbeReport
from dataplane.model.topology import Point, Tap
from dataplane.session.cost import Cost, OverBudget
from dataplane.session.digest import Compared
from dataplane.session.dropfindings import DropFinding
from dataplane.session.drops import Dropped, PodDrops
from dataplane.session.expecting import MOST_WAYS, Contradiction, Judged, Promise, Ways
from dataplane.session.export import Export
from dataplane.session.forensics import Forensics
from dataplane.session.mode import ModeChosen
from dataplane.session.remembered import Remembered
from dataplane.session.residents import Change, Moved
from dataplane.verify.journeys import journeys
from probes.watch import Watch, kept

UNDER_WAY_NS = 3_000_000_000  # longer than any packet takes through one machine
REMEMBERED = 50_000  # flows and changes that were told of; beyond that the oldest may be told again


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFound:
    """Where we are: the network plugin and what told it, and what an observer has to know of it.

    `host_network` are pods in the node's own namespace, whose packets are told apart by nothing.
    `contradictions` are names of pods that the node's files do not agree on, `unasked` who could
    not be asked.
    """

    kind: Literal["node"] = "node"
    cni: str
    because: str
    caveats: tuple[str, ...] = ()
    host_network: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSet:
    """A hook that is about to be set: on which interface or control group, how, and for whom."""

    kind: Literal["hook"] = "hook"
    where: str
    hook: str
    owner: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Everything is attached: from now on nothing is missed."""

    kind: Literal["attached"] = "attached"
    time_ns: int
    interfaces: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PodMoved:
    """A pod's interface that came (watched from now on), has a name by now, or has gone.

    `note` says why one that came is not watched.
    """

    kind: Literal["pod"] = "pod"
    time_ns: int
    change: Change
    where: str
    owner: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanged:
    """A packet that left its pod with one source and the node with another.

    `rule` is the node's rule that did it, `design` whose that is and what for: then it is as it
    should be. Both are empty where nobody knows.
    """

    kind: Literal["source-change"] = "source-change"
    time_ns: int
    owner: str
    family: Family
    protocol: int
    destination: Address
    destination_port: int
    source: Address
    seen_as: Address
    uplink: str
    rule: str = ""
    design: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What one interface carried of one family while it was watched."""

    kind: Literal["total"] = "total"
    where: str
    owner: str
    family: Family
    flows: int
    packets: int
    bytes: int


Guarded = Compared | Cost | OverBudget
Blame = Callable[[PacketSeen, PacketSeen], tuple[str, str]]
Followed = (
    NodeFound
    | ModeChosen
    | HookSet
    | Attached
    | PodMoved
    | FlowSeen
    | ConnectSeen
    | SourceChanged
    | DropSeen
    | Dropped
    | ProbeReport
    | Total
)
Told = Followed | Fallback | DropFinding | Promise | Contradiction | Judged | Guarded


class Follower:
    """Tells what is new since the last look. `owners` names network namespaces by their cookie.

    `blame` names the rule that gave a packet its other source, and whose design that is.
    Attempts towards loopback leave nobody's pod and are not told; those of processes outside the
    pods that are watched only with `everybody`. `forensics` joins what is seen into findings.
    """

    def __init__(  # noqa: PLR0913 - what is optional has a name
        self,
        watch: Watch,
        taps: tuple[Tap, ...],
        owners: Mapping[int, str],
        *,
        everybody: bool = False,
        blame: Blame = lambda _pod, _out: ("", ""),
        forensics: Forensics | None = None,
    ) -> None:
        self._watch, self._owners, self._everybody = watch, dict(owners), everybody
        self._blame = blame
        self.export: Export | None = None  # to a collector of flows, where there is one
        self._taps = {tap.name: tap for tap in taps}
        self._recent: tuple[PacketSeen, ...] = ()
        self._flows, self._changes = Remembered(REMEMBERED), Remembered(REMEMBERED)
        self.ways = Ways()
        self.gone: set[str] = set()  # taps of pods that have gone: nothing is missed there
        self._drops = PodDrops(everybody=everybody, most=REMEMBERED)
        self.forensics = forensics or Forensics(taps)

    def keep(self, entries: int) -> None:
        """Remember no more than goes with a flow table of so many entries. Before the first look."""
        most = min(REMEMBERED, entries)
        self._flows, self._changes = Remembered(most), Remembered(most)
        self._drops = PodDrops(everybody=self._everybody, most=most)
        self.ways = Ways(kept(entries, MOST_WAYS))

    def look(self, *, last: bool = False) -> Iterator[Told]:
        """Yield new flows, ended attempts and changed sources; with `last` also what is pending."""
        for attempt in self._watch.take_connects(last=last):
            owner = attempt.owner or self._owners.get(attempt.netns_cookie)
            if (owner or self._everybody) and not attempt.destination.is_loopback:
                attempt = replace(attempt, owner=owner)  # noqa: PLW2901 - it is told with its owner
                self.forensics.attempted(attempt)
                yield attempt
        yield from self._new_changes()
        yield from self._new_flows()
        drops = self._watch.drops()
        yield from self._drops.fresh(drops)
        self.forensics.take(
            names=self._watch.take_dns(),
            failures=self._watch.take_failures(),
            unreachable=self._watch.take_unreachable(),
        )
        ours = self._drops.of_pods(drops)
        yield from self.forensics.fresh(ours, time.monotonic_ns(), last=last)
        if self.export is not None and (last or self.export.due):
            self.export.send(self._watch.each_flow(), self._taps.values())

    def settle(self, moved: Moved, *, hook: Wish) -> PodMoved:
        """Watch a pod that came, know the name of one that has one now, let go of one that has gone."""
        tap, note = moved.tap, ""
        if moved.pod.cookie:
            self._owners[moved.pod.cookie] = tap.owner
            self._watch.know(moved.pod.cookie, tap.owner)
        if moved.change == "gone":
            self._watch.leave(tap)
            self.gone.add(tap.name)
        else:
            self._taps[tap.name] = tap
            self.forensics.know(tap)
        if moved.change == "came":
            try:
                self._watch.join(tap, hook=hook)
            except (ProbeRefusedError, UnsupportedError) as failure:
                del self._taps[tap.name]
                note = f"not watched: {failure}"
        return PodMoved(
            time_ns=time.monotonic_ns(),
            change=moved.change,
            where=tap.name,
            owner=tap.owner,
            note=note,
        )

    def totals(self) -> Iterator[Told]:
        """Yield what each interface carried of each family, then the probes' own books."""
        sums: dict[tuple[str, Family], Total] = {}
        for flow in self._watch.each_flow():
            tap = self._taps[flow.tap]
            key = (tap.name, flow.family)
            before = sums.get(key) or Total(
                where=tap.name, owner=tap.owner, family=flow.family, flows=0, packets=0, bytes=0
            )
            sums[key] = replace(
                before,
                flows=before.flows + 1,
                packets=before.packets + flow.packets,
                bytes=before.bytes + flow.bytes,
            )
        yield from (sums[key] for key in sorted(sums))
        yield from self._drops.totals(self._watch.drops())
        yield from self._watch.reports()

    def evidence(self) -> Evidence:
        """Return what the flow table and the books hold, for the endpoint to go on serving."""
        header = Header(
            version=__version__,
            scenario="attach",
            engine="",
            plan=None,
            taps=tuple(self._taps.values()),
        )
        return Evidence(header=header, flows=self._watch.flows(), reports=self._watch.reports())

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Return the interfaces that were ever watched."""
        return tuple(self._taps.values())

    def publish(self, told: Iterable[Told], source: LiveSource) -> None:
        """Hand the endpoint what it has a place for: attempts, answers, changed sources, taps."""
        source.describe(plan=None, taps=self.taps)
        for value in told:
            match value:
                case ConnectSeen():
                    source.publish(value)
                case Judged(state=State() as state):
                    source.publish(
                        Answer(
                            check=value.check,
                            state=state,
                            looked_at=value.looked_at,
                            reason=value.reason,
                            findings=value.findings,
                        )
                    )
                case SourceChanged():
                    designed = bool(value.design)
                    source.sightings.changed(value.owner, value.family, designed=designed)
                case Promise(name="families"):
                    source.sightings.promise(value.value)

    def count(self, source: LiveSource) -> None:
        """Hand the endpoint what a finished look has counted."""
        for owner, reason, packets in self._drops.growth.take():
            source.sightings.dropped(owner, reason, packets)
        source.sightings.looked()

    def _new_flows(self) -> Iterator[FlowSeen]:
        for flow in self._watch.each_flow():
            key = (
                flow.tap,
                flow.leaving,
                flow.protocol,
                flow.source,
                flow.source_port,
                flow.destination,
                flow.destination_port,
            )
            if self._flows.is_new(key):
                self._drops.learn(flow, self._taps[flow.tap])
                self.forensics.learn(flow, self._taps[flow.tap])
                yield flow

    def _new_changes(self) -> Iterator[SourceChanged]:
        """Yield sources that changed; the last packets are kept, as their way may not be over."""
        taken = self._watch.take_packets()
        self.forensics.take(packets=taken)
        packets = (*self._recent, *taken)
        newest = max((packet.time_ns for packet in packets), default=0)
        self._recent = tuple(p for p in packets if newest - p.time_ns <= UNDER_WAY_NS)
        for journey in journeys(packets, self._taps.values()):
            if journey.ambiguous:
                continue
            leaving = [hop for hop in journey.hops if hop.leaving]
            pod = next((hop for hop in leaving if self._at(hop, Point.POD)), None)
            out = next((hop for hop in leaving if self._at(hop, Point.UPLINK)), None)
            if pod is None or out is None:
                continue
            self.ways.keep(pod, out)
            if pod.source == out.source:
                continue
            key = (pod.tap, pod.source, out.source, out.destination, out.destination_port)
            if not self._changes.is_new(key):
                continue
            if self.export is not None:
                self.export.changed(pod, out)
            rule, design = self._blame(pod, out)
            yield SourceChanged(
                time_ns=out.time_ns,
                owner=self._taps[pod.tap].owner,
                family=out.family,
                protocol=out.protocol,
                destination=out.destination,
                destination_port=out.destination_port,
                source=pod.source,
                seen_as=out.source,
                uplink=out.tap,
                rule=rule,
                design=design,
            )

    def _at(self, hop: PacketSeen, point: Point) -> bool:
        return self._taps[hop.tap].point is point
