"""A fallback told: what was tried, how it failed, what it cost, why, with the evidence of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv6Address

from dataplane.model.address import Address
from dataplane.model.answer import Finding
from dataplane.model.fallback import Fallback, Tried, UnreachableSeen, Why
from dataplane.model.problem import Severity
from dataplane.model.seen import ConnectSeen, DropSeen, PacketSeen
from dataplane.rules.fallbackwords import CODES, WORDS
from dataplane.rules.resolved import Asked

SHOWN = 12  # pieces of evidence that one finding quotes
ABOUT_NAMES = frozenset(
    {
        Why.AAAA_UNANSWERED,
        Why.AAAA_FAILED,
        Why.AAAA_DENIED,
        Why.AAAA_MISSING,
        Why.NOT_ASKED,
        Why.IPV4_ONLY,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that belongs to one fallback. `errors` are names of errno by the id of the attempt."""

    pod: str
    pid: int
    name: str
    why: Why
    four: ConnectSeen
    failed: tuple[ConnectSeen, ...]
    errors: Mapping[int, str]
    asked: tuple[Asked, ...]
    six: tuple[Address, ...]
    drops: tuple[DropSeen, ...]
    late: tuple[PacketSeen, ...]
    said: tuple[UnreachableSeen, ...]
    guessed: bool

    @property
    def first_ns(self) -> int:
        """Return when the first thing was asked or tried that IPv6 needed and did not get."""
        waited = [
            asked.question.time_ns
            for asked in self.asked
            if asked.question.type == "AAAA" and (asked.answer is None or asked.failed)
        ]
        tried = [seen.time_ns for seen in self.failed]
        return min((*(waited if not tried else ()), *tried), default=self.four.time_ns)

    @property
    def called(self) -> str:
        """Return the name, or where nobody told one the address of the first attempt."""
        first = self.failed[0] if self.failed else self.four
        return self.name or str(first.destination)


def tell(story: Story) -> Fallback:
    """Make a fallback of a story, with its finding."""
    cost = max(0.0, (story.four.time_ns - story.first_ns) / 1e6)
    tried = tuple(_tried(story, seen) for seen in (*story.failed, story.four))
    names = tuple(dict.fromkeys(map(str, story.asked)))
    return Fallback(
        time_ns=story.four.time_ns,
        pod=story.pod,
        pid=story.pid,
        comm=story.four.comm,
        name=story.name,
        why=story.why,
        cost_ms=round(cost, 1),
        tried=tried,
        names=names,
        six=story.six,
        finding=_finding(story, tried, names, cost),
    )


def _tried(story: Story, seen: ConnectSeen) -> Tried:
    return Tried(
        family=seen.family,
        destination=seen.destination,
        port=seen.port,
        result=seen.result,
        after_ms=round((seen.time_ns - story.first_ns) / 1e6, 1),
        took_ms=None if seen.latency_ns is None else round(seen.latency_ns / 1e6, 1),
        error=story.errors.get(id(seen), ""),
    )


def _finding(
    story: Story, tried: tuple[Tried, ...], names: tuple[str, ...], cost: float
) -> Finding:
    words = WORDS[story.why]
    comm, called = story.four.comm, story.called
    cause = words.cause.format(name=called, pod=story.pod)
    finding = Finding(
        severity=words.severity,
        subject=f"{story.pod}: {comm}",
        expected=f"{comm} reaches {called} over IPv6",
        seen=f"{_seen(story, tried)}; IPv4 took over and hides it, after {cost:.1f} ms",
        cause=cause,
        remedy=words.remedy.format(name=called, pod=story.pod),
        evidence=_shown(_evidence(story, tried, names)),
    )
    if not story.guessed:
        return finding
    return replace(
        finding,
        severity=Severity.WARNING,
        cause=f"{cause} (no DNS answer tells that both addresses are one host's)",
    )


def _seen(story: Story, tried: tuple[Tried, ...]) -> str:
    six = [one for one in tried if isinstance(one.destination, IPv6Address)]
    if six:
        return ", ".join(dict.fromkeys(f"IPv6 {_ended(one)}" for one in six))
    if story.why in ABOUT_NAMES:
        return "no IPv6 address was learned"
    return "IPv6 was not tried"


def _ended(one: Tried) -> str:
    error = f" ({one.error})" if one.error else ""
    return f"{one.result}{error}"


def _evidence(story: Story, tried: tuple[Tried, ...], names: tuple[str, ...]) -> Iterator[str]:
    for one in tried:
        took = "" if one.took_ms is None else f" after {one.took_ms:.1f} ms"
        place = (
            f"[{one.destination}]"
            if isinstance(one.destination, IPv6Address)
            else str(one.destination)
        )
        yield (
            f"at {one.after_ms:.1f} ms {story.four.comm} (pid {story.pid}) tried {one.family} "
            f"{place}:{one.port}: {_ended(one)}{took}"
        )
    for said in story.said:
        words = CODES.get(said.code, "not delivered")
        yield f"{said.source} said: {words} (ICMPv6 type 1 code {said.code})"
    yield from names
    for packet in story.late:
        since = (packet.time_ns - story.failed[0].time_ns) / 1e6
        yield f"[{packet.source}]:{packet.source_port} answered the SYN, {since:.1f} ms after it"
    for drop in story.drops:
        yield (
            f"dropped at {drop.interface} ({drop.owner}): [{drop.source}]:{drop.source_port} -> "
            f"[{drop.destination}]:{drop.destination_port}, {drop.packets} packets: {drop.reason} in "
            f"{drop.place}"
        )
    if story.why in (Why.NOT_ASKED, Why.AAAA_MISSING):
        yield f"others were told of {', '.join(map(str, story.six))} for AAAA {story.name}"


def _shown(evidence: Iterator[str]) -> tuple[str, ...]:
    pieces = list(dict.fromkeys(evidence))
    more = len(pieces) - SHOWN
    return (*pieces[:SHOWN], *((f"and {more} more",) if more > 0 else ()))
