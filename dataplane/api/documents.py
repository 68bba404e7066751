"""The JSON documents of the endpoint: the model's own values, in envelopes where a list needs one."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from http import HTTPStatus

from pydantic_core import PydanticSerializationError, to_json

from dataplane.model.answer import Answer, Finding, NotApplicable
from dataplane.model.seen import ConnectSeen, FlowSeen
from dataplane.model.topology import Tap, Topology

SLICE = 250  # entries encoded in one go: a few milliseconds, then the loop has its turn


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyDocument:
    """What was built, null where nothing was, and the interfaces that are watched."""

    topology: Topology | None
    taps: tuple[Tap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersDocument:
    """The answers so far, and the checks that this plan gives no room for.

    `scenario` is what was run, null until it has come to an end.
    """

    scenario: str | None
    answers: tuple[Answer, ...]
    not_applicable: tuple[NotApplicable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding(Finding):
    """A finding, with the check that found it."""

    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDocument:
    """What every list says about itself: `next` is the cursor of the next page, null at the end.

    `total` counts the whole list; `skipped` the entries between the cursor and this page that are
    no longer held.
    """

    next: str | None
    total: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsDocument(ListDocument):
    """Findings, check by check."""

    findings: tuple[CheckFinding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowsDocument(ListDocument):
    """Flows of one snapshot of the flow table; `next` goes on in the same snapshot."""

    flows: tuple[FlowSeen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectsDocument(ListDocument):
    """Connection attempts, the oldest remembered first."""

    connects: tuple[ConnectSeen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDocument:
    """An error (RFC 9457 section 3); `type` is always "about:blank": the status says it all."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


def problem(status: HTTPStatus, detail: str) -> ProblemDocument:
    """Word an error."""
    return ProblemDocument(title=status.phrase, status=status.value, detail=detail)


async def encode(value: object) -> bytes:
    """Encode a value as JSON, as pydantic does; a large one on a thread, slice by slice."""
    if _large(value):
        return await asyncio.to_thread(lambda: b"".join(_pieces(value)))
    return encode_small(value)


def encode_small(value: object) -> bytes:
    """Encode a value in one go. Text that is no Unicode (a process may be called anything) gets "?"."""
    try:
        return to_json(value, inf_nan_mode="null")
    except PydanticSerializationError:
        text = json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")


def _plain(value: object) -> object:
    """Return a dataclass as a dict, anything else as its text, for the standard encoder."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return str(value)


def _large(value: object) -> bool:
    if isinstance(value, tuple | list):
        return len(value) > SLICE or any(_large(entry) for entry in value)
    if is_dataclass(value):
        return any(_large(getattr(value, field.name)) for field in fields(value))
    return False


def _pieces(value: object) -> Iterator[bytes]:
    """Yield the JSON text of a value in pieces; between them, other threads may run."""
    if not _large(value):
        yield encode_small(value)
    elif is_dataclass(value):
        for position, field in enumerate(fields(value)):
            yield b"," if position else b"{"
            yield encode_small(field.name) + b":"
            yield from _pieces(getattr(value, field.name))
        yield b"}"
    elif isinstance(value, tuple | list):
        for start in range(0, len(value), SLICE):
            yield b"," if start else b"["
            yield from _slice(value[start : start + SLICE])
        yield b"]"


def _slice(entries: "tuple[object, ...] | list[object]") -> Iterator[bytes]:
    if not any(_large(entry) for entry in entries):
        yield encode_small(entries)[1:-1]
        return
    for position, entry in enumerate(entries):
        if position:
            yield b","
        yield from _pieces(entry)
