"""Fallbacks and drops of a node that is followed, as findings: told once, and counted at the end."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from dataplane.model.address import Address, Family
from dataplane.model.answer import Finding, State
from dataplane.model.dns import DnsSeen
from dataplane.model.fallback import FailureSeen, Fallback, UnreachableSeen, Why
from dataplane.model.node import PodFacts
from dataplane.model.problem import Severity
from dataplane.model.seen import (
    ConnectSeen,
    DropSeen,
    FlowSeen,
    PacketKind,
    PacketSeen,
    ProbeReport,
)
from dataplane.model.topology import Point, Tap
from dataplane.rules.fallbacks import JOIN_NS, REACHED, Sights, fallbacks
from dataplane.rules.fallbackwords import error_name
from dataplane.rules.resolved import REMEMBERED_NS
from dataplane.session.dropfindings import DropFinding, DropFindings
from dataplane.session.expecting import Judged
from dataplane.session.remembered import Remembered

SETTLED_NS = 4_000_000_000
"""How long an attempt is left alone: the answer to a SYN that the client gave up may be on its way."""
MOST = 10_000  # of attempts, DNS messages and packets each; the oldest are forgotten
MOST_FINDINGS = 1_000
WAYS = frozenset({Why.NOT_TRIED, Why.SORTED_LAST, Why.NO_ROUTE})
"""What is said better by the pod's kernel, which knows whether it has a way."""
Lacking = Callable[[str, Address], int | None]
PROBES = ("connects", "stamps", "drops")


@dataclass(slots=True)
class _Kept:
    """What was seen lately, the oldest first."""

    attempts: deque[ConnectSeen] = field(default_factory=lambda: deque(maxlen=MOST))
    failures: deque[FailureSeen] = field(default_factory=lambda: deque(maxlen=MOST))
    names: deque[DnsSeen] = field(default_factory=lambda: deque(maxlen=MOST))
    packets: deque[PacketSeen] = field(default_factory=lambda: deque(maxlen=MOST))
    unreachable: deque[UnreachableSeen] = field(default_factory=lambda: deque(maxlen=MOST))


