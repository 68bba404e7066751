"""What `attach` owes to the machine it watches: a digest before and after, its own cost, a budget."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from dataplane.commands.verb import Exit, UsageError
from dataplane.kernel import bpfcall
from dataplane.session.cost import SAMPLE, Budget, Meter, require_run_times
from dataplane.session.digest import Digest, compare, take
from dataplane.session.follow import Guarded
from probes.node.interfaces import PodInterface
from probes.watch import Watch

EVERY = 5.0  # seconds from one sample to the next, where none were asked for
Tell = Callable[[Iterable[Guarded]], None]


def add_guard_options(parser: argparse.ArgumentParser, seconds: Callable[[str], float]) -> None:
    """Add what is compared before and after, and how own cost is measured and bounded."""
    parser.add_argument(
        "--digest",
        choices=("node", "pods", "none"),
        default="node",
        help="what to compare before and after: the node, or with its pods' namespaces (node)",
    )
    parser.add_argument(
        "--measure-cost",
        type=seconds,
        nargs="?",
        const=EVERY,
        metavar="T",
        help="time the programs for 1 s every T (5s), which slows all programs of the machine meanwhile",
    )
    parser.add_argument(
        "--max-overhead",
        type=_share,
        metavar="P%",
        help="end with code 3 when programs and agent take more of one CPU, twice in a row (no limit)",
    )


def _share(text: str) -> float:
    number = None
    with suppress(ValueError):
        number = float(text.removesuffix("%")) / 100
    if number is None or not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: write 2% or 0.5%, of one CPU")
    return number


class Guard:
    """What is known before anything is attached, and what becomes of it."""

    def __init__(self, options: argparse.Namespace, tell: Tell, end: Callable[[], None]) -> None:
        """Take the options of `add_guard_options`; `end` ends the watch when the budget is exceeded.

        UsageError and UnsupportedError where cost cannot be measured like that, before anything begins.
        """
        every: float | None = options.measure_cost
        if every is None and options.max_overhead is not None:
            every = EVERY
        if every is not None and every <= SAMPLE:
            raise UsageError(
                f"--measure-cost: a sample takes {SAMPLE:g} s, so leave more between two"
            )
        if every is not None:
            require_run_times()
        self._digest: str = options.digest
        self._every, self._tell, self._end = every, tell, end
        self._budget = Budget(options.max_overhead) if options.max_overhead is not None else None
        self._ours: set[int] = set()
        self.over = False

    def exit_code(self, code: int) -> int:
        """Return the verb's exit code: what came after it detached itself is unknown."""
        return Exit.UNKNOWN if self.over and code == Exit.HOLDS else code

    @asynccontextmanager
    async def digested(self, pods: Iterable[PodInterface]) -> AsyncIterator[None]:
        """Take the digest before and after the body, and tell how they compare."""
        if self._digest == "none":
            yield
            return
        within = pods if self._digest == "pods" else ()
        paths = {pod.owner: pod.namespace for pod in within if pod.namespace is not None}

        def taken() -> Digest:
            return take(paths, self._ours)

        before = await asyncio.to_thread(taken)
        yield
        after = await asyncio.to_thread(taken)
        self._tell([compare(before, after, self._ours)])

    @asynccontextmanager
    async def measured(self, watch: Watch) -> AsyncIterator[None]:
        """Measure what watching costs while the body runs, and tell the total at its end."""
        self._ours = {bpfcall.program_info(number).id for number in watch.programs.values()}
        meter = Meter(lambda: watch.programs)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            if self._every is not None:
                tasks.create_task(self._repeat(meter, self._every, over))
            try:
                yield
            finally:
                over.set()
        self._tell([meter.total()])

    async def _repeat(self, meter: Meter, every: float, over: asyncio.Event) -> None:
        async def pause(seconds: float) -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), seconds)

        while not over.is_set():
            await pause(every - SAMPLE)
            if over.is_set():
                return
            with meter.sampling():
                await pause(SAMPLE)
            if over.is_set():
                return
            cost = meter.window()
            self._tell([cost])
            exceeded = self._budget.exceeded(cost) if self._budget is not None else None
            if exceeded is not None:
                self._tell([exceeded])
                self.over = True
                self._end()
                return
