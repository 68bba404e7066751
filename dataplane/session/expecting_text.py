"""What a node is judged by, and its answers, as lines for a terminal."""

from collections.abc import Iterator

from dataplane.model.answer import Finding
from dataplane.reports.text import MARKS, SHOWN
from dataplane.session.expecting import Contradiction, Judged, Promise


def lines(told: Promise | Contradiction | Judged) -> Iterator[str]:
    """Yield one line, of an answer one more for every side of its findings; not yet printable."""
    match told:
        case Promise():
            yield _promise(told)
        case Contradiction():
            yield f"against {told.words}"
        case Judged():
            yield from _answer(told)


def _promise(told: Promise) -> str:
    name = told.name.replace("_", " ")
    if told.missing:
        return f"expect  {name}: unknown; {told.missing}"
    return f"expect  {name}: {', '.join(told.value) or 'none'} ({told.source}: {told.where})"


def _answer(told: Judged) -> Iterator[str]:
    state = "-" if told.state is None else MARKS[told.state]
    reason = f"; {told.reason}" if told.reason else ""
    yield f"answer  {told.check:<22} {state:<8} {told.looked_at} looked at{reason}"
    for finding in told.findings:
        yield from sides(finding)


def sides(finding: Finding) -> Iterator[str]:
    """Yield a line for every side of a finding."""
    yield f"        {finding.severity}: {finding.subject}: {finding.cause}"
    for noun in ("expected", "seen", "remedy"):
        yield f"          {noun:<9} {getattr(finding, noun)}"
    for piece in finding.evidence[:SHOWN]:
        yield f"          evidence  {piece}"
