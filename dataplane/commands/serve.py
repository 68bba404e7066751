"""`sixscope serve EVIDENCE`: serve a recording and what it leads to."""

import argparse
from contextlib import AsyncExitStack
from pathlib import Path

from dataplane.api.live import recorded
from dataplane.api.server import serve
from dataplane.checks import checks
from dataplane.commands.listen import add_serve_options, settings_of
from dataplane.commands.loop import Ending, run_async
from dataplane.commands.verb import Exit, Verb, say
from dataplane.record import read
from dataplane.session.replay import rejudge


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("evidence", type=Path, metavar="EVIDENCE", help="a recording")
    add_serve_options(parser, switch=False)


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    evidence = read(options.evidence)
    source = recorded(evidence, rejudge(evidence, checks()))

    async def main(ending: Ending) -> int:
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(serve(source, settings))
            say(f"serving {options.evidence} on {', '.join(endpoint.urls)}; end with Ctrl-C")
            await ending.wait()
        return Exit.HOLDS

    return run_async(main)


VERB = Verb(
    name="serve",
    help="serve a recording over HTTP",
    configure=_configure,
    run=_run,
    order=55,
)
