"""DNS answers that the kernel saw reach pods, and what clients made of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from dataplane.checks.ground.asking import Q, identifier, turns
from dataplane.checks.ground.exchanges import SLACK_NS
from dataplane.checks.ground.places import DNS_PORT, Places
from dataplane.checks.ground.sights import Sights
from dataplane.checks.ground.way import REFUSALS
from dataplane.model.address import Address
from dataplane.model.stimulus import Outcome
from dataplane.model.topology import Point
from dataplane.model.view import View

NXDOMAIN = "NXDOMAIN"
UNANSWERED = REFUSALS | {"TIMEOUT"}
EMPTY = frozenset({None, "NODATA", "NOERROR"})
"""How an outcome names an answer that is no error, whether it has records or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """What became of one question: (pod, outcome) with an answer and without one, and doubts."""

    answered: tuple[tuple[str, Outcome], ...]
    silent: tuple[tuple[str, Outcome], ...]
    doubts: tuple[str, ...]


class Answers:
    """The DNS packets of a view: when answers reached which pod. `packets` counts the answers."""

    def __init__(self, view: View, sights: Sights) -> None:
        self._view, self._sights = view, sights
        self._places = Places(view.plan)
        self._times: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self.packets = 0
        for flow in view.evidence.flows:
            tap = view.taps.get(flow.tap)
            if tap and tap.point is Point.POD and not flow.leaving and flow.source_port == DNS_PORT:
                self._times[tap.owner].append((flow.first_ns, flow.last_ns))
                self.packets += flow.packets
        for packet in view.evidence.packets:
            if (
                packet.source_port == DNS_PORT
                and not packet.leaving
                and sights.point(packet) is Point.POD
            ):
                self._times[sights.owner(packet)].append((packet.time_ns, packet.time_ns))

    def replies(self, check: str, questions: Sequence[Q], question: Q) -> Replies:
        """Sort what the pods got whose turn a question of a check was: `questions` are all of it."""
        answered, silent, doubts = [], [], []
        for pod, asked in turns(self._view.plan, questions):
            if asked != question:
                continue
            called = identifier(check, pod.name, question)
            outcome = self._view.outcomes.get(called)
            if outcome is None:
                doubts.append(f"{called} was not carried out")
            elif outcome.error in UNANSWERED:
                silent.append((pod.name, outcome))
            elif self.heard(pod.name, outcome):
                answered.append((pod.name, outcome))
            else:
                doubts.append(f"{called}: no DNS answer was seen at {pod.name}")
        return Replies(answered=tuple(answered), silent=tuple(silent), doubts=tuple(doubts))

    def heard(self, pod: str, outcome: Outcome) -> bool:
        """Tell whether a DNS answer reached the pod while a client waited for one."""
        begin, end = outcome.started_ns - SLACK_NS, outcome.ended_ns + SLACK_NS
        return any(first <= end and last >= begin for first, last in self._times[pod])

    def withheld(self, pod: str, outcome: Outcome) -> bool:
        """Tell whether it was the resolver, and not the network, that left a query unanswered.

        So it is where the pod got other answers, and where its query got out of the node while
        answers to other packets came in.
        """
        return bool(self._times[pod]) or self._arrived(pod, outcome)

    def _arrived(self, pod: str, outcome: Outcome) -> bool:
        node = self._places.node_of(pod)
        begin, end = outcome.started_ns - SLACK_NS, outcome.ended_ns
        asked = came = False
        for packet in self._view.evidence.packets:
            at = self._sights.point(packet), self._sights.owner(packet)
            if at == (Point.UPLINK, node):
                if packet.leaving and packet.destination_port == DNS_PORT:
                    asked |= begin <= packet.time_ns <= end
                came |= not packet.leaving
        return asked and came


def addresses(outcome: Outcome) -> frozenset[Address]:
    """Return the addresses of an answer; the names of a CNAME chain are passed over."""
    found: set[Address] = set()
    for text in outcome.answers:
        try:
            found.add(ip_address(text))
        except ValueError:
            continue
    return frozenset(found)
