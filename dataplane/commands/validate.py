"""`sixscope validate`: all problems of manifests, with their YAML paths."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from pydantic import Field

from dataplane.commands.inputs import read_text
from dataplane.commands.validate_lines import validate_lines
from dataplane.commands.validate_text import render
from dataplane.commands.verb import (
    Exit,
    UsageError,
    Verb,
    add_output,
    add_schema,
    print_json,
    print_schema,
    say,
)
from dataplane.manifest.case import PROFILES
from dataplane.manifest.documents import Document, read_documents
from dataplane.manifest.lines import Answer
from dataplane.manifest.severity import is_unreadable, is_valid
from dataplane.manifest.validation import (
    GATES,
    Judged,
    Sheet,
    Terms,
    judge,
    read_sheet,
    unreadable,
)
from dataplane.model.problem import Problem

DESCRIPTION = """List all problems of manifests: YAML or JSON, any number of files and documents.

An error is what Gardener, Kubernetes or a provider refuses; what the IPv6 proposals or sixscope
recommend is a warning. Kinds that no rule is about are left alone.
Exit code: 0 valid, 1 errors, 2 unreadable input or wrong usage."""
SEED = "Seed"
_Unless = Field(exclude_if=lambda value: value is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem(Problem):
    """A problem of a document of a file.

    `document` counts from 0 in each file; `file` is there where several files were given, and is
    the name that the command line gave it.
    """

    file: Annotated[str | None, _Unless] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaulted:
    """The fields of an object that defaulting is about, as an API server leaves them.

    Field path to value, null where it stays unset; `document` counts from 0 in each file.
    """

    document: int
    title: str
    fields: dict[str, object]
    file: Annotated[str | None, _Unless] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The JSON object of `sixscope validate`; `defaulted` only with --defaulted."""

    valid: bool
    problems: tuple[FileProblem, ...]
    defaulted: Annotated[tuple[Defaulted, ...] | None, _Unless] = None


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("manifest", nargs="*", metavar="FILE", help="manifests, - for stdin (-)")
    parser.add_argument("--old", metavar="FILE", help="the objects as they were before an update")
    parser.add_argument("--seed", metavar="FILE", help="the Seed that Shoots are admitted for")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        help="whose rules: today's Gardener (current), its release that brought GEP-21 (gep21), "
        "or today's plus keywords (proposal: what a networking section without a Shoot gets)",
    )
    parser.add_argument(
        "--feature-gate",
        action="append",
        default=[],
        metavar="NAME=BOOL",
        help="a gate of gep21: IPv6SingleStack=true|false (true)",
    )
    parser.add_argument(
        "--defaulted", action="store_true", help="show what an API server fills in, too"
    )
    parser.add_argument("--strict", action="store_true", help="make recommendations errors")
    parser.add_argument(
        "--jsonl",
        action="store_true",
        help='answer cases on stdin, each a line such as {"object": {...}}',
    )
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Answer if options.jsonl else Validation)
    terms = Terms(
        profile=options.profile,
        gates=_gates(options.feature_gate, options.profile),
        strict=options.strict,
    )
    if options.jsonl:
        if options.manifest or options.old or options.seed or options.defaulted:
            raise UsageError(
                "--jsonl takes all from the lines: old, seed, stage; leave out the rest"
            )
        return validate_lines(terms)
    names = options.manifest or ["-"]
    if [*names, options.old, options.seed].count("-") > 1:
        raise UsageError("standard input can be read once only; give files instead of -")
    before = _documents(options.old) if options.old else ()
    seeds = _seeds(options.seed) if options.seed else ()
    sheets = tuple(_sheet(name) for name in names)
    judged = judge(sheets, terms, before=before, seeds=seeds, defaults=options.defaulted)
    problems = [p for sheet in sheets for p in sheet.problems]
    problems += [p for found in judged for p in found.problems]
    if options.output == "json":
        print_json(_validation(sheets, judged, defaults=options.defaulted))
    else:
        print(render(sheets, judged, defaults=options.defaulted))
    if is_unreadable(problems):
        return Exit.REFUSED
    return Exit.HOLDS if is_valid(problems) else Exit.BROKEN


def _sheet(name: str) -> Sheet:
    """Read one of the files; what cannot be read must not keep the others from being judged."""
    if name != "-" and not Path(name).exists():
        return unreadable(name, "no such file", remedy="name a file, or - for standard input")
    try:
        return read_sheet(read_text(name), name=name)
    except (UsageError, OSError) as error:
        return unreadable(name, str(error).removeprefix(f"{name}: "))


def _documents(name: str) -> tuple[Document, ...]:
    if name != "-" and not Path(name).exists():
        raise UsageError(f"{name}: no such file")
    return read_documents(read_text(name), name=name)


def _seeds(name: str) -> tuple[Document, ...]:
    """Return the Seeds of a file; UsageError when there is none."""
    seeds = tuple(
        document
        for document in _documents(name)
        if isinstance(document.value, dict) and document.value.get("kind") == SEED
    )
    if not seeds:
        raise UsageError(f"{name}: holds no object of kind {SEED}; give the manifest of one")
    return seeds


def _gates(given: Sequence[str], profile: str | None) -> frozenset[str]:
    """Return the feature gates that are on; UsageError for one that no profile knows."""
    on = set(GATES)
    for word in given:
        name, _, value = word.partition("=")
        if name not in GATES or value not in {"true", "false"}:
            known = ", ".join(f"{gate}=true|false" for gate in sorted(GATES))
            raise UsageError(f"--feature-gate {word}: is unknown; known are: {known}")
        (on.add if value == "true" else on.discard)(name)
    if given and profile != "gep21":
        say(
            "sixscope: --feature-gate only matters to --profile gep21; today's Gardener has no gate"
        )
    return frozenset(on)


def _validation(sheets: Sequence[Sheet], judged: Sequence[Judged], *, defaults: bool) -> Validation:
    several = len(sheets) > 1
    problems: list[FileProblem] = []
    defaulted: list[Defaulted] = []
    for place, sheet in enumerate(sheets):
        file = sheet.name if several else None
        own = [found for found in judged if found.sheet == place]
        found_there = [*sheet.problems, *(p for found in own for p in found.problems)]
        problems += [_filed(problem, file) for problem in found_there]
        defaulted += [
            Defaulted(document=found.document, title=found.title, fields=found.defaulted, file=file)
            for found in own
            if found.judged
        ]
    return Validation(
        valid=is_valid(problems),
        problems=tuple(problems),
        defaulted=tuple(defaulted) if defaults else None,
    )


def _filed(problem: Problem, file: str | None) -> FileProblem:
    same = {field.name: getattr(problem, field.name) for field in fields(Problem)}
    return FileProblem(**same, file=file)


VERB = Verb(
    name="validate",
    help="list all problems of a manifest",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
    order=10,
)
