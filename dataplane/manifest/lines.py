"""One case per line of JSON, one answer per line: whole landscapes without their YAML.

The keys of a case are those of the vectors of upstream's behaviour: `kind`, `operation`, `stage`,
`object` (or `args`), `old` (or `old_object`), `seed`, `profile`, `feature_gates`; others are left
alone. Lines are hostile: whatever stands on one, it has an answer, and the next has its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from dataplane.manifest import envelope
from dataplane.manifest.case import DEFAULT_PROFILE, PROFILES, Case, Kind, Stage
from dataplane.manifest.documents import MAX_DEPTH, MAX_OCTETS, Document
from dataplane.manifest.fields import Section, root
from dataplane.manifest.severity import is_unreadable, is_valid, weighed
from dataplane.manifest.validation import (
    FRAGMENT_PROFILE,
    GATES,
    Terms,
)
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import quoted, unreadable

# What the vectors call a stage, and how far an API server has come there. Cases about controllers
# and plans judge the object alone, where a kind is about them at all.
STAGES = {
    "validation": Stage.VALIDATION,
    "admission": Stage.ADMISSION,
    "admission+validation": Stage.BOTH,
    "defaulting": Stage.VALIDATION,
    "admission-defaulting": Stage.ADMISSION,
    "controller": Stage.VALIDATION,
    "planning": Stage.VALIDATION,
    "real-node": Stage.VALIDATION,
}
MAX_VALUES = 50_000  # of one line; each may be a problem, and each problem is told
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DEFAULTING = frozenset({"defaulting", "admission-defaulting"})
OPERATIONS = ("create", "update")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is to be said about one line; `result` only for the stages of defaulting.

    It maps a field path to the value that an API server fills in, None where it stays unset.
    """

    valid: bool
    problems: tuple[Problem, ...]
    result: dict[str, object] | None = None


class _BadLineError(Exception):
    """A line that is no case; `remedy` says what to write."""

    def __init__(self, detail: str, remedy: str) -> None:
        self.remedy = remedy
        super().__init__(detail)


def answer(line: bytes, terms: Terms) -> Answer:
    """Answer a line without its line feed; profile and gates of `terms` are those of bare cases."""
    try:
        return _judged(_case_of(_read(line)), terms)
    except _BadLineError as error:
        return refusal(str(error), remedy=error.remedy)


def refusal(detail: str, *, remedy: str) -> Answer:
    """Return the answer to a line that cannot be read."""
    return Answer(valid=False, problems=(unreadable(detail, remedy=remedy),))


def is_refusal(given: Answer) -> bool:
    """Return whether the line could not be read."""
    return is_unreadable(given.problems)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def _read(line: bytes) -> object:
    if len(line) > MAX_OCTETS:
        detail = f"more than {MAX_OCTETS} octets on one line"
        raise _BadLineError(detail, "give one object per line, not a whole landscape")
    try:
        value: object = _JSON.decode(line.removeprefix(_BYTE_ORDER_MARK).decode())
    except UnicodeDecodeError as error:
        raise _BadLineError(f"not UTF-8 text (octet {error.start})", "write JSON") from error
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # also for integers of thousands of digits
        what = str(error).replace("line 1 ", "") if line.strip() else "the line is empty"
        raise _BadLineError(f"not JSON: {what}", 'write {"object": {...}} on one line') from error
    opened = line.count(b"{") + line.count(b"[")
    if opened > MAX_DEPTH or opened + line.count(b",") >= MAX_VALUES:
        _measure(value)
    return value


