"""How good the checks are: what they find of what was put in, and what they claim that is not so.

A trial is one run of one scenario with one seed; its expectations say which checks have something
to find. Of these a check's detection rate is the share of trials in which it answered as expected,
subjects included. Where it is expected to hold, everything it calls broken, and every finding of
severity error, is a false positive. `unknown` is neither, and is counted.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dataplane.model.answer import Answer, Expectation, RunResult, State
from dataplane.model.problem import Severity
from dataplane.verify.expectations import HOLDS

PHASES = ("drive", "read", "judge")  # from the first stimulus to the verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one check said in one trial. `expected` is its state by the scenario."""

    check: str
    expected: State
    state: State
    met: bool
    errors: int

    @property
    def false_positive(self) -> bool:
        """Tell whether it claims a fault that nobody put in."""
        return self.expected is State.HOLDS and (self.state is State.BROKEN or self.errors > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run: which scenario, which seed, and what every check said after `seconds`.

    `failure` is set, and `verdicts` is empty, where the lab itself failed.
    """

    scenario: str
    seed: int
    faults: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    seconds: float = 0.0
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """One check's figures. `faulted` and `sound` count the trials in which it should find, or hold.

    `detection` is `detected` by `faulted`, `false_positives` is `false_alarms` by `sound`, None
    where there were no such trials. Seconds are those from the first stimulus to the verdict, over
    the trials in which it found what was there.
    """

    check: str
    faulted: int
    detected: int
    detection: float | None
    sound: int
    false_alarms: int
    false_positives: float | None
    unknown: int
    seconds_median: float | None = None
    seconds_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """One fault against every check: in how many of its trials each one answered `broken`."""

    fault: str
    trials: int
    broken: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is committed of a grade, and what a later one may not fall behind."""

    detection: float | None = None
    false_positives: float | None = None


def trial(scenario: str, seed: int, faults: tuple[str, ...], result: RunResult) -> Trial:
    """Return the trial that a run of a scenario was."""
    expected = result.expected or {}
    return Trial(
        scenario=scenario,
        seed=seed,
        faults=faults,
        verdicts=tuple(_verdict(a, expected.get(a.check, HOLDS)) for a in result.answers),
        seconds=round(sum(result.timings.get(phase, 0.0) for phase in PHASES), 3),
    )


def _verdict(answer: Answer, expected: Expectation) -> Verdict:
    return Verdict(
        check=answer.check,
        expected=expected.state,
        state=answer.state,
        met=expected.met_by(answer),
        errors=sum(finding.severity is Severity.ERROR for finding in answer.findings),
    )


def grades(trials: Iterable[Trial]) -> tuple[Grade, ...]:
    """Return every check's grade, in the order of their names."""
    said: dict[str, list[tuple[Verdict, float]]] = {}
    for one in trials:
        for verdict in one.verdicts:
            said.setdefault(verdict.check, []).append((verdict, one.seconds))
    return tuple(_grade(check, verdicts) for check, verdicts in sorted(said.items()))


def _grade(check: str, said: list[tuple[Verdict, float]]) -> Grade:
    faulted = [(v, seconds) for v, seconds in said if v.expected is State.BROKEN]
    sound = [v for v, _ in said if v.expected is State.HOLDS]
    found = [seconds for v, seconds in faulted if v.met]
    alarms = sum(v.false_positive for v in sound)
    return Grade(
        check=check,
        faulted=len(faulted),
        detected=len(found),
        detection=len(found) / len(faulted) if faulted else None,
        sound=len(sound),
        false_alarms=alarms,
        false_positives=alarms / len(sound) if sound else None,
        unknown=sum(v.state is State.UNKNOWN and v.expected is not State.UNKNOWN for v, _ in said),
        seconds_median=round(statistics.median(found), 3) if found else None,
        seconds_most=max(found, default=None),
    )


def fault_rows(trials: Iterable[Trial]) -> tuple[FaultRow, ...]:
    """Return every fault that had trials, against every check that answered `broken` in them."""
    of: dict[str, list[Trial]] = {}
    for one in trials:
        for fault in one.faults:
            of.setdefault(fault, []).append(one)
    return tuple(
        FaultRow(
            fault=fault,
            trials=len(having),
            broken=dict(
                sorted(
                    Counter(
                        v.check for t in having for v in t.verdicts if v.state is State.BROKEN
                    ).items()
                )
            ),
        )
        for fault, having in sorted(of.items())
    )


def dropped(given: Iterable[Grade], marks: Mapping[str, Mark]) -> tuple[str, ...]:
    """Say which check has fallen behind its mark, and in what; nothing when none has."""
    by_name = {grade.check: grade for grade in given}
    words = []
    for check, mark in sorted(marks.items()):
        grade = by_name.get(check)
        if grade is None:
            words.append(f"{check}: has a mark, but was in no trial")
            continue
        detection, false_positives = grade.detection, grade.false_positives
        if mark.detection is not None and (detection is None or detection < mark.detection):
            words.append(f"{check}: detection {_share(detection)}, was {_share(mark.detection)}")
        if mark.false_positives is not None and (
            false_positives is None or false_positives > mark.false_positives
        ):
            was = _share(mark.false_positives)
            words.append(f"{check}: false positives {_share(false_positives)}, was {was}")
    return tuple(words)


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def marks(given: Iterable[Grade]) -> dict[str, Mark]:
    """Return what to commit of these grades."""
    return {
        grade.check: Mark(detection=grade.detection, false_positives=grade.false_positives)
        for grade in given
    }
