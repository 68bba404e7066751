"""Forensics of fallbacks: attempts, DNS answers, drops and packets of a node joined into one story each.

A fallback is an attempt over IPv4 that succeeded, of a process that tried IPv6 to the same name
before and failed (RFC 8305 has clients do it in silence), or that did not try it at all. A name that has A records
only is no fallback, unless the cluster has IPv6 alone; neither is anything in a pod that has none.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Network

from dataplane.model.address import Address, Family
from dataplane.model.dns import DnsSeen
from dataplane.model.fallback import FailureSeen, Fallback, UnreachableSeen, Why
from dataplane.model.seen import ConnectResult, ConnectSeen, DropSeen, PacketKind, PacketSeen
from dataplane.rules.fallbackstory import Story, tell
from dataplane.rules.fallbackwords import FORBIDDEN, PORT, UNREACHABLE, WAYLESS, error_name
from dataplane.rules.resolved import Names

JOIN_NS = 150_000_000_000
"""How long after an IPv6 attempt an IPv4 attempt still belongs to it: a client that waits for the
kernel to give a SYN up waits for 131 s (tcp_syn_retries, ip-sysctl.rst)."""
GUESS_NS = 10_000_000_000
"""The same where no DNS answer says that both addresses are one host's."""
ASKING_NS = 15_000_000_000
"""How long before the answer that gave the IPv4 address its twin may have been asked for."""
AROUND_NS = 10_000_000_000
"""How long after an attempt its packets may still be dropped, or answered."""
BEFORE = 200
"""How many IPv6 attempts of one process to one port are looked back at."""
TCP, DNS_PORT = 6, 53
UNIQUE_LOCAL = IPv6Network("fc00::/7")  # RFC 4193 section 3.1
REACHED = frozenset({ConnectResult.ESTABLISHED, ConnectResult.SENT})
NO_LOSS = ("NO_SOCKET", "TCP_", "SOCKET_", "SKB_CONSUMED", "UDP_")  # somebody took it, and refused
REFUSED = "ECONNREFUSED"
NEIGHBOUR_PLACES = ("ndisc_error_report", "neigh_invalidate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sights:
    """What was seen of a node's pods for a while, in any order.

    `owners` names the pods by their taps. `addresses` are those that pods were given or sent from.
    `families` are the cluster's where somebody vouches for them, else None: then a pod has IPv6 if
    it has an address of it. `ways` are the errors (names of errno) that the kernel of a pod gives for
    an address, "" where it has a way there. Only attempts over IPv4 that succeeded after `since_ns` are
    judged.
    """

    attempts: Sequence[ConnectSeen] = ()
    failures: Sequence[FailureSeen] = ()
    names: Sequence[DnsSeen] = ()
    drops: Sequence[DropSeen] = ()
    packets: Sequence[PacketSeen] = ()
    unreachable: Sequence[UnreachableSeen] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, Collection[Address]] = field(default_factory=dict)
    families: tuple[Family, ...] | None = None
    ways: Mapping[tuple[str, Address], str] = field(default_factory=dict)
    since_ns: int = 0


@dataclass(slots=True, kw_only=True)
class _Case:
    """An attempt over IPv4 that succeeded, and those over IPv6 to the same name that went before."""

    name: str
    four: ConnectSeen
    guessed: bool  # nobody told a name for one of them: they may be two hosts
    tried: list[ConnectSeen] = field(default_factory=list)


def fallbacks(sights: Sights) -> Iterator[Fallback]:
    """Yield one fallback per process and name, in the order in which IPv4 took over."""
    bench = _Bench(sights)
    found = []
    for pod, pid, cases in bench.processes():
        told = (bench.judge(pod, pid, case) for case in cases)
        if (first := next((one for one in told if one is not None), None)) is not None:
            found.append(first)
    yield from sorted(found, key=lambda fallback: (fallback.time_ns, fallback.pod, fallback.name))


