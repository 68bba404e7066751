"""`sixscope plan --jsonl`: one question per line, one answer per line."""

import json
from dataclasses import dataclass
from typing import Annotated, NoReturn

from pydantic import Field

from dataplane.commands.lines import answer_lines
from dataplane.commands.verb import Exit
from dataplane.manifest.documents import MAX_OCTETS
from dataplane.planning.arguments import RequestError
from dataplane.planning.functions import Evaluation, evaluate

SHAPE = 'write {"kind": "...", "function": "...", "args": {...}} on one line'
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it is printed; `error` only where `valid` is false."""

    valid: bool
    result: object
    error: Annotated[str | None, Field(exclude_if=lambda value: value is None)] = None


def plan_lines() -> int:
    """Answer the questions of standard input: 0 all valid, 1 some are not, 2 some are unreadable."""
    return answer_lines(_answer, lambda detail: _line(_refusal(detail)), limit=MAX_OCTETS)


def _answer(line: bytes) -> tuple[str, Exit]:
    try:
        found = _evaluated(line)
    except RequestError as error:
        return _line(_refusal(f"{error}; {error.remedy}")), Exit.REFUSED
    return _line(found), Exit.HOLDS if found.valid else Exit.BROKEN


def _evaluated(line: bytes) -> Evaluation:
    value = _read(line)
    if not isinstance(value, dict):
        raise RequestError("must be a JSON object", remedy=SHAPE)
    kind, function = value.get("kind"), value.get("function")
    if not isinstance(kind, str):
        raise RequestError("kind is missing or no text", remedy=SHAPE)
    if not isinstance(function, str | None):
        raise RequestError("function must be a text", remedy=SHAPE)
    given = value.get("args")
    if given is None:
        given = value.get("object")
    if not isinstance(given, dict):
        raise RequestError("args must be a JSON object", remedy=SHAPE)
    return evaluate(kind, function, given)


def _read(line: bytes) -> object:
    if len(line) > MAX_OCTETS:
        raise RequestError(f"more than {MAX_OCTETS} octets on one line", remedy=SHAPE)
    try:
        text = line.removeprefix(_BYTE_ORDER_MARK).decode()
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise RequestError(f"not UTF-8 text (octet {error.start})", remedy=SHAPE) from error
    except RecursionError as error:
        raise RequestError("nested too deep", remedy=SHAPE) from error
    except ValueError as error:  # also for integers of thousands of digits
        what = str(error).replace("line 1 ", "") if line.strip() else "the line is empty"
        raise RequestError(f"not JSON: {what}", remedy=SHAPE) from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _refusal(detail: str) -> Evaluation:
    return Evaluation(valid=False, error=detail)


def _line(found: Evaluation) -> str:
    """Return an answer as one line of ASCII: surrogates of hostile JSON have no other spelling."""
    fields: dict[str, object] = {"valid": found.valid, "result": found.result}
    if found.error is not None:
        fields["error"] = found.error
    return json.dumps(fields, allow_nan=False)
