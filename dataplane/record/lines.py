"""Evidence to JSON lines and back.

Every line is one JSON object with a `kind`: `header` (the first line, and only there), `reach`,
`resolve` (stimuli), `outcome`, `flow`, `packet`, `too-big`, `discovery`, `dhcp`, `connect`,
`listener`, `setting`, `route`, `link`, `neighbour`, `address`, `report`. The other members are the fields of the value of
that kind, by their names; addresses are text, times are integers (ns).

The header's schema number changes when a line changes its meaning or loses a member, and only
then. Kinds, and members that have a default, are added under the same number: every older
recording is read, and what it does not hold was not seen (the checks that rest on it are unknown).
A reader refuses a newer recording at the first kind or member that it does not know.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dataplane.model.evidence import SCHEMA, Evidence, Header
from dataplane.model.problem import InvalidInputError, Problem, ProblemType, Severity, Source
from dataplane.model.seen import (
    AddressSeen,
    ConnectSeen,
    DhcpSeen,
    DiscoverySeen,
    FlowSeen,
    LinkSeen,
    ListenerSeen,
    NeighbourSeen,
    PacketSeen,
    ProbeReport,
    RouteSeen,
    SettingSeen,
    TooBigSeen,
)
from dataplane.model.stimulus import Outcome, Reach, Resolve

MAX_LINE_BYTES = 16 * 1024 * 1024
"""A header with its plan needs about 1 KiB per pod; nothing else comes near this."""

HEADER = "header"
KINDS: dict[str, tuple[type, str]] = {
    "reach": (Reach, "stimuli"),
    "resolve": (Resolve, "stimuli"),
    "outcome": (Outcome, "outcomes"),
    "flow": (FlowSeen, "flows"),
    "packet": (PacketSeen, "packets"),
    "too-big": (TooBigSeen, "too_big"),
    "discovery": (DiscoverySeen, "discoveries"),
    "dhcp": (DhcpSeen, "dhcp"),
    "connect": (ConnectSeen, "connects"),
    "listener": (ListenerSeen, "listeners"),
    "setting": (SettingSeen, "settings"),
    "route": (RouteSeen, "routes"),
    "link": (LinkSeen, "links"),
    "neighbour": (NeighbourSeen, "neighbours"),
    "address": (AddressSeen, "addresses"),
    "report": (ProbeReport, "reports"),
}
RECORD = "record the run again, or replay a file that no program has changed"


class _Kind:
    """How values of one type are written and read."""

    def __init__(self, model: type) -> None:
        self.adapter: TypeAdapter[Any] = TypeAdapter(model)
        self.names = frozenset(field.name for field in fields(model)) - {"kind"}

    def dump(self, name: str, value: object) -> bytes:
        """Return a value as one line."""
        members = self.adapter.dump_python(value, mode="json")
        members.pop("kind", None)
        return _compact({"kind": name, **members}) + b"\n"


def _compact(members: dict[str, Any]) -> bytes:
    """Return JSON in ASCII. Half a surrogate pair is no text in JSON (RFC 8259, 8.2): it becomes `?`."""
    line = json.dumps(members, separators=(",", ":"))
    if "\\ud" in line:
        whole = json.dumps(members, ensure_ascii=False).encode(errors="replace")
        line = json.dumps(json.loads(whole), separators=(",", ":"))
    return line.encode()


_HEADER = _Kind(Header)
_KINDS = {name: _Kind(model) for name, (model, _) in KINDS.items()}
_NAMES = {model: name for name, (model, _) in KINDS.items()}


def serialize(evidence: Evidence) -> Iterator[bytes]:
    """Yield evidence line by line, each with its newline."""
    yield _HEADER.dump(HEADER, evidence.header)
    for group in dict.fromkeys(group for _, group in KINDS.values()):
        for value in getattr(evidence, group):
            name = _NAMES[type(value)]
            yield _KINDS[name].dump(name, value)


def parse(lines: Iterable[bytes], name: str) -> Evidence:
    """Return the evidence that lines hold; `name` is what errors call the file.

    InvalidInputError names the line, what is wrong with it and what to do. A last line without
    its newline is one that was still being written: it is refused too, because what is missing
    behind it cannot be known.
    """
    header: Header | None = None
    groups: dict[str, list[object]] = {group: [] for _, group in KINDS.values()}
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE_BYTES:
            raise _refused(name, number, f"the line is longer than {MAX_LINE_BYTES} octets")
        if not line.endswith(b"\n"):
            raise _refused(name, number, "the line is cut off: the recording was not finished")
        members = _members(name, number, line)
        kind = members.pop("kind", None)
        if header is None:
            if kind != HEADER:
                raise _refused(name, number, "the first line is no header: this is no recording")
            header = _header(name, number, members)
        elif not isinstance(kind, str) or kind not in KINDS:
            known = ", ".join(KINDS)
            raise _refused(name, number, f"unknown kind {kind!r}; known are {known}")
        else:
            groups[KINDS[kind][1]].append(_value(name, number, _KINDS[kind], members))
    if header is None:
        raise _refused(name, 1, "the file is empty")
    gathered: dict[str, Any] = {group: tuple(values) for group, values in groups.items()}
    return Evidence(header=header, **gathered)


def _members(name: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        members = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _refused(name, number, f"not JSON: {error}") from error
    if not isinstance(members, dict):
        raise _refused(name, number, "not a JSON object")
    return members


def _header(name: str, number: int, members: dict[str, Any]) -> Header:
    schema = members.get("schema")
    if schema != SCHEMA:
        version = members.get("version", "unknown")
        raise _refused(
            name,
            number,
            f"schema {schema!r} of sixscope {version}; this version reads schema {SCHEMA} only",
            remedy="replay it with the version that recorded it, or record the run again",
        )
    header: Header = _value(name, number, _HEADER, members)
    return header


def _value(name: str, number: int, kind: _Kind, members: dict[str, Any]) -> Any:  # noqa: ANN401 - one of KINDS
    unknown = sorted(members.keys() - kind.names)
    if unknown:
        raise _refused(name, number, f"unknown members: {', '.join(map(repr, unknown))}")
    try:
        # Strict: an address is text and a port a number, never the other way round.
        return kind.adapter.validate_json(json.dumps(members), strict=True)
    except (ValidationError, ValueError) as error:
        raise _refused(name, number, _first(error)) from error


def _first(error: ValueError) -> str:
    """Return the first problem of a validation in words."""
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors(include_url=False, include_input=False)[0]
    # Between the names of members stand the names of validators, which say nothing to a reader.
    steps = (str(step) for step in problem["loc"])
    where = ".".join(step for step in steps if step.isidentifier() or step.isdigit())
    return f"{where}: {problem['msg']}"


def _refused(name: str, number: int, detail: str, remedy: str = RECORD) -> InvalidInputError:
    problem = Problem(
        severity=Severity.ERROR,
        type=ProblemType.UNREADABLE,
        field=f"line {number}",
        detail=detail,
        message=f"line {number}: {detail}",
        source=Source.SIXSCOPE,
        remedy=remedy,
        line=number,
    )
    return InvalidInputError(name, [problem])
