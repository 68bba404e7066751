"""What a verb is, and what every verb shares: output formats, and errors as words and exit codes."""

import argparse
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dataplane.model.errors import LabFailedError, ProbeRefusedError, UnsupportedError
from dataplane.model.problem import InvalidInputError, Problem


class Exit(IntEnum):
    """Exit codes of the command."""

    HOLDS = 0
    BROKEN = 1
    REFUSED = 2
    UNKNOWN = 3
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class UsageError(Exception):
    """A command line that cannot be carried out; the message says what to do instead."""


class Layout(argparse.RawDescriptionHelpFormatter):
    """How help looks: as wide as the terminal, 100 at most; the same under every Python."""

    def __init__(self, prog: str) -> None:
        width = min(shutil.get_terminal_size().columns - 2, 100)
        super().__init__(prog, max_help_position=30, width=width)

    def add_argument(self, action: argparse.Action) -> None:
        """Make room for the names of verbs, which stand further in; argparse forgets that."""
        super().add_argument(action)
        for verb in self._iter_indented_subactions(action):
            length = self._current_indent + len(self._format_action_invocation(verb))
            self._action_max_length = max(self._action_max_length, length)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Write `-o, --output {text,json}`, as Python 3.13 does, not the choices twice."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A verb: how it is called, what it does, where it stands in the help."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    order: int = 100
    description: str = ""


def add_runtime_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add where the node's root is, and which socket its container runtime answers at."""
    parser.add_argument(
        "--node-root",
        type=Path,
        metavar="DIR",
        help="where the node's root directory is (that of process 1)",
    )
    parser.add_argument(
        "--cri",
        metavar="SOCKET",
        help="ask the container runtime here; none: nobody is asked (containerd's, CRI-O's, k3s')",
    )


def add_output(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add `-o/--output`, which every verb with a result has: text, json and `more`."""
    choices = ("text", "json", *more)
    parser.add_argument(
        "-o", "--output", choices=choices, default="text", help="how to print (text)"
    )


def add_schema(parser: argparse.ArgumentParser) -> None:
    """Add `--schema`, which prints the JSON schema of the verb's JSON output and does nothing else."""
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of -o json")


def print_json(value: object, kind: Any = None) -> None:  # noqa: ANN401 - a type form, see pydantic
    """Print one JSON object on a line of its own."""
    print(TypeAdapter(kind or type(value)).dump_json(value).decode())


def print_schema(kind: Any) -> int:  # noqa: ANN401 - a type form, see pydantic
    """Print the JSON schema of a type."""
    print(json.dumps(TypeAdapter(kind).json_schema(mode="serialization"), indent=2))
    return Exit.HOLDS


def say(message: str) -> None:
    """Tell the person at the terminal something that is not the result."""
    print(message, file=sys.stderr, flush=True)


def describe(problem: Problem, name: str) -> str:
    """Return a problem as one or two lines: where, what, why, and what to do."""
    place = f"{name}:{problem.line}" if problem.line else name
    lines = [f"{place}: {problem.severity}: {problem.message}"]
    if problem.remedy:
        lines.append(f"    -> {problem.remedy}")
    return "\n".join(lines)


def report_failure(failure: Exception, options: argparse.Namespace) -> int:
    """Say on stderr what went wrong (and as JSON on stdout when asked for), return the exit code."""
    code, message, problems = _classify(failure)
    say(f"sixscope: {message}")
    for problem in problems:
        say(describe(problem, getattr(failure, "name", "input")))
    if getattr(options, "output", "text") == "json":
        adapter = TypeAdapter(tuple[Problem, ...])
        error = {"message": message, "problems": adapter.dump_python(problems, mode="json")}
        print(json.dumps({"error": error}))
    return code


def _classify(failure: Exception) -> tuple[int, str, tuple[Problem, ...]]:
    """Return exit code, message and problems of a failure."""
    match failure:
        case InvalidInputError():
            return Exit.REFUSED, str(failure), failure.problems
        case LabFailedError():
            return Exit.UNKNOWN, f"the lab failed, so nothing is known: {failure}", ()
        case PermissionError():
            return Exit.REFUSED, f"not permitted: {failure}; run it as root", ()
        case UsageError() | UnsupportedError() | ProbeRefusedError() | OSError():
            return Exit.REFUSED, str(failure), ()
        case BaseExceptionGroup() if len(failure.exceptions) == 1:
            inner = failure.exceptions[0]
            if isinstance(inner, Exception):
                return _classify(inner)
    if os.environ.get("SIXSCOPE_TRACEBACK"):
        traceback.print_exception(failure)
    kind = type(failure).__name__
    hint = "this is a fault of sixscope; SIXSCOPE_TRACEBACK=1 shows where"
    return Exit.UNKNOWN, f"{kind}: {failure} ({hint})", ()


def require_root(what: str) -> None:
    """Raise UnsupportedError unless this process may create namespaces and load programs."""
    if os.geteuid() != 0:
        raise UnsupportedError(what, needs="root", found=f"user id {os.geteuid()}; try sudo")
