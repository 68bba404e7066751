"""Answers from evidence, under the one invariant of this project: nothing seen is never "holds".

A check says what it found and what it doubts; whether that may be called "holds" is decided here,
once for all checks: by what was looked at, and by the books of the probes the check rests on.
"""

from collections.abc import Iterable, Sequence

from dataplane.model.answer import Answer, Finding, Judgement, NotApplicable, State
from dataplane.model.evidence import Evidence
from dataplane.model.problem import Severity
from dataplane.model.seen import ProbeReport
from dataplane.model.topology import Tap
from dataplane.model.view import Check, Sight
from dataplane.verify.view import views

NO_PLAN = "the recording has no plan (no manifest was at hand), so nothing is promised to judge by"
NO_PROBES = "no probe was attached: the kernel gave no evidence"
NOTHING_SEEN = "the kernel gave no evidence that bears on this"
SHOWN = 3


def judge(
    evidence: Evidence, checks: Iterable[Check]
) -> tuple[tuple[Answer, ...], tuple[NotApplicable, ...]]:
    """Judge a recording: one answer per check that applies to its plan, in the order of `checks`."""
    plan = evidence.header.plan
    given = tuple(checks)
    if plan is None:
        answers = tuple(
            Answer(check=check.name, state=State.UNKNOWN, looked_at=0, reason=NO_PLAN)
            for check in given
        )
        return answers, ()
    reasons = {check.name: check.applies(plan) for check in given}
    applicable = tuple(check for check in given if reasons[check.name] is None)
    shown = views(plan, evidence, applicable)
    return (
        tuple(_answer(check, check.judge(shown[check.name]), evidence) for check in applicable),
        tuple(
            NotApplicable(check=name, reason=reason)
            for name, reason in reasons.items()
            if reason is not None
        ),
    )


def exit_code(answers: Iterable[Answer]) -> int:
    """Return 1 when anything is broken, else 3 when anything is unknown, else 0."""
    states = {answer.state for answer in answers}
    if State.BROKEN in states:
        return 1
    return 3 if State.UNKNOWN in states else 0


def lost_events(evidence: Evidence) -> int:
    """Return how many events did not fit a buffer, over all probes."""
    return sum(report.lost for report in evidence.reports)


def gaps(check: Check, evidence: Evidence) -> tuple[str, ...]:
    """Return where the probes that a check rests on could not see, lost or threw away something."""
    if not check.rests_on:
        return tuple(gap for report in evidence.reports for gap in _gaps_in(report))
    return tuple(
        gap for sight in check.rests_on for gap in _gaps_of(sight, evidence.header.taps, evidence)
    )


def _gaps_of(sight: Sight, taps: Sequence[Tap], evidence: Evidence) -> tuple[str, ...]:
    """Return the gaps of one probe at one point, places without any report among them."""
    reports = [report for report in evidence.reports if report.probe == sight.probe]
    if sight.point is None:
        if not reports:
            return (f"{sight.probe}: not attached",)
        return tuple(gap for report in reports for gap in _gaps_in(report))
    places = {tap.name for tap in taps if tap.point is sight.point}
    watched = {report.where for report in reports}
    unwatched = tuple(
        f"{sight.probe}: {place} was not watched" for place in sorted(places - watched)
    )
    seen = tuple(gap for report in reports if report.where in places for gap in _gaps_in(report))
    return unwatched + seen


def _gaps_in(report: ProbeReport) -> tuple[str, ...]:
    """Return what one report admits."""
    name = f"{report.probe} at {report.where}"
    admitted = (
        f"{name} is blind: {report.blind}" if report.blind else "",
        f"{name} lost {report.lost} events" if report.lost else "",
        f"{name} evicted {report.evicted} entries of a full table" if report.evicted else "",
    )
    return tuple(gap for gap in admitted if gap)


def _answer(check: Check, judgement: Judgement, evidence: Evidence) -> Answer:
    """Put the invariants over what a check made of the evidence."""
    state, reason = _state(check, judgement, evidence)
    return Answer(
        check=check.name,
        state=state,
        looked_at=judgement.looked_at,
        reason=reason,
        findings=judgement.findings,
    )


def _state(check: Check, judgement: Judgement, evidence: Evidence) -> tuple[State, str]:
    errors = [f for f in judgement.findings if f.severity is Severity.ERROR]
    if errors:
        return State.BROKEN, _blame(errors)
    if not evidence.reports:
        return State.UNKNOWN, NO_PROBES
    missing = () if judgement.looked_at else (NOTHING_SEEN,)
    reasons = tuple(dict.fromkeys(missing + judgement.doubts + gaps(check, evidence)))
    if reasons:
        return State.UNKNOWN, _listed(reasons)
    return State.HOLDS, ""


def _blame(findings: Sequence[Finding]) -> str:
    subjects = tuple(dict.fromkeys(finding.subject for finding in findings))
    noun = "finding" if len(findings) == 1 else "findings"
    return f"{len(findings)} {noun}: {_listed(subjects, ', ')}"


def _listed(parts: Sequence[str], separator: str = "; ") -> str:
    """Return the first few parts, and how many there are beyond them."""
    more = len(parts) - SHOWN
    tail = (f"and {more} more",) if more > 0 else ()
    return separator.join((*parts[:SHOWN], *tail))