class Forensics:
    """Joins what a follower sees into findings.

    `pods` are facts of the node, `families` the cluster's where somebody vouches for them. `lacking`
    asks for the errno that a pod's kernel gives for an address, 0 where it has a way, None if nobody
    knows.
    """

    def __init__(
        self,
        taps: Iterable[Tap] = (),
        pods: Iterable[PodFacts] = (),
        families: tuple[Family, ...] | None = None,
        lacking: Lacking = lambda _pod, _address: None,
    ) -> None:
        self._families, self._lacking = families or None, lacking
        self._owners: dict[str, str] = {}
        self._addresses: defaultdict[str, dict[Address, None]] = defaultdict(dict)
        for tap in taps:
            self.know(tap)
        for pod in pods:
            self._addresses[pod.owner].update(dict.fromkeys(pod.addresses))
        self._kept = _Kept()
        self._drops: tuple[DropSeen, ...] = ()
        self._talk: dict[tuple[str, Address, int], str] = {}
        self._told = Remembered(MOST)
        self._of_drops = DropFindings(lambda *ends: self._talk.get(ends, ""))
        self._findings: dict[str, deque[Finding]] = {
            name: deque(maxlen=MOST_FINDINGS) for name in ("fallback", "drops")
        }
        self._looked_at = {"fallback": 0, "drops": 0}
        self._waiting, self._until, self._forgotten = False, 0, 0

    def know(self, tap: Tap) -> None:
        """Know whose a tap is from now on."""
        if tap.point is not Point.POD:
            return
        before = self._owners.get(tap.name, tap.owner)
        self._owners[tap.name] = tap.owner
        if before != tap.owner:  # it has a name by now
            self._addresses[tap.owner].update(self._addresses.pop(before, {}))

    def learn(self, flow: FlowSeen, tap: Tap) -> None:
        """Know an address that a pod has sent from."""
        self._looked_at["drops"] += 1
        if flow.leaving and tap.point is Point.POD and not flow.source.is_link_local:
            self._addresses[tap.owner][flow.source] = None

    def attempted(self, attempt: ConnectSeen) -> None:
        """Take an attempt that has ended; those of no pod are of no interest."""
        if attempt.owner is None or attempt.owner not in self._owners.values():
            return
        self._looked_at["fallback"] += 1
        self._forgotten += len(self._kept.attempts) == MOST
        self._kept.attempts.append(attempt)
        self._waiting |= attempt.family is Family.IPV4 and attempt.result in REACHED
        if len(self._talk) < MOST:
            self._talk[attempt.owner, attempt.destination, attempt.port] = attempt.comm

    def take(
        self,
        *,
        failures: Iterable[FailureSeen] = (),
        names: Iterable[DnsSeen] = (),
        packets: Iterable[PacketSeen] = (),
        unreachable: Iterable[UnreachableSeen] = (),
    ) -> None:
        """Take what else was seen since the last time."""
        self._kept.failures.extend(failures)
        for name in names:
            self._forgotten += len(self._kept.names) == MOST
            self._kept.names.append(name)
        self._kept.unreachable.extend(unreachable)
        self._kept.packets.extend(p for p in packets if p.packet is PacketKind.TCP_SYN_ACK)

    def fresh(
        self, drops: Iterable[DropSeen], now: int, *, last: bool = False
    ) -> Iterator[Fallback | DropFinding]:
        """Yield what is new. `drops` are all of pods so far, `now` is the monotonic time in ns.

        With `last` also what has not settled yet.
        """
        self._drops = tuple(drops)
        for dropped in self._of_drops.fresh(self._drops):
            self._findings["drops"].append(dropped.finding)
            yield dropped
        self._forget(now)
        if self._waiting:
            until = now if last else now - SETTLED_NS
            sights = self._sights(until)
            self._until = until
            for told in fallbacks(replace(sights, ways=self._ways(sights))):
                if self._told.is_new(_identity(told)):
                    self._findings["fallback"].append(told.finding)
                    yield told

    def judged(self, reports: Iterable[ProbeReport]) -> tuple[Judged, ...]:
        """Return the answers "drops" and "fallback" of what was seen, with the books of the probes."""
        lacking = dict(_lacking(reports))
        if self._forgotten:
            lacking["forensics"] = (
                f"{self._forgotten} attempts and DNS messages were too many to keep"
            )
        return tuple(
            _judged(name, self._looked_at[name], tuple(found), lacking)
            for name, found in sorted(self._findings.items())
        )

    def _ways(self, sights: Sights) -> dict[tuple[str, Address], str]:
        """Ask the pods' kernels for the ways that IPv6 was not tried on, or in vain."""
        asked: dict[tuple[str, Address], str] = {}
        for told in fallbacks(sights):
            if told.why not in WAYS or not self._is_new(told):
                continue
            tried = {one.destination for one in told.tried if one.family is Family.IPV6}
            for address in {*told.six, *tried}:
                if (number := self._lacking(told.pod, address)) is not None:
                    asked[told.pod, address] = error_name(number)
        return asked

    def _is_new(self, told: Fallback) -> bool:
        return _identity(told) not in self._told

    def _sights(self, until: int) -> Sights:
        def settled(seen: ConnectSeen) -> bool:
            return seen.family is Family.IPV6 or seen.time_ns + (seen.latency_ns or 0) <= until

        self._waiting = not all(map(settled, self._kept.attempts))
        return Sights(
            attempts=tuple(filter(settled, self._kept.attempts)),
            failures=tuple(self._kept.failures),
            names=tuple(self._kept.names),
            drops=self._drops,
            packets=tuple(self._kept.packets),
            unreachable=tuple(self._kept.unreachable),
            owners=dict(self._owners),
            addresses=dict(self._addresses),
            families=self._families,
            since_ns=self._until,
        )

    def _forget(self, now: int) -> None:
        """Forget what is too old to belong to anything that may come."""
        kept = self._kept
        for queue, age in (
            (kept.attempts, JOIN_NS + SETTLED_NS),
            (kept.failures, JOIN_NS + SETTLED_NS),
            (kept.packets, JOIN_NS + SETTLED_NS),
            (kept.unreachable, JOIN_NS + SETTLED_NS),
            (kept.names, REMEMBERED_NS),
        ):
            while queue and now - queue[0].time_ns > age:
                queue.popleft()


def _identity(told: Fallback) -> tuple[object, ...]:
    return told.pod, told.pid, told.name or told.tried[-1].destination


def _lacking(reports: Iterable[ProbeReport]) -> Mapping[str, str]:
    """Return per probe what it could not see, empty where it saw all."""
    found: dict[str, str] = {}
    for report in reports:
        if report.probe in PROBES and report.blind:
            found.setdefault(report.probe, f"{report.probe} at {report.where}: {report.blind}")
        elif report.probe in PROBES and report.lost:
            words = f"{report.probe} at {report.where} lost {report.lost}"
            found.setdefault(report.probe, words)
    return found


def _judged(
    name: str, looked_at: int, findings: tuple[Finding, ...], lacking: Mapping[str, str]
) -> Judged:
    needed = ("drops",) if name == "drops" else ("connects", "stamps", "forensics")
    doubts = [lacking[probe] for probe in needed if probe in lacking]
    if any(finding.severity is Severity.ERROR for finding in findings):
        state = State.BROKEN
    elif doubts or not looked_at:
        state = State.UNKNOWN
    else:
        state = State.HOLDS
    reason = "; ".join(doubts) if looked_at else "; ".join((*doubts, "nothing was seen"))
    return Judged(
        check=name,
        state=state,
        looked_at=looked_at,
        reason=reason if state is not State.HOLDS else "",
        findings=findings,
    )
