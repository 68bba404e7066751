"""What a check is shown: the plan and the evidence, with every packet's way already pieced together."""

from collections.abc import Callable
from dataclasses import dataclass

from dataplane.model.answer import Judgement
from dataplane.model.evidence import Evidence
from dataplane.model.plan import Plan
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Outcome, Stimulus
from dataplane.model.topology import Point, Tap


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One packet on its way, recognised by its stamp; `hops` in the order of time.

    `ambiguous` journeys had the same stamp in two flows at one tap at once: no verdict.
    """

    stamp: int
    hops: tuple[PacketSeen, ...]
    ambiguous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Evidence with look-ups. `taps` is by name; `stimuli` and `outcomes` are the check's own."""

    plan: Plan
    evidence: Evidence
    taps: dict[str, Tap]
    journeys: tuple[Journey, ...]
    stimuli: tuple[Stimulus, ...]
    outcomes: dict[str, Outcome]

    def at(self, point: Point) -> tuple[Tap, ...]:
        """Return the taps that lie at that point."""
        return tuple(tap for tap in self.taps.values() if tap.point is point)

    def blind(self, *points: Point) -> tuple[str, ...]:
        """Return why the probes at these points cannot be trusted; empty when they can."""
        names = {tap.name for tap in self.taps.values() if tap.point in points}
        return tuple(
            f"{report.where}: {report.blind}"
            for report in self.evidence.reports
            if report.blind and report.where in names
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A probe at a point of the way; `point` None is a probe without taps (`connects`)."""

    probe: str
    point: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check: what it needs done, and how it judges what was seen.

    `applies` returns None, or why this plan gives the check nothing to do. `judge` must not look
    at anything but the view. `rests_on` names the sights that must have been without a gap for
    the answer "holds"; empty means every probe at every point.
    """

    name: str
    title: str
    doc: str
    applies: Callable[[Plan], str | None]
    stimuli: Callable[[Plan], tuple[Stimulus, ...]]
    judge: Callable[[View], Judgement]
    rests_on: tuple[Sight, ...] = ()
