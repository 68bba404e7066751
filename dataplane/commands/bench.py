"""`sixscope bench`: the project's figures, as ratios to a peer or a limit, taken here and now."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dataplane.bench import endpoint, lab, programs, verdict
from dataplane.bench.ratio import Row
from dataplane.commands.progress import Progress
from dataplane.commands.verb import (
    Exit,
    Verb,
    add_output,
    add_schema,
    print_json,
    print_schema,
    require_root,
)

SUBJECTS: dict[str, Callable[[], Iterable[Row]]] = {
    "programs": programs.rows,
    "lab": lab.rows,
    "endpoint": endpoint.rows,
    "verdict": verdict.rows,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The JSON object of `sixscope bench`."""

    figures: tuple[Row, ...]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        nargs="*",
        choices=(*SUBJECTS, []),
        metavar="SUBJECT",
        help=f"of {', '.join(SUBJECTS)} (all)",
    )
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Figures)
    require_root("bench")
    figures: list[Row] = []
    begin = time.monotonic()
    with Progress() as progress:
        for subject in options.subject or SUBJECTS:
            progress(f"measuring: {subject}")
            for row in SUBJECTS[subject]():
                figures.append(row)
                progress(f"measuring: {subject}, {len(figures)} figures")
    if options.output == "json":
        print_json(Figures(figures=tuple(figures)))
        return Exit.HOLDS
    width = max(len(row.name) for row in figures)
    sys.stdout.write(f"{'FIGURE':<{width}}  MEDIAN  95 % INTERVAL    GOAL  PAIRS  VERDICT\n")
    for row in figures:
        sys.stdout.write(
            f"{row.name:<{width}}  {row.median:6.2f}  {row.low:6.2f} - {row.high:<6.2f}  "
            f"{row.goal:4.1f}{row.unit:<2} {row.pairs:4}  {row.verdict}\n"
        )
    sys.stdout.write(f"taken in {time.monotonic() - begin:.0f} s\n")
    return Exit.HOLDS


VERB = Verb(
    name="bench",
    help="measure the project's figures, as ratios within one run",
    configure=_configure,
    run=_run,
    order=90,
)
