"""`sixscope scenarios`: what can be run, and what is expected of it."""

import argparse
from dataclasses import dataclass

from dataplane.commands.verb import Exit, Verb, add_output, add_schema, print_json, print_schema
from labs import scenario as scenarios
from labs.scenario import Wanted, WantedProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One scenario of the list; `expect` names the checks that are not to hold.

    Where there are `expect_problems`, no lab is built: the manifest has these problems.
    """

    name: str
    title: str
    engine: str
    tags: tuple[str, ...]
    expect: dict[str, Wanted]
    expect_problems: tuple[WantedProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The JSON object of `sixscope scenarios`."""

    scenarios: tuple[Entry, ...]


def _configure(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Listing)
    entries = tuple(
        Entry(
            name=s.name,
            title=s.title,
            engine=s.engine,
            tags=s.tags,
            expect=s.expect,
            expect_problems=s.expect_problems,
        )
        for s in map(scenarios.load, scenarios.names())
    )
    if options.output == "json":
        print_json(Listing(scenarios=entries))
        return Exit.HOLDS
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        print(f"{entry.name:<{width}}  {entry.title}")
        print(f"{'':<{width}}  {_summary(entry)}")
    return Exit.HOLDS


def _summary(entry: Entry) -> str:
    """Return in a few words what is to be found."""
    if entry.expect_problems:
        fields = dict.fromkeys(problem.field for problem in entry.expect_problems)
        return f"not built: problems of {', '.join(fields)}"
    broken = ", ".join(name for name, want in entry.expect.items() if want.state == "broken")
    return f"breaks {broken}" if broken else "healthy"


VERB = Verb(
    name="scenarios",
    help="list the scenarios and what is expected of them",
    configure=_configure,
    run=_run,
    order=30,
)
