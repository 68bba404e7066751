"""Kubernetes' field errors: `apimachinery/pkg/util/validation/field/errors.go`.

The message of a Problem is what `field.Error.Error()` prints: strings quoted as Go's %q does, ints
and bools bare, lists as Go prints a slice.
"""

from collections.abc import Iterable

from dataplane.model.problem import Problem, ProblemType, Severity, Source

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


class GoLiteral(str):
    """A bad value that is shown as it is: how Go prints a typed slice, for example."""

    __slots__ = ()


def quoted(text: str) -> str:
    """Return `text` as Go's %q prints it: nothing unprintable survives."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shown(value: object) -> str:
    """Return a bad value as a field error shows it."""
    if isinstance(value, str):
        return str(value) if isinstance(value, GoLiteral) else quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{shown(key)}: {shown(item)}" for key, item in value.items()) + "}"
    return str(value)


def invalid(
    field: str,
    value: object,
    detail: str,
    *,
    remedy: str,
    source: Source = Source.GARDENER,
) -> Problem:
    """Return `field.Invalid(field, value, detail)`."""
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.INVALID,
        field=field,
        detail=detail,
        message=_line(field, f"Invalid value: {_shortened(shown(value))}", detail),
        source=source,
        remedy=remedy,
    )


def required(field: str, detail: str, *, remedy: str, source: Source = Source.GARDENER) -> Problem:
    """Return `field.Required(field, detail)`."""
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.REQUIRED,
        field=field,
        detail=detail,
        message=_line(field, "Required value", detail),
        source=source,
        remedy=remedy,
    )


def forbidden(field: str, detail: str, *, remedy: str, source: Source = Source.GARDENER) -> Problem:
    """Return `field.Forbidden(field, detail)`."""
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.FORBIDDEN,
        field=field,
        detail=detail,
        message=_line(field, "Forbidden", detail),
        source=source,
        remedy=remedy,
    )


def not_supported(
    field: str,
    value: object,
    supported: Iterable[str],
    *,
    remedy: str,
    source: Source = Source.GARDENER,
) -> Problem:
    """Return `field.NotSupported(field, value, supported)`."""
    known = ", ".join(quoted(value) for value in supported)
    detail = f"supported values: {known}" if known else ""
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.NOT_SUPPORTED,
        field=field,
        detail=detail,
        message=_line(field, f"Unsupported value: {_shortened(shown(value))}", detail),
        source=source,
        remedy=remedy,
    )


def duplicate(
    field: str, value: object, *, remedy: str, source: Source = Source.GARDENER
) -> Problem:
    """Return `field.Duplicate(field, value)`."""
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.DUPLICATE,
        field=field,
        detail="",
        message=_line(field, f"Duplicate value: {_shortened(shown(value))}", ""),
        source=source,
        remedy=remedy,
    )


def advice(
    field: str,
    detail: str,
    *,
    remedy: str,
    source: Source = Source.SIXSCOPE,
    severity: Severity = Severity.WARNING,
) -> Problem:
    """Return a recommendation: nobody refuses this, but it deserves a word."""
    return Problem(
        severity=severity,
        type=ProblemType.ADVICE,
        field=field,
        detail=detail,
        message=f"{field}: {detail}",
        source=source,
        remedy=remedy,
    )


def _line(field: str, body: str, detail: str) -> str:
    """Return what `field.Error.Error()` prints: without a detail nothing follows the body."""
    return f"{field}: {body}: {detail}" if detail else f"{field}: {body}"


def unreadable(
    detail: str, *, remedy: str, line: int | None = None, column: int | None = None
) -> Problem:
    """Return the problem of an input that cannot be read at all; positions count from 1."""
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.UNREADABLE,
        field="",
        detail=detail,
        message=detail,
        source=Source.SIXSCOPE,
        remedy=remedy,
        line=line,
        column=column,
    )


def _shortened(text: str, limit: int = 400) -> str:
    """Return `text` cut in the middle: a hostile value must not flood a terminal."""
    return text if len(text) <= limit else f"{text[: limit - 20]}...{text[-17:]}"
