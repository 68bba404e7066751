"""The command line: one verb per file, each ending in `VERB = Verb(...)`.

Exit codes: 0 all well, 1 something is broken, 2 it could not be done (usage, invalid manifest,
missing right or feature, port in use), 3 something is unknown (also: the lab itself failed);
129, 130 and 143 after SIGHUP, SIGINT and SIGTERM.

Only the verb that is called is imported: `attach` on a node must not need what a lab needs.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from dataplane import __version__
from dataplane.commands.verb import Exit, Layout, UsageError, Verb, report_failure, say

EPILOG = """exit codes:
  0  everything holds        1  something is broken     3  something is unknown
  2  it could not be done: usage, invalid manifest, missing right or kernel feature
"""


class _Parser(argparse.ArgumentParser):
    """A parser that leaves it to `main` how a wrong command line is told."""

    def error(self, message: str) -> NoReturn:
        """Show the usage on stderr, then raise UsageError."""
        self.print_usage(sys.stderr)
        raise UsageError(message)


def verbs() -> tuple[Verb, ...]:
    """Return the verbs of this package, in the order in which the help lists them."""
    found = (_verb(module.name) for module in pkgutil.iter_modules(__path__))
    return tuple(sorted((verb for verb in found if verb), key=lambda verb: verb.order))


def parser(given: Sequence[Verb]) -> argparse.ArgumentParser:
    """Return the parser of a command line of these verbs."""
    top = _Parser(
        prog="sixscope",
        description="Does the dataplane really do IPv6, or does something hide that it does not?",
        epilog=EPILOG,
        formatter_class=Layout,
    )
    top.add_argument("--version", action="version", version=f"sixscope {__version__}")
    choices = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in given:
        sub = choices.add_parser(
            verb.name,
            help=verb.help,
            description=verb.description or verb.help,
            formatter_class=Layout,
        )
        verb.configure(sub)
        sub.set_defaults(run=verb.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = argparse.Namespace(output=_output(words))  # until all of them are known
    try:
        known = {module.name for module in pkgutil.iter_modules(__path__)}
        called = _verb(words[0]) if words and words[0] in known else None
        options = parser((called,) if called else verbs()).parse_args(words)
        return int(options.run(options))
    except BrokenPipeError:
        # The reader of our output left (`| head`): not our error, and nothing can be said to it.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:  # where nothing is built yet, or nothing ever is
        say("sixscope: SIGINT")
        return Exit.INTERRUPTED
    except Exception as failure:  # noqa: BLE001 - the one place where errors become words and codes
        return report_failure(failure, options)


def _output(words: Sequence[str]) -> str | None:
    """Return what `-o` asks for, on a command line that may be wrong otherwise."""
    alone = argparse.ArgumentParser(add_help=False)
    alone.add_argument("-o", "--output", nargs="?")
    output: str | None = alone.parse_known_args(words)[0].output
    return output


def _verb(module: str) -> Verb | None:
    """Return the verb of a module of this package, None when it is not a verb's."""
    return getattr(importlib.import_module(f"{__name__}.{module}"), "VERB", None)
