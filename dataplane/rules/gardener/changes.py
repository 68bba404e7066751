"""What changed between two specs, as Gardener prints it: `github.com/go-test/deep`.

Objects that are being deleted refuse every change, and the error names them all. Only the kinds of
fields that Network and DNSRecord have are known here.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dataplane.model.problem import Problem
from dataplane.rules.fielderror import forbidden

MOST = 10  # differences; deep.MaxDiff


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a spec before and after; `name` is Go's (`DefaultSpec.Type`).

    `pointer` is the type that the field points to, None where it is a text, or a list of texts.
    """

    name: str
    old: object
    new: object
    pointer: str | None = None


def differences(fields: Iterable[Field]) -> list[str]:
    """Return a line for each difference; nothing where the specs are equal for an API server."""
    lines = [line for field in fields for line in _differences(field)]
    return lines[:MOST]


def while_deleted(path: str, what: str, lines: Iterable[str]) -> list[Problem]:
    """Return the error for a changed spec of an object with a deletion timestamp."""
    detail = (
        f"cannot update {what} spec if deletion timestamp is set. "
        f"Requested changes: {','.join(lines)}"
    )
    return [forbidden(path, detail, remedy="the object is being deleted; leave its spec alone")]


def _differences(field: Field) -> list[str]:
    new, old = field.new, field.old
    if field.pointer is not None:
        return [] if new == old else [_pointed(field.name, field.pointer, new, old)]
    if isinstance(new, list | tuple) or isinstance(old, list | tuple):
        return _items(field.name, _texts(new), _texts(old))
    new, old = new or "", old or ""
    return [] if new == old else [f"{field.name}: {_shown(new)} != {_shown(old)}"]


def _pointed(name: str, kind: str, new: object, old: object) -> str:
    if new is None:
        return f"{name}: <nil pointer> != {kind}"
    if old is None:
        return f"{name}: {kind} != <nil pointer>"
    if isinstance(new, dict) or isinstance(old, dict):
        return f"{name}.Raw: it has changed"  # Go prints the octets that differ
    return f"{name}: {_shown(new)} != {_shown(old)}"


def _texts(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _items(name: str, new: list[object], old: list[object]) -> list[str]:
    if new == old:
        return []
    if not new:
        return [f"{name}: <nil slice> != [{' '.join(map(_shown, old[:MOST]))}]"]
    if not old:
        return [f"{name}: [{' '.join(map(_shown, new[:MOST]))}] != <nil slice>"]
    lines = []
    for index in range(max(len(new), len(old))):
        one = new[index] if index < len(new) else "<no value>"
        other = old[index] if index < len(old) else "<no value>"
        if one != other:
            lines.append(f"{name}.slice[{index}]: {_shown(one)} != {_shown(other)}")
    return lines


def _shown(value: object, limit: int = 255) -> str:
    """Return a value without quotes, as Go's %v; a hostile one must not flood a terminal."""
    text = str(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
