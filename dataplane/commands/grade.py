"""`sixscope grade`: every fault against every check, over seeds. What is found, and what is made up."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dataplane.bench.grade import (
    FaultRow,
    Grade,
    Mark,
    Trial,
    dropped,
    fault_rows,
    grades,
    marks,
    trial,
)
from dataplane.bench.trials import MARKS, Book
from dataplane.commands.inputs import require_writable
from dataplane.commands.loop import Ending, run_async
from dataplane.commands.progress import Progress
from dataplane.commands.verb import (
    Exit,
    UsageError,
    Verb,
    add_output,
    add_schema,
    print_json,
    print_schema,
    require_root,
    say,
)
from dataplane.model.errors import LabFailedError
from dataplane.model.nearest import suggest
from dataplane.session.prepare import Shape, prepare_scenario
from dataplane.session.run import open_session
from labs import scenario as scenarios
from labs.fault import faults

SEEDS = 20
_MARKS = TypeAdapter(dict[str, Mark])


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """The JSON object of `sixscope grade`.

    `dropped` are the grades that fell behind the committed marks, `ungraded` the faults that no
    trial had: both are told of where every scenario is graded. `failed` are the trials whose lab
    failed.
    """

    trials: int
    seeds: int
    grades: tuple[Grade, ...]
    faults: tuple[FaultRow, ...]
    dropped: tuple[str, ...]
    failed: tuple[str, ...]
    ungraded: tuple[str, ...]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scenario", nargs="*", metavar="SCENARIO", help="what to grade by (every scenario)"
    )
    parser.add_argument(
        "--seeds", type=int, default=SEEDS, metavar="N", help=f"seeds of each, from 0 ({SEEDS})"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="write every trial here, repeat none"
    )
    parser.add_argument(
        "--marks", type=Path, default=MARKS, metavar="FILE", help="the grades not to fall behind"
    )
    parser.add_argument("--write-marks", action="store_true", help="write these grades there")
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Graded)
    known = scenarios.built()
    names = tuple(options.scenario) or known
    for name in names:
        if name not in known:
            advice = suggest(name, known, listing="sixscope scenarios")
            raise UsageError(f"{name}: no scenario of that name that builds a lab; {advice}")
    if options.seeds < 1:
        raise UsageError("--seeds: at least one seed is needed")
    committed = _read_marks(options.marks)
    for file in filter(None, (options.resume, options.marks if options.write_marks else None)):
        require_writable(file)
    require_root("grade")
    book = Book(options.resume)

    async def main(_ending: Ending) -> int:
        begin = time.monotonic()
        await _try_all(book, names, options.seeds)
        wanted = [t for t in book.trials if t.scenario in names and t.seed < options.seeds]
        given = grades(wanted)
        if options.write_marks:
            options.marks.write_bytes(_MARKS.dump_json(marks(given), indent=1) + b"\n")
        graded = Graded(
            trials=len(wanted),
            seeds=options.seeds,
            grades=given,
            faults=fault_rows(wanted),
            dropped=() if options.scenario or options.write_marks else dropped(given, committed),
            failed=tuple(f"{t.scenario} seed {t.seed}: {t.failure}" for t in wanted if t.failure),
            ungraded=() if options.scenario else _ungraded(wanted),
        )
        if options.output == "json":
            print_json(graded)
        else:
            sys.stdout.write("\n".join(_table(graded, time.monotonic() - begin)) + "\n")
        return _code(graded)

    return run_async(main)


def _ungraded(trials: list[Trial]) -> tuple[str, ...]:
    return tuple(sorted(set(faults()) - {fault for t in trials for fault in t.faults}))


def _read_marks(path: Path) -> dict[str, Mark]:
    try:
        return _MARKS.validate_json(path.read_bytes())
    except FileNotFoundError:
        if path == MARKS:
            return {}
        raise UsageError(f"{path}: no such file; --write-marks makes one") from None
    except ValidationError as error:
        raise UsageError(f"{path}: no grades are in there; --write-marks writes them") from error


async def _try_all(book: Book, names: tuple[str, ...], seeds: int) -> None:
    """Make the trials that are missing: every scenario with a seed before the next seed."""
    wanted = [(name, seed) for seed in range(seeds) for name in names]
    missing = [key for key in wanted if key not in book]
    if len(missing) < len(wanted):
        say(f"{len(wanted) - len(missing)} trials are in the book, {len(missing)} to be made")
    with Progress() as progress:
        for number, (name, seed) in enumerate(missing):
            progress(f"trial {number + 1} of {len(missing)}: {name}, seed {seed}")
            book.add(await _try(name, seed))


async def _try(name: str, seed: int) -> Trial:
    scenario = scenarios.load(name)
    prepared = await asyncio.to_thread(prepare_scenario, scenario, Shape(seed=seed))
    try:
        async with open_session(prepared) as session:
            conducted = await session.conduct()
    except LabFailedError as failure:
        return Trial(scenario=name, seed=seed, faults=scenario.faults, failure=str(failure))
    return trial(name, seed, scenario.faults, conducted.result)


def _table(graded: Graded, seconds: float) -> Iterator[str]:
    width = max([5, *(len(grade.check) for grade in graded.grades)])
    yield f"{'CHECK':<{width}}  FOUND          FALSE          UNKNOWN  SECONDS TO VERDICT"
    for grade in graded.grades:
        found = _of(grade.detected, grade.faulted)
        alarms = _of(grade.false_alarms, grade.sound)
        times = "-"
        if grade.seconds_median is not None and grade.seconds_most is not None:
            times = f"{grade.seconds_median:.1f} (at most {grade.seconds_most:.1f})"
        yield f"{grade.check:<{width}}  {found:<13}  {alarms:<13}  {grade.unknown:7}  {times}"
    rows = graded.faults
    width = max([5, *(len(row.fault) for row in rows)])
    if rows:
        yield ""
        yield f"{'FAULT':<{width}}  TRIALS  BROKEN"
    for row in rows:
        broken = ", ".join(f"{check} {count}" for check, count in row.broken.items())
        yield f"{row.fault:<{width}}  {row.trials:6}  {broken or '-'}"
    yield ""
    for words in graded.dropped:
        yield f"dropped: {words}"
    for words in graded.failed:
        yield f"the lab failed: {words}"
    for name in graded.ungraded:
        yield f"not graded: no trial had the fault {name}"
    yield f"{graded.trials} trials, {graded.seeds} seeds, {seconds:.0f} s"


def _of(part: int, whole: int) -> str:
    return f"{part}/{whole} {part / whole:.1%}" if whole else "-"


def _code(graded: Graded) -> int:
    """Return 1 where a check missed something, made something up or dropped; 3 where one did not know."""
    wrong = graded.dropped or any(
        grade.detected < grade.faulted or grade.false_alarms for grade in graded.grades
    )
    if wrong:
        return Exit.BROKEN
    unknown = graded.failed or any(grade.unknown for grade in graded.grades)
    return Exit.UNKNOWN if unknown or not graded.trials else Exit.HOLDS


VERB = Verb(
    name="grade",
    help="grade the checks: what they find, and what they make up",
    description="Run every scenario with every seed and count, check by check, how much of what the\n"
    "scenarios put in was found, and how much was claimed that nobody put in.",
    configure=_configure,
    run=_run,
    order=95,
)
