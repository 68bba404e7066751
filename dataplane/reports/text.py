"""The run for a person at a terminal: one line per check, and below each what was found."""

import textwrap
from collections.abc import Iterable, Iterator

from dataplane.model.answer import Answer, Finding, RunResult, State
from dataplane.model.problem import Severity
from dataplane.reports import printable

MARKS = {State.HOLDS: "holds", State.BROKEN: "BROKEN", State.UNKNOWN: "unknown"}
COLOURS = {State.HOLDS: "32", State.BROKEN: "1;31", State.UNKNOWN: "33"}
SEVERITIES = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
DIM, BOLD = "2", "1"
LEAST_WIDTH = 60
WIDEST_NAME = 24
SHOWN = 4  # pieces of evidence of one finding
NOUNS = ("cause", "expected", "seen", "remedy")


def render(result: RunResult, *, colour: bool = False, width: int = 100) -> str:
    """Return the report, ending in a newline; `colour` adds ANSI sequences.

    `width` is in columns, and 60 at least; a single long word may exceed it.
    """
    page = _Page(colour=colour, width=max(width, LEAST_WIDTH))
    return "\n".join(page.lines(result)) + "\n"


class _Page:
    def __init__(self, *, colour: bool, width: int) -> None:
        self.colour, self.width = colour, width

    def lines(self, result: RunResult) -> Iterator[str]:
        """Yield the whole report."""
        title = f"{printable(result.scenario)}  (engine {printable(result.engine)})"
        yield self._paint(title, BOLD)
        yield ""
        names = [a.check for a in result.answers] + [n.check for n in result.not_applicable]
        widest = max((len(printable(name)) for name in names), default=0)
        column = min(widest, WIDEST_NAME) + 2
        for answer in result.answers:
            yield from self._answer(answer, column)
        for absent in result.not_applicable:
            head = f"  {printable(absent.check):{column}}{'-':9}"
            yield from self._wrapped(head, f"not applicable: {absent.reason}", DIM)
        yield ""
        yield from self._summary(result)

    def _answer(self, answer: Answer, column: int) -> Iterator[str]:
        mark = self._paint(f"{MARKS[answer.state]:9}", COLOURS[answer.state])
        looked = f"{answer.looked_at} looked at"
        head = f"  {printable(answer.check):{column}}{mark}"
        indent = column + 11
        text = f"{looked}; {answer.reason}" if answer.reason else looked
        yield from self._hanging(head, text, indent)
        for finding in answer.findings:
            yield ""
            yield from self._finding(finding)
        if answer.findings:
            yield ""

    def _finding(self, finding: Finding) -> Iterator[str]:
        severity = self._paint(finding.severity.value, SEVERITIES[finding.severity])
        subject = self._paint(printable(finding.subject), BOLD)
        yield f"    {severity}: {subject}"
        for noun in NOUNS:
            yield from self._hanging(f"      {noun:10}", getattr(finding, noun), 16)
        for number, piece in enumerate(finding.evidence[:SHOWN]):
            yield from self._hanging(f"      {'evidence' if number == 0 else '':10}", piece, 16)
        if len(finding.evidence) > SHOWN:
            yield f"{'':16}and {len(finding.evidence) - SHOWN} more (all of them with -o json)"

    def _summary(self, result: RunResult) -> Iterator[str]:
        counts = {state: sum(a.state is state for a in result.answers) for state in State}
        parts = [
            self._paint(f"{counts[state]} {state}", COLOURS[state])
            for state in (State.BROKEN, State.UNKNOWN, State.HOLDS)
            if counts[state]
        ]
        if result.not_applicable:
            parts.append(f"{len(result.not_applicable)} not applicable")
        yield "  " + (", ".join(parts) or "no check was made")
        if result.lost_events:
            yield self._paint(f"  {result.lost_events} events were lost by the probes", "33")
        if result.met is not None:
            verdict = ("as expected", "32") if result.met else ("NOT as expected", "1;31")
            yield f"  the answers are {self._paint(*verdict)}"
            yield from self._unmet(result)
        if result.timings:
            phases = ", ".join(
                f"{name} {seconds:.2f} s" for name, seconds in result.timings.items()
            )
            yield from self._wrapped("  ", phases, DIM)

    def _unmet(self, result: RunResult) -> Iterator[str]:
        """Yield what was expected where something else was answered."""
        given = {answer.check: answer for answer in result.answers}
        wanted = result.expected if result.expected is not None and not result.met else {}
        for name, expectation in wanted.items():
            answer = given.get(name)
            state = "nothing" if answer is None else str(answer.state)
            findings = () if answer is None else answer.findings
            found = {f.subject for f in findings if f.severity is Severity.ERROR}
            subjects = expectation.subjects
            if state == expectation.state and (subjects is None or set(subjects) == found):
                continue
            expected = f"expected {expectation.state}{_whom(subjects)}"
            yield from self._wrapped(
                f"    {printable(name)}: ", f"{expected}, answered {state}{_whom(sorted(found))}"
            )

    def _hanging(self, head: str, text: str, indent: int) -> Iterator[str]:
        """Yield a text behind its head, its further lines indented to where it began."""
        body = textwrap.wrap(
            printable(text),
            width=max(self.width - indent, LEAST_WIDTH // 3),
            break_on_hyphens=False,
        )
        yield (head + (body[0] if body else "")).rstrip()
        yield from (" " * indent + line for line in body[1:])

    def _wrapped(self, head: str, text: str, code: str | None = None) -> Iterator[str]:
        for line in self._hanging(head, text, len(head)):
            yield self._paint(line, code) if code else line

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def _whom(subjects: Iterable[str] | None) -> str:
    listed = ", ".join(subjects or ())
    return f" ({listed})" if listed else ""
