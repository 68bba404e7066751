"""`sixscope validate --jsonl`: one case per line, one answer per line."""

import json

from dataplane.commands.lines import answer_lines
from dataplane.commands.verb import Exit
from dataplane.manifest.documents import MAX_OCTETS
from dataplane.manifest.lines import Answer, answer, is_refusal, refusal
from dataplane.manifest.validation import Terms
from dataplane.model.problem import Problem


def validate_lines(terms: Terms) -> int:
    """Answer the cases of standard input: 0 all valid, 1 some are not, 2 some are unreadable."""

    def answered(line: bytes) -> tuple[str, Exit]:
        given = answer(line, terms)
        if is_refusal(given):
            return _line(given), Exit.REFUSED
        return _line(given), Exit.HOLDS if given.valid else Exit.BROKEN

    def refused(detail: str) -> str:
        return _line(refusal(detail, remedy="report it, with the line"))

    return answer_lines(answered, refused, limit=MAX_OCTETS)


def _line(given: Answer) -> str:
    """Return an answer as one line of ASCII: surrogates of hostile JSON have no other spelling."""
    found: dict[str, object] = {
        "valid": given.valid,
        "problems": [_fields(problem) for problem in given.problems],
    }
    if given.result is not None:
        found["result"] = given.result
    return json.dumps(found, allow_nan=False)


def _fields(problem: Problem) -> dict[str, object]:
    """Return the fields of a problem; written out, because landscapes have many."""
    return {
        "severity": problem.severity,
        "type": problem.type,
        "field": problem.field,
        "detail": problem.detail,
        "message": problem.message,
        "source": problem.source,
        "remedy": problem.remedy,
        "document": problem.document,
        "line": problem.line,
        "column": problem.column,
    }
