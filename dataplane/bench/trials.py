"""The book of trials: one JSON line per trial, so that hours of grading survive being interrupted.

The first line says which code the trials were made with: a digest of the sources of the three
packages. Trials of other code count for nothing, and are refused rather than mixed in.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dataplane.bench.grade import Trial
from dataplane.model.problem import InvalidInputError
from dataplane.rules.fielderror import unreadable

ROOT = Path(__file__).resolve().parents[2]
MARKS = Path(__file__).with_name("marks.json")  # what came of trials, no part of them
PACKAGES = ("dataplane", "labs", "probes")
_TRIAL = TypeAdapter(Trial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """The first line of a book."""

    sources: str


_TITLE = TypeAdapter(Title)


def sources() -> str:
    """Return the digest of the code that makes, watches and judges a lab."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path != MARKS:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class Book:
    """Trials that were made, and a place for more; without a path they are kept in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the book at `path`, begin it where there is none; InvalidInputError when it is none."""
        self._path = path
        self.trials: list[Trial] = []
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            self.trials += _read(path)
        # Anew: a line that was cut short must not become the beginning of the next one.
        lines = [_TITLE.dump_json(Title(sources=sources())), *map(_TRIAL.dump_json, self.trials)]
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_bytes(b"".join(line + b"\n" for line in lines))
        fresh.replace(path)

    def __contains__(self, key: tuple[str, int]) -> bool:
        """Tell whether a scenario has been tried with a seed. A lab that failed is tried again."""
        return any((t.scenario, t.seed) == key and not t.failure for t in self.trials)

    def add(self, trial: Trial) -> None:
        """Write a trial down; it is on disk when this returns."""
        self.trials = [
            t for t in self.trials if (t.scenario, t.seed) != (trial.scenario, trial.seed)
        ]
        self.trials.append(trial)
        if self._path is not None:
            with self._path.open("ab") as out:
                out.write(_TRIAL.dump_json(trial) + b"\n")


def write_down(path: Path, trial: Trial) -> None:
    """Add a trial to the book at `path`, which several processes may do at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as out:
        fcntl.flock(out, fcntl.LOCK_EX)
        if not out.seek(0, os.SEEK_END):
            out.write(_TITLE.dump_json(Title(sources=sources())) + b"\n")
        out.write(_TRIAL.dump_json(trial) + b"\n")


def _read(path: Path) -> Iterator[Trial]:
    lines = path.read_bytes().splitlines()
    try:
        made_with = _TITLE.validate_json(lines[0]).sources
    except (ValidationError, IndexError) as error:
        raise _refused(path, 1, "this is no book of trials", "name another file") from error
    if made_with != sources():
        detail = f"its trials were made with other code ({made_with}, now {sources()})"
        raise _refused(path, 1, detail, "begin a new file: the code has changed since")
    found: dict[tuple[str, int], Trial] = {}
    for number, line in enumerate(lines[1:], start=2):
        try:
            trial = _TRIAL.validate_json(line)
        except ValidationError as error:
            if number == len(lines):  # the last word of a run that was killed
                break
            raise _refused(path, number, "this is no trial", "take the line out") from error
        found[trial.scenario, trial.seed] = trial
    yield from found.values()


def _refused(path: Path, line: int, detail: str, remedy: str) -> InvalidInputError:
    return InvalidInputError(str(path), [unreadable(detail, remedy=remedy, line=line)])
