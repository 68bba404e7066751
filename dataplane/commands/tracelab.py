"""`sixscope trace` in a lab: one that is built for it, or one that `lab up` has built."""

import argparse
from contextlib import AbstractAsyncContextManager, nullcontext

from dataplane.commands.inputs import prepare_shaped
from dataplane.commands.loop import Ending, run_async
from dataplane.commands.progress import Progress
from dataplane.commands.trace import conclude
from dataplane.commands.verb import UsageError
from dataplane.model.stimulus import Transport
from dataplane.session.prepare import Prepared, Shape
from dataplane.session.trace_lab import built, origin, traced
from dataplane.session.trace_sent import Wish
from labs import supervisor
from labs.control import NoSuchRunError
from labs.drive import Standing

PATIENCE = 2.0  # seconds for an answer


def run(options: argparse.Namespace) -> int:
    """Trace in the lab that the options name, and return the exit code."""
    wish = Wish(
        destination=options.destination,
        pod=options.pod,
        transport=Transport(options.protocol),
        port=options.port or 0,
        count=options.count,
        octets=options.size,
        timeout=options.timeout or PATIENCE,
    )
    if options.lab:
        standing = _standing(options.lab)
        pod, where = origin(standing.topology, wish), f"lab {options.lab}"
    else:
        prepared = prepare_shaped(options.scenario, Shape(seed=options.seed), tuple(options.fault))
        pod, where = origin(prepared.topology, wish), _called(prepared, options)

    async def main(_: Ending) -> int:
        with Progress() as progress:
            place: AbstractAsyncContextManager[Standing] = (
                nullcontext(standing) if options.lab else built(prepared, progress)
            )
            async with place as lab:
                sights, traces = await traced(lab, wish, progress)
        return conclude(options, sights, traces, origin=pod, where=where)

    return run_async(main)


def _called(prepared: Prepared, options: argparse.Namespace) -> str:
    faults = f" with {', '.join(options.fault)}" if options.fault else ""
    return f"lab {prepared.name}{faults}, seed {options.seed}"


def _standing(name: str) -> Standing:
    try:
        return supervisor.standing(name)
    except NoSuchRunError as failure:
        raise UsageError(str(failure)) from failure
