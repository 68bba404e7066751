"""docs/seeds.md as values: its rows, and the number of open ones that its head names."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "seeds.md"
HEAD = ("id", "letter", "what is asked", "command", "what is asserted", "broken twin")
_CODE = re.compile(r"`([^`]+)`")
_OPEN = re.compile(r"^Rows that are open: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command and what is claimed of it."""

    command: str
    claims: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row; `calls` are the command and its broken twin, where there are."""

    id: str
    letter: str
    asked: str
    place: str
    calls: tuple[Call, ...]
    has_twin: bool

    @property
    def is_open(self) -> bool:
        """Return whether this cannot be shown yet."""
        return self.place.startswith("open: ")


def rows() -> tuple[Row, ...]:
    """Return the rows of all tables with this head."""
    found, inside = [], False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if not line.startswith("|"):
            inside = False
        elif cells == HEAD:
            inside = True
        elif inside and set(line) > set("| -"):
            found.append(_row(cells))
    return tuple(found)


def open_rows() -> int:
    """Return how many rows are open, as the head of the page has it."""
    return int(_OPEN.findall(PAGE.read_text(encoding="utf-8"))[0])


def _row(cells: tuple[str, ...]) -> Row:
    identity, letter, asked, place, asserted, twin = cells
    calls = []
    command = _CODE.fullmatch(place)
    if command:
        claims = _CODE.fullmatch(asserted)
        assert claims, f"{identity} {letter}: nothing is asserted"
        calls.append(Call(command=command[1], claims=claims[1]))
    if twin:
        both = re.fullmatch(rf"{_CODE.pattern}: {_CODE.pattern}", twin)
        assert both, f"{identity} {letter}: its twin must be `command`: `claims`"
        calls.append(Call(command=both[1], claims=both[2]))
    return Row(
        id=identity,
        letter=letter,
        asked=asked,
        place=place,
        calls=tuple(calls),
        has_twin=bool(twin),
    )
