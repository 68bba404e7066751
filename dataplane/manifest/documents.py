"""YAML in, plain values with line and column out. Manifests are hostile: bounded in every direction.

Scalars mean what Kubernetes makes of them (sigs.k8s.io/yaml, YAML 1.1 by go-yaml) with one mercy:
base 60 numbers do not exist, so that an address like `2001:10:20:30:40:50:1:2` stays text. JSON is
read the same way. Values are dict, list, str, int, float, bool and None; keys are strings.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from re import compile as regex

import yaml

from dataplane.manifest.scalars import Refused, construct
from dataplane.model.problem import InvalidInputError, Problem, ProblemType, Severity, Source
from dataplane.rules.fielderror import quoted

MAX_OCTETS = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 200_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
QUOTES = {"'", '"'}
_PLAIN_KEY = regex(r"[A-Za-z0-9_-]{1,63}")
_STEP = regex(r"\[(\d+)\]|\[([^\]]*)\]|([^.\[\]]+)")

Value = object
Position = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document; `index` counts from 0, positions (line, column) from 1.

    `problems` are those that leave a usable value, such as duplicate keys.
    """

    index: int
    value: Value
    problems: tuple[Problem, ...] = ()
    _marks: dict[tuple[int, Hashable], tuple[Position, Position]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _odd: dict[tuple[int, str], str] = field(default_factory=dict, repr=False, compare=False)

    def position(self, path: str, *, key: bool = False) -> Position | None:
        """Return where the value at `path` stands (or its key), else its nearest known parent."""
        value, found = self.value, None
        for index, odd, name in _STEP.findall(path):
            step: Hashable = int(index) if index else name or self._odd.get((id(value), odd), odd)
            marks = self._marks.get((id(value), step))
            if marks is None:
                break
            found = marks[0] if key else marks[1]
            value = _child(value, step)
        return found

    def locate(self, problem: Problem, *, key: bool = False) -> Problem:
        """Return the problem with the document and the position of its field."""
        place = self.position(problem.field, key=key) or (None, None)
        return _placed(problem, self.index, place)


def read_documents(text: str, *, name: str) -> tuple[Document, ...]:
    """Read every document of a YAML or JSON text; empty documents are left out.

    InvalidInputError when the text is no YAML, too large or a bomb: `name` says whose text it is.
    """
    try:
        octets = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInputError(name, [_unreadable("text is not valid Unicode", None)]) from error
    if octets > MAX_OCTETS:
        detail = f"{octets} octets; a manifest has at most {MAX_OCTETS}"
        raise InvalidInputError(name, [_unreadable(detail, None)])
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in {"{", "["}:
        text = text.replace("\t", " ")  # JSON may indent with tabs, YAML may not
    try:
        return _Reader(text).documents()
    except Refused as error:
        raise InvalidInputError(name, [_unreadable(str(error), error.position)]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        detail = " ".join(filter(None, (error.context, error.problem)))
        place = (mark.line + 1, mark.column + 1) if mark else None
        raise InvalidInputError(name, [_unreadable(detail, place)]) from error
    except yaml.YAMLError as error:
        detail = getattr(error, "reason", None) or str(error)
        raise InvalidInputError(name, [_unreadable(detail, None)]) from error


@dataclass(slots=True)
class _Frame:
    """A collection that is being read. `key` is the pending key of a mapping."""

    container: dict[str, Value] | list[Value]
    position: Position
    anchor: str | None
    nodes: int
    key: str | None = None
    key_position: Position = (0, 0)
    merges: list[Value] = field(default_factory=list)

    def step(self) -> str:
        """Return the way from here to the value that is being read."""
        if isinstance(self.container, list):
            return f"[{len(self.container)}]"
        return join(" ", self.key or "")[1:]


class _Reader:
    """Builds values from parser events, without recursion, and counts what it builds.

    An alias costs as much as what it repeats: a bomb runs out of nodes before anyone walks it.
    """

    def __init__(self, text: str) -> None:
        self._loader = _Loader(text)
        self._nodes = 0
        self._start()

    def _start(self) -> None:
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._marks: dict[tuple[int, Hashable], tuple[Position, Position]] = {}
        self._odd: dict[tuple[int, str], str] = {}
        self._problems: list[Problem] = []
        self._kept: list[Value] = []  # marks go by identity: no container may die before the rest
        self._root: Value = None

    def documents(self) -> tuple[Document, ...]:
        found: list[Document] = []
        index = 0
        try:
            while self._loader.check_event():
                event = self._loader.get_event()
                if isinstance(event, yaml.DocumentStartEvent):
                    self._start()
                elif isinstance(event, yaml.DocumentEndEvent):
                    if self._root is not None:
                        problems = tuple(
                            replace(problem, document=index) for problem in self._problems
                        )
                        found.append(
                            Document(
                                index=index,
                                value=self._root,
                                problems=problems,
                                _marks=self._marks,
                                _odd=self._odd,
                            )
                        )
                    index += 1
                elif isinstance(event, yaml.NodeEvent):
                    self._node(event)
                elif isinstance(event, yaml.CollectionEndEvent):
                    self._close()
        finally:
            self._loader.dispose()
        return tuple(found)

    def _node(self, event: yaml.NodeEvent) -> None:
        mark = event.start_mark
        position = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise Refused(f"alias *{event.anchor} stands for nothing complete", position)
            value, nodes = self._anchors[event.anchor]
            self._count(nodes, position)
            self._place(value, position)
        elif isinstance(event, yaml.ScalarEvent):
            self._count(1, position)
            frame = self._frames[-1] if self._frames else None
            key = frame is not None and isinstance(frame.container, dict) and frame.key is None
            value = event.value if key else construct(event, position)
            if event.anchor:
                self._anchors[event.anchor] = (value, 1)
            if event.style in QUOTES and not key:  # a value begins behind its quote
                position = (position[0], position[1] + 1)
            self._place(value, position)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open(event, position)

    def _open(self, event: yaml.CollectionStartEvent, position: Position) -> None:
        self._count(1, position)
        if len(self._frames) >= MAX_DEPTH:
            raise Refused(f"nested deeper than {MAX_DEPTH} levels", position)
        mapping = isinstance(event, yaml.MappingStartEvent)
        expected = "tag:yaml.org,2002:map" if mapping else "tag:yaml.org,2002:seq"
        if event.tag not in {None, "!", expected}:
            raise Refused(f"tag {event.tag} is not for manifests", position)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        container: dict[str, Value] | list[Value] = {} if mapping else []
        self._kept.append(container)
        self._frames.append(_Frame(container, position, event.anchor, self._nodes))

    def _close(self) -> None:
        frame = self._frames.pop()
        for merged in frame.merges:
            self._merge(frame, merged)
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.container, self._nodes - frame.nodes + 1)
        self._place(frame.container, frame.position)

    def _place(self, value: Value, position: Position) -> None:
        """Put a finished value where it belongs."""
        if not self._frames:
            self._root = value
            return
        frame = self._frames[-1]
        if isinstance(frame.container, list):
            self._marks[id(frame.container), len(frame.container)] = (position, position)
            frame.container.append(value)
            return
        if frame.key is None:
            if not isinstance(value, str):
                raise Refused("a key must be a text", position)
            frame.key, frame.key_position = value, position
            return
        key, frame.key = frame.key, None
        if key == "<<":
            frame.merges += value if isinstance(value, list) else [value]
            return
        if key in frame.container:
            path = "".join(frame.step() for frame in self._frames[:-1])
            self._problems.append(_duplicate(join(path.lstrip("."), key), frame.key_position))
            return
        scalar = not isinstance(value, dict | list)
        marks = (frame.key_position, position if scalar else frame.key_position)
        self._mark(frame.container, key, marks)
        frame.container[key] = value

    def _merge(self, frame: _Frame, merged: Value) -> None:
        """Apply a `<<` merge key (YAML 1.1): what is written out wins, then the first merged."""
        if not isinstance(merged, dict) or not isinstance(frame.container, dict):
            raise Refused("<< merges mappings only", frame.position)
        self._count(len(merged), frame.position)
        for key, value in merged.items():
            if key not in frame.container:
                frame.container[key] = value
                self._mark(frame.container, key, self._marks[id(merged), key])

    def _mark(self, container: object, key: str, marks: tuple[Position, Position]) -> None:
        """Remember where a key stands; one that paths spell otherwise, under that spelling too."""
        self._marks[id(container), key] = marks
        if not _PLAIN_KEY.fullmatch(key):
            spelt = join("", key)[1:-1]
            if spelt != key:
                self._odd.setdefault((id(container), spelt), key)

    def _count(self, nodes: int, position: Position) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise Refused(
                f"more than {MAX_NODES} values, aliases counted as often as used", position
            )


def _child(value: Value, step: Hashable) -> Value:
    if isinstance(value, dict):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) else None