def _measure(value: object) -> None:
    """Refuse a value that is nested deeper than a manifest may be, or that holds too much."""
    level, values = [value], 1
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        values += len(inner)
        if values > MAX_VALUES:
            raise _BadLineError(f"more than {MAX_VALUES} values on one line", "no object is so big")
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> _BadLineError:
    return _BadLineError(f"nested deeper than {MAX_DEPTH} levels", "no manifest is that deep")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A line, read: what is asked about which object."""

    kind: str | None
    stage: str | None
    given: dict[str, object]
    old: dict[str, object] | None
    seed: dict[str, object] | None
    profile: str | None
    gates: frozenset[str] | None


def _case_of(value: object) -> _Wanted:
    if not isinstance(value, dict):
        raise _BadLineError("must be a JSON object", 'write {"object": {...}}')
    operation = _one_of(value, "operation", OPERATIONS)
    old = _mapping(value, "old")
    if old is None:
        old = _mapping(value, "old_object")
    if operation == "update" and old is None:
        raise _BadLineError("an update needs the object as it was", 'add "old": {...}')
    given = _mapping(value, "object")
    if given is None:
        given = _mapping(value, "args")
    if given is None:
        raise _BadLineError("there is no object to judge", 'add "object": {...}')
    return _Wanted(
        kind=_text(value, "kind"),
        stage=_one_of(value, "stage", tuple(STAGES)),
        given=given,
        old=None if operation == "create" else old,
        seed=_mapping(value, "seed"),
        profile=_one_of(value, "profile", PROFILES),
        gates=_gates(value),
    )


def _text(value: Mapping[str, object], key: str) -> str | None:
    found = value.get(key)
    if found is None or isinstance(found, str):
        return found
    raise _BadLineError(f"{key} must be a text", f'write "{key}": "..." or leave it out')


def _one_of(value: Mapping[str, object], key: str, known: tuple[str, ...]) -> str | None:
    found = _text(value, key)
    if found is None or found in known:
        return found
    raise _BadLineError(f"{key} {_short(found)} is unknown", f"known are: {', '.join(known)}")


def _mapping(value: Mapping[str, object], key: str) -> dict[str, object] | None:
    found = value.get(key)
    if found is None or isinstance(found, dict):
        return found
    raise _BadLineError(f"{key} must be a JSON object", f'write "{key}": {{...}} or leave it out')


def _gates(value: Mapping[str, object]) -> frozenset[str] | None:
    """Return the feature gates that are on, None where the line says nothing about them."""
    given = _mapping(value, "feature_gates")
    if given is None:
        return None
    for name, enabled in given.items():
        if name not in GATES:
            known = ", ".join(GATES)
            raise _BadLineError(f"feature gate {_short(name)} is unknown", f"known are: {known}")
        if not isinstance(enabled, bool):
            raise _BadLineError(f"feature gate {name} must be true or false", "write true or false")
    return frozenset(GATES - {name for name, enabled in given.items() if enabled is False})


def _short(text: str) -> str:
    return quoted(text if len(text) <= 63 else f"{text[:60]}...")


def _judged(wanted: _Wanted, terms: Terms) -> Answer:
    kind = _kind(wanted)
    top = _section(wanted.given)
    if kind is None:
        envelope.check_unknown(top)
        return _answer(top, terms)
    bare = wanted.kind is None and envelope.is_fragment(wanted.given)
    stage = STAGES[wanted.stage] if wanted.stage else None
    case = Case(
        top=top,
        old=_section(wanted.old) if wanted.old is not None else None,
        seed=_section(wanted.seed) if wanted.seed is not None else None,
        stage=stage or Stage.BOTH,
        profile=wanted.profile or terms.profile or (FRAGMENT_PROFILE if bare else DEFAULT_PROFILE),
        gates=terms.gates if wanted.gates is None else wanted.gates,
    )
    if wanted.stage in DEFAULTING:
        result = kind.default(case) if kind.default else {}
        return _answer(top, terms, result)
    kind.judge(case)
    return _answer(top, terms)


def _kind(wanted: _Wanted) -> Kind | None:
    """Return the kind that a line names, or its object does; None when nobody knows the object's."""
    if wanted.kind is None:
        return envelope.kind_of(wanted.given)
    version = wanted.given.get("apiVersion")
    found = envelope.kinds_called(wanted.kind, version if isinstance(version, str) else None)
    found = found or envelope.kinds_called(wanted.kind)
    if not found:
        detail = f"kind {_short(wanted.kind)} is unknown"
        raise _BadLineError(detail, "what is computed, not judged, is for `sixscope plan --jsonl`")
    if len(found) > 1:
        detail = f"there are {len(found)} kinds called {wanted.kind}"
        raise _BadLineError(detail, "give the object its apiVersion")
    return found[0]


def _section(value: dict[str, object]) -> Section:
    return root(Document(index=0, value=value))


def _answer(top: Section, terms: Terms, result: dict[str, object] | None = None) -> Answer:
    problems = weighed(top.problems, strict=terms.strict)
    return Answer(valid=is_valid(problems), problems=problems, result=result)
