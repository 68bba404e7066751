"""`sixscope replay`: judge a recording again, anywhere, without root."""

import argparse
import sys
from pathlib import Path

from dataplane.checks import checks
from dataplane.commands.verb import UsageError, Verb, add_output, add_schema, print_schema
from dataplane.model.answer import RunResult
from dataplane.record import read
from dataplane.reports import jsonline, text
from dataplane.session.replay import rejudge
from dataplane.verify import exit_code


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("evidence", nargs="?", type=Path, metavar="EVIDENCE", help="a recording")
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(RunResult)
    if options.evidence is None:
        raise UsageError("name the recording: sixscope replay EVIDENCE")
    result = rejudge(read(options.evidence), checks())
    rendered = jsonline.render(result) if options.output == "json" else text.render(result)
    sys.stdout.write(rendered.rstrip("\n") + "\n")
    return exit_code(result.answers)


VERB = Verb(
    name="replay",
    help="judge a recording again, without root",
    configure=_configure,
    run=_run,
    order=50,
)