def _placed(problem: Problem, index: int, place: tuple[int | None, int | None]) -> Problem:
    return replace(problem, document=index, line=place[0], column=place[1])


def join(path: str, key: str) -> str:
    """Return the path of `key` below `path`, as Kubernetes writes it; odd keys are quoted."""
    if not _PLAIN_KEY.fullmatch(key):
        shown = key if len(key) <= 63 else key[:60] + "..."
        return f"{path}[{quoted(shown)[1:-1]}]"
    return f"{path}.{key}" if path else key


def _duplicate(path: str, position: Position) -> Problem:
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.DUPLICATE,
        field=path,
        detail="key is written twice in one mapping",
        message=f"{path}: Duplicate value: key is written twice in one mapping",
        source=Source.SIXSCOPE,
        remedy="keep one of them; readers disagree on which one counts",
        line=position[0],
        column=position[1],
    )


def _unreadable(detail: str, position: Position | None) -> Problem:
    where = f"line {position[0]}, column {position[1]}: " if position else ""
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.UNREADABLE,
        field="",
        detail=detail,
        message=f"{where}{detail}",
        source=Source.SIXSCOPE,
        remedy="the input must be YAML or JSON, as kubectl reads it",
        line=position[0] if position else None,
        column=position[1] if position else None,
    )