class _Bench:
    def __init__(self, sights: Sights) -> None:
        self.sights = sights
        self.names = Names(sights.names, sights.owners)
        self.mine: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self.failures: defaultdict[int, list[FailureSeen]] = defaultdict(list)
        for failure in sorted(sights.failures, key=lambda failure: failure.time_ns):
            self.failures[failure.socket_cookie].append(failure)
        self.drops: defaultdict[tuple[Address, int], list[DropSeen]] = defaultdict(list)
        for drop in sights.drops:
            if not drop.reason.startswith(NO_LOSS):
                self.drops[drop.destination, drop.destination_port].append(drop)
                self.drops[drop.source, drop.source_port].append(drop)
        self.answers: defaultdict[tuple[Address, int], list[PacketSeen]] = defaultdict(list)
        for packet in sights.packets:
            if packet.packet is PacketKind.TCP_SYN_ACK and not packet.leaving:
                self.answers[packet.source, packet.source_port].append(packet)
        self.said: defaultdict[tuple[Address, int], list[UnreachableSeen]] = defaultdict(list)
        for said in sights.unreachable:
            if not said.leaving:
                self.said[said.refused.destination, said.refused.destination_port].append(said)

    def processes(self) -> Iterator[tuple[str, int, list[_Case]]]:
        """Yield the pod, the process and its attempts over IPv4 to one name, in their order."""
        processes: defaultdict[tuple[str, int], list[ConnectSeen]] = defaultdict(list)
        for seen in sorted(self.sights.attempts, key=lambda attempt: attempt.time_ns):
            if seen.owner is None or not self._has_six(seen.owner):
                continue
            if seen.port == DNS_PORT and seen.result is ConnectResult.SENT:
                mine = self.names.asked_by(seen.owner, seen.destination, _end(seen))
                self.mine[seen.owner, seen.pid] |= mine
            if not _counts(seen):
                continue
            processes[seen.owner, seen.pid].append(seen)
        for (pod, pid), attempts in processes.items():
            cases: defaultdict[str, list[_Case]] = defaultdict(list)
            six: defaultdict[tuple[int, int], list[ConnectSeen]] = defaultdict(list)
            for seen in attempts:
                beside = six[seen.port, seen.protocol]
                if seen.family is Family.IPV6:
                    beside.append(seen)
                elif seen.result in REACHED and _end(seen) > self.sights.since_ns:
                    self._join(pod, seen, beside[-BEFORE:], cases)
            for of_name in cases.values():
                yield pod, pid, of_name

    def _join(
        self,
        pod: str,
        four: ConnectSeen,
        before: Sequence[ConnectSeen],
        cases: defaultdict[str, list[_Case]],
    ) -> None:
        """Put an IPv4 attempt to the case of its name, with the IPv6 attempts before it."""
        names = self.names.of(pod, four.destination, four.time_ns)
        # names share addresses: where the process' own questions are known, others' do not count
        mine = self.mine[pod, four.pid]
        names = tuple(name for name in names if name in mine) or names
        six = [
            (seen, self.names.of(pod, seen.destination, seen.time_ns))
            for seen in before
            if four.time_ns - seen.time_ns <= JOIN_NS
        ]
        name = next((n for n in names if any(n in told for _, told in six)), None)
        if name is not None:
            tried = [seen for seen, told in six if name in told]
        else:
            tried = [
                seen
                for seen, told in six
                if four.time_ns - seen.time_ns <= GUESS_NS and self._may_be_one(names, told)
            ]
        case = _Case(name=name or next(iter(names), ""), four=four, guessed=name is None)
        case.tried = tried
        if tried or names:  # else it is an address that somebody has written down
            cases[case.name].append(case)

    def _may_be_one(self, four: Sequence[str], six: Sequence[str]) -> bool:
        """Tell whether two addresses may be one host's, as far as their names are known."""
        if four and six:
            return False
        return not any(self.names.told(n, 6) for n in four) and not any(
            self.names.told(n, 4) for n in six
        )

    def judge(self, pod: str, pid: int, case: _Case) -> Fallback | None:
        """Say why IPv4 was taken, None where that is as it should be."""
        four, failed = case.four, self._failed(pod, case)
        if failed:
            why: Why | None = self._why(pod, failed, four)
        else:
            why = None if case.tried else self._untried(pod, case.name, four)
        if why is None:
            return None
        since = self._answered(pod, case.name, four) - ASKING_NS
        return tell(
            Story(
                pod=pod,
                pid=pid,
                name=case.name,
                why=why,
                four=four,
                failed=tuple(failed),
                errors={id(seen): self._error(seen) for seen in (*failed, four)},
                asked=tuple(
                    one
                    for type_ in ("A", "AAAA")
                    for one in self.names.asked(pod, case.name, type_, since, four.time_ns)
                ),
                six=self.names.told(case.name, 6),
                drops=tuple(drop for seen in failed for drop in self._dropped(pod, seen)),
                late=tuple(p for seen in failed if (p := self._late(pod, seen)) is not None),
                said=tuple(said for seen in failed for said in self._said(pod, seen)),
                guessed=case.guessed and bool(failed),
            )
        )

    def _failed(self, pod: str, case: _Case) -> list[ConnectSeen]:
        """Return the IPv6 attempts that failed since the last one that did not."""
        failed: list[ConnectSeen] = []
        for seen in case.tried:
            if self._lost(pod, seen, case.four):
                failed.append(seen)
            else:
                failed.clear()
        return failed

    def _lost(self, pod: str, seen: ConnectSeen, four: ConnectSeen) -> bool:
        """Tell whether an IPv6 attempt came to nothing before IPv4 was there."""
        if seen.result is ConnectResult.SENT:
            return False
        if seen.result is not ConnectResult.ESTABLISHED:
            return True
        if self._stuck(pod, seen):
            return True
        return _end(seen) > _end(four)

    def _why(self, pod: str, failed: Sequence[ConnectSeen], four: ConnectSeen) -> Why:
        """Return the cause of the first attempt that has one better than silence."""
        causes = [self._cause(pod, seen, four) for seen in failed]
        return next((why for why in causes if why is not Why.BLACK_HOLE), Why.BLACK_HOLE)

    def _cause(self, pod: str, seen: ConnectSeen, four: ConnectSeen) -> Why:
        if self._stuck(pod, seen):
            return Why.TOO_BIG
        if any(_neighbour(drop) for drop in self._dropped(pod, seen)):
            return Why.NEIGHBOUR
        error = self._error(seen)
        if seen.result is ConnectResult.UNSENT:
            error = error or self.sights.ways.get((pod, seen.destination), "")
            return Why.PROHIBITED if error in FORBIDDEN else Why.NO_ROUTE
        said = [one for one in self._said(pod, seen) if one.code != PORT]
        if error in UNREACHABLE or said:
            return Why.UNREACHABLE
        if any(self._said(pod, seen)) or error == REFUSED or seen.result is ConnectResult.REFUSED:
            return Why.REFUSED
        late = seen.result is ConnectResult.ESTABLISHED or self._late(pod, seen) is not None
        return Why.RACE_LOST if late and seen.time_ns < four.time_ns else Why.BLACK_HOLE

    def _untried(self, pod: str, name: str, four: ConnectSeen) -> Why | None:
        """Say why no IPv6 attempt was made to a name that IPv4 was used for."""
        since, until = self._answered(pod, name, four) - ASKING_NS, four.time_ns
        asked = list(self.names.asked(pod, name, "AAAA", since, until))
        elsewhere = self.names.told(name, 6)
        if not asked:
            return Why.NOT_ASKED if elsewhere else None
        answers = [one.answer for one in asked if one.answer is not None and not one.failed]
        if any(answer.addresses for answer in answers):
            return self._spurned(pod, name)
        if any(answer.rcode == "NXDOMAIN" for answer in answers):
            return Why.AAAA_DENIED
        if any(not answer.whole for answer in answers):
            return None  # it is asked for again over TCP, which is not seen
        if answers:
            alone = self.sights.families == (Family.IPV6,)
            return Why.AAAA_MISSING if elsewhere else Why.IPV4_ONLY if alone else None
        return Why.AAAA_FAILED if any(one.failed for one in asked) else Why.AAAA_UNANSWERED

    def _spurned(self, pod: str, name: str) -> Why:
        """Say why IPv6 addresses that were there were not tried.

        Who sorts addresses (RFC 6724) leaves out those that there is no way to: the pod's kernel says
        so to whoever asks.
        """
        six = self.names.told(name, 6)
        lacking = {self.sights.ways.get((pod, address), "") for address in six}
        if lacking <= FORBIDDEN:
            return Why.PROHIBITED
        if lacking <= FORBIDDEN | WAYLESS:
            return Why.NO_ROUTE
        own = [a for a in self.sights.addresses.get(pod, ()) if a.version == 6]
        local = bool(own) and all(address in UNIQUE_LOCAL for address in own)
        if local and not any(address in UNIQUE_LOCAL for address in six):
            return Why.SORTED_LAST
        return Why.NOT_TRIED

    def _answered(self, pod: str, name: str, four: ConnectSeen) -> int:
        """Return when the IPv4 address was told for the last time before it was used."""
        told = [
            asked.answer.time_ns
            for asked in self.names.asked(pod, name, "A", 0, four.time_ns)
            if asked.answer is not None and four.destination in asked.answer.addresses
        ]
        return max(told, default=four.time_ns)

    def _error(self, seen: ConnectSeen) -> str:
        """Return the errno of an attempt, that of its socket which came next after it began."""
        failures = self.failures.get(seen.socket_cookie, ())
        return error_name(next((f.errno for f in failures if f.time_ns >= seen.time_ns), None))

    def _has_six(self, pod: str) -> bool:
        if self.sights.families is not None:
            return Family.IPV6 in self.sights.families
        return any(address.version == 6 for address in self.sights.addresses.get(pod, ()))

    def _stuck(self, pod: str, seen: ConnectSeen) -> bool:
        return any(drop.reason == "PKT_TOO_BIG" for drop in self._dropped(pod, seen))

    def _dropped(self, pod: str, seen: ConnectSeen) -> Iterator[DropSeen]:
        """Yield the drops of packets between a pod and the destination of an attempt, about its time."""
        own = self.sights.addresses.get(pod, ())
        for drop in self.drops.get((seen.destination, seen.port), ()):
            theirs = drop.source if drop.destination == seen.destination else drop.destination
            about = drop.last_ns >= seen.time_ns and drop.first_ns <= seen.time_ns + AROUND_NS
            if about and (drop.owner == pod or theirs in own):
                yield drop

    def _said(self, pod: str, seen: ConnectSeen) -> Iterator[UnreachableSeen]:
        """Yield what was said of an attempt's packets, also to a socket that had no time to listen."""
        for said in self.said.get((seen.destination, seen.port), ()):
            if self._about(pod, seen, said):
                yield said

    def _late(self, pod: str, seen: ConnectSeen) -> PacketSeen | None:
        """Return the answer to a SYN that came all the same."""
        answers = self.answers.get((seen.destination, seen.port), ())
        return next((packet for packet in answers if self._about(pod, seen, packet)), None)

    def _about(self, pod: str, seen: ConnectSeen, told: PacketSeen | UnreachableSeen) -> bool:
        """Tell whether a packet came to a pod soon after an attempt."""
        mine = self.sights.owners.get(told.tap) == pod
        return mine and 0 <= told.time_ns - seen.time_ns <= AROUND_NS


def _end(seen: ConnectSeen) -> int:
    return seen.time_ns + (seen.latency_ns or 0)


def _neighbour(drop: DropSeen) -> bool:
    return drop.reason.startswith("NEIGH_") or drop.place in NEIGHBOUR_PLACES


def _counts(seen: ConnectSeen) -> bool:
    """Tell whether an attempt is made to carry something to somebody else, and not to a resolver.

    Who sorts addresses (RFC 6724) connects a datagram socket to each, and sends nothing.
    """
    if seen.protocol != TCP and seen.result is not ConnectResult.SENT:
        return False
    address = seen.destination
    nowhere = address.is_loopback or address.is_unspecified or address.is_multicast
    return not nowhere and not address.is_link_local and seen.port != DNS_PORT
