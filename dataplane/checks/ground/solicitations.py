"""What became of a neighbour that was asked for: solicitations, advertisements, table entries."""

from dataclasses import dataclass, field

from dataplane.model.seen import NeighbourSeen, NeighbourState

MAX_MULTICAST_SOLICIT = 3  # RFC 4861 section 10
CONFIRMED_NS = 15_000_000_000
"""Nobody asks again so soon who took an answer: REACHABLE_TIME times MIN_RANDOM_FACTOR (section 10)."""
UNRESOLVED = frozenset({NeighbourState.FAILED, NeighbourState.INCOMPLETE})


@dataclass(slots=True)
class Account:
    """What is known of one neighbour of one owner: who asks on the link, and what came back."""

    asked: int = 0
    answered: int = 0
    waiting: int = 0  # solicitations since the last advertisement
    most: int = 0  # the most of them in a row
    repeated: int = 0  # solicitations in a row that came soon after an advertisement
    deaf: int = 0  # the most of them in a row
    last_ns: int | None = None  # when the last advertisement came
    states: list[NeighbourSeen] = field(default_factory=list)

    def ask(self, time_ns: int) -> None:
        """Count a solicitation."""
        self.asked += 1
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        soon = self.last_ns is not None and time_ns - self.last_ns < CONFIRMED_NS
        self.repeated = self.repeated + 1 if soon else 0
        self.deaf = max(self.deaf, self.repeated)

    def answer(self, time_ns: int) -> None:
        """Count an advertisement: it answers everything before it (RFC 4861 section 7.2.5)."""
        self.answered += 1
        self.waiting = 0
        self.last_ns = time_ns

    @property
    def failed(self) -> bool:
        """Tell whether the neighbour was given up."""
        given_up = any(seen.state is NeighbourState.FAILED for seen in self.states)
        return given_up or max(self.most, self.deaf) >= MAX_MULTICAST_SOLICIT

    @property
    def unknown(self) -> bool:
        """Tell whether the neighbour was still being asked for when nobody looked any more."""
        return self.waiting > 0 or any(seen.state in UNRESOLVED for seen in self.states)
