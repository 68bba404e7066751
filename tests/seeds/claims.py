"""The small language in which docs/seeds.md says what a command gives.

`exit 1; .valid = false; .problems[].field has spec.networking.pods`: claims with `; ` between them,
each `exit NUMBER` or a place in the command's output, a relation, and a value. See the head of
docs/seeds.md for all of them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_CLAIM = re.compile(
    r"(?P<place>\.\S*(?:\[[^\]]*\]\S*)*) (?P<relation>=|has|lacks|contains|counts|>) (?P<value>.+)"
)
_STEP = re.compile(
    r'\.(?P<name>[A-Za-z_][\w-]*)|\["(?P<key>[^"]+)"\]|\[(?P<index>\d+)\]'
    r"|(?P<all>\[\])|\[(?P<where>[a-z_]+)=(?P<wanted>[^\]]+)\]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command gave: its exit code and its output, as JSON values or one text."""

    code: int
    output: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim; `place` is empty where it is about the exit code."""

    text: str
    place: str
    relation: str
    value: object


def read(text: str) -> tuple[Claim, ...]:
    """Return the claims of a cell; ValueError when one of them cannot be read."""
    return tuple(_claim(part) for part in re.split(r"; (?=\.|exit )", text.strip()))


def why_not(claim: Claim, outcome: Outcome) -> str | None:
    """Return what is there instead of what is claimed, None when the claim is true."""
    if not claim.place:
        return None if outcome.code == claim.value else f"exit {outcome.code}"
    try:
        values, several = _at(claim.place, outcome.output)
    except LookupError as error:
        return f"nothing there: {error}"
    found = values if several else values[0]
    if claim.relation == "=":
        each = several and not isinstance(claim.value, list)
        true = (
            bool(values) and all(map(claim.value.__eq__, values)) if each else found == claim.value
        )
        return None if true else _shown(found)
    if not several and isinstance(values[0], list):
        values = values[0]
    return None if _holds(claim.relation, values, claim.value) else _shown(found)


def _holds(relation: str, values: list[object], wanted: object) -> bool:
    if relation in {"has", "lacks"}:
        return (wanted in values) is (relation == "has")
    if relation == "contains":
        return any(isinstance(value, str) and str(wanted) in value for value in values)
    if relation == "counts":
        return len(values) == wanted
    numbers = [value for value in values if isinstance(value, int)]
    return isinstance(wanted, int) and bool(numbers) and all(n > wanted for n in numbers)


def _claim(text: str) -> Claim:
    code = re.fullmatch(r"exit (\d+)", text)
    if code:
        return Claim(text=text, place="", relation="=", value=int(code[1]))
    match = _CLAIM.fullmatch(text)
    if match is None:
        raise ValueError(f"is no claim: {text}")
    list(_steps(match["place"]))
    return Claim(
        text=text, place=match["place"], relation=match["relation"], value=_value(match["value"])
    )


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _steps(place: str) -> Iterator[re.Match[str]]:
    rest = place.removeprefix(".") if place[:2] in {".", ".["} else place
    while rest:
        match = _STEP.match(rest)
        if match is None:
            raise ValueError(f"is no place: {place} (at {rest})")
        yield match
        rest = rest[match.end() :]


def _at(place: str, output: object) -> tuple[list[object], bool]:
    """Return the values at a place, and whether that is a place of several."""
    values, several = [output], False
    for step in _steps(place):
        if step["all"] or step["where"]:
            several = True
            values = [item for value in values for item in _items(value)]
            if step["where"]:
                wanted = _value(step["wanted"])
                values = [item for item in values if _child(item, step["where"]) == wanted]
        else:
            key = int(step["index"]) if step["index"] else step["name"] or step["key"]
            values = [_child(value, key) for value in values]
    return values, several


def _items(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise LookupError(f"no list, but {_shown(value)}")


def _child(value: object, key: str | int) -> object:
    if isinstance(key, int):
        return _items(value)[key]
    if isinstance(value, dict):
        return value[key]
    raise LookupError(f"no object with {key}, but {_shown(value)}")


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 2000 else f"{text[:2000]}..."
