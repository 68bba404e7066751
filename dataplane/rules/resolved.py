"""Who asked for which name, and what was answered: DNS messages put in order, as a client sees them.

Questions and answers belong together by their name, type, identifier and the asking port (RFC 5452
section 3). An answer says something of a name, whoever asked (`told`).
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dataplane.model.address import Address
from dataplane.model.dns import DnsSeen

REMEMBERED_NS = 600_000_000_000
"""How long an answer says whose an address is: clients keep answers themselves for that long."""

EARLY_NS, LATE_NS = 1_000_000, 20_000_000
"""How far a question may be from the moment when its socket sent it: it passes two hooks on one CPU."""
SOCKET_NS = 15_000_000_000
"""How long a socket is asked through: clients take another one for the next question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of a pod, and its answer; None where none was seen."""

    question: DnsSeen
    answer: DnsSeen | None = None

    @property
    def failed(self) -> bool:
        """Tell whether the answer says that nobody knows: neither "there are" nor "there are none"."""
        return self.answer is not None and self.answer.rcode not in ("NOERROR", "NXDOMAIN")

    def __str__(self) -> str:
        """Say it in words."""
        asked = f"{self.question.type} {self.question.name} of {self.question.destination}"
        if self.answer is None:
            return f"{asked}: no answer"
        took = (self.answer.time_ns - self.question.time_ns) / 1e6
        told = ", ".join(map(str, self.answer.addresses))
        cut = "" if self.answer.whole else " (cut off)"
        said = told or self.answer.rcode
        empty = " with no record" if self.answer.rcode == "NOERROR" and not told else ""
        return f"{asked}: {said}{empty}{cut} after {took:.1f} ms"


class Names:
    """DNS as pods saw it. `owners` names the pods by their taps; what others saw is left out."""

    def __init__(self, messages: Iterable[DnsSeen], owners: Mapping[str, str]) -> None:
        self._asked: defaultdict[tuple[str, str], list[Asked]] = defaultdict(list)
        self._where: defaultdict[tuple[str, Address], list[tuple[int, str]]] = defaultdict(list)
        self._questions: defaultdict[str, list[DnsSeen]] = defaultdict(list)
        self._told: defaultdict[str, dict[Address, None]] = defaultdict(dict)
        waiting: dict[tuple[object, ...], tuple[tuple[str, str], int]] = {}
        for seen in sorted(messages, key=lambda message: message.time_ns):
            pod = owners.get(seen.tap)
            if pod is None or seen.leaving == seen.response:
                continue
            port = seen.destination_port if seen.response else seen.source_port
            key = (pod, seen.name, seen.type, seen.identifier, port)
            if not seen.response:
                questions = self._asked[pod, seen.name]
                waiting[key] = ((pod, seen.name), len(questions))
                questions.append(Asked(question=seen))
                self._questions[pod].append(seen)
                continue
            self._learn(pod, seen)
            if key in waiting:  # only the first answer counts, as with a resolver
                place, number = waiting.pop(key)
                self._asked[place][number] = replace(self._asked[place][number], answer=seen)

    def _learn(self, pod: str, answer: DnsSeen) -> None:
        for address in answer.addresses:
            self._where[pod, address].append((answer.time_ns, answer.name))
            self._told[answer.name][address] = None

    def of(self, pod: str, address: Address, time_ns: int) -> tuple[str, ...]:
        """Return the names that a pod was given an address for before that time, the latest first."""
        told = self._where.get((pod, address), [])
        behind = bisect_right(told, (time_ns, "\U0010ffff"))
        return tuple(
            dict.fromkeys(
                name for when, name in reversed(told[:behind]) if time_ns - when <= REMEMBERED_NS
            )
        )

    def asked(self, pod: str, name: str, type_: str, since: int, until: int) -> Iterator[Asked]:
        """Yield what a pod asked for a name between two times, and what was answered until then."""
        for asked in self._asked.get((pod, name), ()):
            if asked.question.type == type_ and since <= asked.question.time_ns <= until:
                late = asked.answer is not None and asked.answer.time_ns > until
                yield replace(asked, answer=None) if late else asked

    def asked_by(self, pod: str, resolver: Address, sent_ns: int) -> frozenset[str]:
        """Return the names that one socket asked for, which sent its first question at that time.

        The socket is known by the port of the question that passed next to that time; empty where none
        did. Both questions for a name, and those that repeat them, come from one port as a rule.
        """
        questions = self._questions.get(pod, [])
        first = bisect_left(questions, sent_ns - EARLY_NS, key=_time)
        last = bisect_right(questions, sent_ns + LATE_NS, key=_time)
        near = [one for one in questions[first:last] if one.destination == resolver]
        if not near:
            return frozenset()
        port = min(near, key=lambda one: abs(one.time_ns - sent_ns)).source_port
        until = bisect_right(questions, sent_ns + SOCKET_NS, key=_time)
        return frozenset(one.name for one in questions[first:until] if one.source_port == port)

    def told(self, name: str, version: int) -> tuple[Address, ...]:
        """Return the addresses of a version of IP that anybody was told for a name."""
        return tuple(a for a in self._told.get(name, ()) if a.version == version)


def _time(seen: DnsSeen) -> int:
    return seen.time_ns
