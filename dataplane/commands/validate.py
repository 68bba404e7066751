"""`sixscope validate`: all problems of a manifest, with their YAML paths."""

import argparse
from collections import Counter
from dataclasses import dataclass

from dataplane import manifest
from dataplane.commands.inputs import read_text
from dataplane.commands.verb import (
    Exit,
    Verb,
    add_output,
    add_schema,
    describe,
    print_json,
    print_schema,
)
from dataplane.model.problem import Problem, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The JSON object of `sixscope validate`."""

    valid: bool
    problems: tuple[Problem, ...]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", nargs="?", metavar="FILE", help="a manifest, - for stdin")
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Validation)
    name = options.manifest or "-"
    problems = manifest.parse(read_text(name), name=name).problems
    valid = all(problem.severity is not Severity.ERROR for problem in problems)
    if options.output == "json":
        print_json(Validation(valid=valid, problems=problems))
    else:
        for problem in problems:
            print(describe(problem, name))
        counts = Counter(problem.severity for problem in problems)
        found = "".join(f", {counts[s]} {s}{'s'[counts[s] == 1 :]}" for s in counts)
        print(f"{name}: {'valid' if valid else 'not valid'}{found}")
    unreadable = any(problem.type == "Unreadable" for problem in problems)
    return Exit.REFUSED if unreadable else Exit.HOLDS if valid else Exit.BROKEN


VERB = Verb(
    name="validate",
    help="list all problems of a manifest",
    configure=_configure,
    run=_run,
    order=10,
)
