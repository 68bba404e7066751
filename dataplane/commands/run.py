"""`sixscope run`: build a cluster, watch it, say what is true of it. The main job."""

import argparse
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from dataplane.api.live import LiveSource
from dataplane.api.server import serve
from dataplane.api.settings import Settings
from dataplane.commands.inputs import add_plan_options, prepare, require_writable
from dataplane.commands.listen import add_serve_options, settings_of
from dataplane.commands.loop import Ending, run_async
from dataplane.commands.progress import Progress
from dataplane.commands.refuse import expected_refusal, refuse
from dataplane.commands.verb import (
    Exit,
    UsageError,
    Verb,
    add_output,
    add_schema,
    print_schema,
    require_root,
    say,
)
from dataplane.model.answer import RunResult
from dataplane.record import write
from dataplane.reports import jsonline, junit, text
from dataplane.session.prepare import Prepared
from dataplane.session.run import open_session
from dataplane.verify import exit_code


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        default="default",
        metavar="SCENARIO|MANIFEST",
        help="what to build (default)",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="F", help="put a fault in; repeatable"
    )
    add_plan_options(parser)
    parser.add_argument(
        "--no-probes",
        action="store_true",
        help="attach nothing: what rests on packets must be unknown",
    )
    parser.add_argument(
        "--mode",
        choices=("tc", "zero-touch"),
        default="tc",
        help="watch in traffic control, or with nothing attached to any device (tc)",
    )
    parser.add_argument(
        "--expect", action="store_true", help="exit 0 when the scenario's expectations are met"
    )
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="write the recording here")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit report here")
    add_serve_options(parser)
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(RunResult)
    refusal = expected_refusal(options)
    if refusal is not None:
        return refuse(refusal, options)
    prepared = prepare(options)
    if options.expect and prepared.expected is None:
        raise UsageError(
            "--expect needs a scenario without further faults: nothing is expected here"
        )
    settings = settings_of(options) if options.serve else None
    for file in filter(None, (options.evidence, options.junit)):
        require_writable(file)
    require_root(f"run {prepared.name}")

    async def main(ending: Ending) -> int:
        async with AsyncExitStack() as stack:
            source = await _served(stack, prepared, settings) if settings else None
            probes = not options.no_probes
            with Progress() as progress:
                async with open_session(
                    prepared, probes=probes, mode=options.mode, source=source, say=progress
                ) as session:
                    conducted = await session.conduct()
            if options.evidence:
                write(options.evidence, conducted.evidence)
            _show(conducted.result, options)
            if source is not None:
                source.close()
                say("the run is over, its result is being served; end with Ctrl-C")
                await ending.wait()
        if options.expect:
            return Exit.HOLDS if conducted.result.met else Exit.BROKEN
        return exit_code(conducted.result.answers)

    return run_async(main)


async def _served(stack: AsyncExitStack, prepared: Prepared, settings: Settings) -> LiveSource:
    """Open the endpoint before anything is built, so that a port in use costs nothing."""
    source = LiveSource()
    source.describe(plan=prepared.plan, topology=prepared.topology)
    endpoint = await stack.enter_async_context(serve(source, settings))
    say(f"serving on {', '.join(endpoint.urls)}")
    return source


def _show(result: RunResult, options: argparse.Namespace) -> None:
    if options.junit:
        options.junit.write_text(junit.render(result))
    if options.output == "json":
        sys.stdout.write(jsonline.render(result).rstrip("\n") + "\n")
    else:
        sys.stdout.write(text.render(result, colour=sys.stdout.isatty()).rstrip("\n") + "\n")
    sys.stdout.flush()


VERB = Verb(
    name="run",
    help="build a cluster, watch it, and say what is true of it",
    description="Build the cluster of a scenario or a manifest as network namespaces, watch its pod\n"
    "interfaces with eBPF, and judge what was seen against what the manifest promises.",
    configure=_configure,
    run=_run,
    order=0,
)
