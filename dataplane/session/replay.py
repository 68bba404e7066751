"""Judging a recording again: the same code as in a run, without a lab and without root."""

from dataplane.model.answer import RunResult
from dataplane.model.evidence import Evidence
from dataplane.model.view import Check
from dataplane.verify import judge


def rejudge(evidence: Evidence, by: tuple[Check, ...]) -> RunResult:
    """Return the result that this evidence leads to; nothing is expected of a recording."""
    answers, not_applicable = judge(evidence, by)
    return RunResult(
        scenario=evidence.header.scenario,
        engine=evidence.header.engine,
        answers=answers,
        not_applicable=not_applicable,
        lost_events=sum(report.lost for report in evidence.reports),
    )
