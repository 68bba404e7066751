"""The command line: one verb per file, each ending in `VERB = Verb(...)`.

Exit codes: 0 all well, 1 something is broken, 2 it could not be done (usage, invalid manifest,
missing right or feature, port in use), 3 something is unknown (also: the lab itself failed);
130 and 143 after SIGINT and SIGTERM.

Only the verb that is called is imported: `attach` on a node must not need what a lab needs.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from dataplane import __version__
from dataplane.commands.verb import Verb, report_failure

EPILOG = """exit codes:
  0  everything holds        1  something is broken     3  something is unknown
  2  it could not be done: usage, invalid manifest, missing right or kernel feature
"""


def verbs() -> tuple[Verb, ...]:
    """Return the verbs of this package, in the order in which the help lists them."""
    found = (_verb(module.name) for module in pkgutil.iter_modules(__path__))
    return tuple(sorted((verb for verb in found if verb), key=lambda verb: verb.order))


def parser(given: Sequence[Verb]) -> argparse.ArgumentParser:
    """Return the parser of a command line of these verbs."""
    top = argparse.ArgumentParser(
        prog="sixscope",
        description="Does the dataplane really do IPv6, or does something hide that it does not?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"sixscope {__version__}")
    choices = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in given:
        sub = choices.add_parser(
            verb.name,
            help=verb.help,
            description=verb.description or verb.help,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.configure(sub)
        sub.set_defaults(run=verb.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    known = {module.name for module in pkgutil.iter_modules(__path__)}
    called = _verb(words[0]) if words and words[0] in known else None
    options = parser((called,) if called else verbs()).parse_args(words)
    try:
        return int(options.run(options))
    except BrokenPipeError:
        # The reader of our output left (`| head`): not our error, and nothing can be said to it.
        sys.stderr.close()
        return 0
    except Exception as failure:  # noqa: BLE001 - the one place where errors become words and codes
        return report_failure(failure, options)


def _verb(module: str) -> Verb | None:
    """Return the verb of a module of this package, None when it is not a verb's."""
    return getattr(importlib.import_module(f"{__name__}.{module}"), "VERB", None)
