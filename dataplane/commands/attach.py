"""`sixscope attach`: follow the pods of this machine live, change nothing, leave no trace."""

import argparse
import asyncio
import re
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from dataplane.api.live import REMEMBERED, LiveSource
from dataplane.api.server import serve
from dataplane.api.tables import PagedFlows
from dataplane.commands.exports import add_export_options, exporting
from dataplane.commands.guard import Guard, add_guard_options
from dataplane.commands.listen import add_serve_options, settings_of
from dataplane.commands.loop import Ending, run_async
from dataplane.commands.sources import Knowledge, Sources, add_source_options
from dataplane.commands.verb import (
    UsageError,
    Verb,
    add_output,
    add_schema,
    print_schema,
    require_root,
    say,
)
from dataplane.kernel import cgroup
from dataplane.kernel.hooks import Wish
from dataplane.kernel.netlink import links
from dataplane.kernel.presence import present
from dataplane.kernel.rtnetlink import drain, link_events
from dataplane.model.errors import UnsupportedError
from dataplane.model.topology import Tap
from dataplane.session.feed import consumed, every
from dataplane.session.follow import Attached, Follower, HookSet, NodeFound, Told
from dataplane.session.follow_text import line
from dataplane.session.mode import MODES, ModeChosen, choose, possible
from dataplane.session.residents import Residents
from probes.flows import ENTRIES
from probes.node.cni import recognised
from probes.node.interfaces import PodInterface, host_pods, named, pod_interfaces, uplinks
from probes.node.pods import Pods
from probes.watch import Watch, kept

JUDGED = 15.0  # seconds between two answers that are served
ROOM = 256  # interfaces that may come while we look; each takes 128 octets on every CPU
FEWEST, MOST = 1024, 4_194_304  # entries of the flow table
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
NOTES = {
    "auto": "TCX, head of the chain; gone with this process, whatever ends it",
    "tcx": "TCX, head of the chain; gone with this process, whatever ends it",
    "clsact": "clsact filter, returns 'next'; a SIGKILL leaves it until `sixscope doctor --sweep`",
    "raw-tracepoint": "nothing is attached to it; gone with this process, whatever ends it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What is watched, and where: taps, control groups of processes, whose namespaces those are."""

    node: NodeFound
    taps: tuple[Tap, ...]
    cgroups: Mapping[str, Path]
    owners: Mapping[int, str]
    pods: tuple[PodInterface, ...]


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text}: write 30s, 10m or 1h")
    return float(match[1]) * UNITS[match[2]]


def _entries(text: str) -> int:
    if not text.isdecimal() or not FEWEST <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text}: write a number from {FEWEST} to {MOST}")
    return int(text)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--interface",
        action="append",
        default=[],
        metavar="IF",
        help="watch this one (those of the pods); repeatable",
    )
    parser.add_argument(
        "--uplink",
        action="append",
        default=[],
        metavar="IF",
        help="where packets leave the node (those of the default routes)",
    )
    parser.add_argument(
        "--duration", type=_seconds, default=600.0, metavar="T", help="how long (10m)"
    )
    parser.add_argument(
        "--interval", type=_seconds, default=1.0, metavar="T", help="between two looks (1s)"
    )
    add_source_options(parser)
    parser.add_argument(
        "--every-process", action="store_true", help="attempts of processes outside the pods, too"
    )
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="where to watch: in traffic control, or with nothing attached to any device (what suits "
        "this machine)",
    )
    parser.add_argument(
        "--hook",
        choices=("auto", "tcx", "clsact"),
        default="auto",
        help="how to watch in traffic control (tcx)",
    )
    add_guard_options(parser, _seconds)
    parser.add_argument(
        "--flow-entries",
        type=_entries,
        default=ENTRIES,
        metavar="N",
        help=f"room for so many flows, 100 octets each and 50 more for every CPU ({ENTRIES})",
    )
    add_export_options(parser)
    add_serve_options(parser)
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Told)
    settings = settings_of(options) if options.serve else None
    require_root("attach")
    if options.mode == "zero-touch" and options.hook != "auto":
        raise UsageError("--mode zero-touch attaches nothing to a device: leave --hook out")
    sources = Sources(options)
    targets = _targets(options, sources)
    known = Knowledge(sources, targets.pods)
    chosen = choose(options.mode, options.hook, possible(targets.taps))

    async def main(ending: Ending) -> int:
        guard = Guard(options, lambda told: _tell(told, options.output), ending.enough)
        async with AsyncExitStack() as stack:
            source = None
            if settings:
                source = LiveSource(remembered=kept(options.flow_entries, REMEMBERED))
                source.describe(plan=None, taps=targets.taps)
                endpoint = await stack.enter_async_context(serve(source, settings))
                say(f"serving on {', '.join(endpoint.urls)}")
            _tell([targets.node, chosen, *known.told()], options.output)
            await stack.enter_async_context(guard.digested(targets.pods))
            _tell(_hooks(targets, chosen, options.hook), options.output)
            if options.hook == "clsact":
                stack.enter_context(present("clsact"))
            await stack.enter_async_context(
                _following(targets, chosen, source, known, guard, options)
            )
            await ending.wait(options.duration)
        return guard.exit_code(known.exit_code)

    return run_async(main)


def _targets(options: argparse.Namespace, sources: Sources) -> Targets:
    """Find what to watch; everything is found out before anything is attached."""
    files = sources.pods()
    found = pods = pod_interfaces(files)
    if options.interface:
        taps = tuple(named(name) for name in dict.fromkeys(options.interface))
        pods = tuple(pod for pod in found if pod.index in {tap.index for tap in taps})
        known = {pod.index: pod.tap() for pod in pods}
        taps = tuple(known.get(tap.index, tap) for tap in taps)
    else:
        away = tuple(named(name) for name in options.uplink) or uplinks()
        taps = (*(pod.tap() for pod in pods), *away)
        if not pods:
            raise UsageError(
                "no interface here leads to another network namespace, so there are no pods to "
                "watch; name one with --interface, or run this in the node's namespace"
            )
    cgroups: dict[str, Path] = {}
    with suppress(UnsupportedError):  # said by the probe's report: connects are unknown then
        cgroups = {"": cgroup.root()}  # all of them; pods are told apart by their namespace
    owners = {pod.cookie: pod.owner for pod in pods if pod.cookie}
    node = _node(files, found, sources)
    return Targets(node=node, taps=taps, cgroups=cgroups, owners=owners, pods=pods)


def _node(files: Pods, pods: Iterable[PodInterface], sources: Sources) -> NodeFound:
    plugin = recognised(links(), pods, sources.root)
    return NodeFound(
        cni=plugin.name,
        because=plugin.because,
        caveats=plugin.caveats,
        host_network=tuple(pod.called for pod in host_pods(files)),
        contradictions=files.contradictions,
        unasked=sources.unasked,
    )


def _hooks(targets: Targets, chosen: ModeChosen, hook: str) -> Iterable[Told]:
    """Say which hooks will be set, before they are."""
    if chosen.mode == "zero-touch":
        hook = "raw-tracepoint"
    for tap in targets.taps:
        yield HookSet(where=tap.interface, hook=hook, owner=tap.owner, note=NOTES[hook])
    for path in targets.cgroups.values():
        yield HookSet(
            where=str(path), hook="cgroup-link", owner="every process", note="connect, sendmsg"
        )


@contextmanager
def _links_watched(stirred: threading.Event, stir: asyncio.Event) -> Iterator[None]:
    """Set both whenever a link of this namespace has come, changed or gone, while the body runs."""
    loop = asyncio.get_running_loop()

    def read(channel: socket.socket) -> None:
        drain(channel)
        stirred.set()
        stir.set()

    with link_events() as channel:
        loop.add_reader(channel, read, channel)
        try:
            yield
        finally:
            loop.remove_reader(channel)


@asynccontextmanager
async def _following(  # noqa: PLR0913, PLR0917 - all that a session consists of, each once
    targets: Targets,
    chosen: ModeChosen,
    source: LiveSource | None,
    known: Knowledge,
    guard: Guard,
    options: argparse.Namespace,
) -> AsyncIterator[None]:
    """Attach, tell what is new at intervals, and detach; then tell the totals."""
    hook: Wish = "tcx" if options.hook == "auto" else options.hook
    try:
        watch = await _opened(targets, chosen, hook, options.flow_entries)
    except UnsupportedError as lacking:
        if chosen.mode != "tc" or hook != "tcx":
            raise
        raise UnsupportedError(
            lacking.what,
            needs=lacking.needs,
            found=f"{lacking.found}; `--mode zero-touch` may do, and `--hook clsact` would, but a "
            "SIGKILL would leave its filters (and a clsact qdisc where there is none) until `sixscope "
            "doctor --sweep`",
        ) from lacking
    with ExitStack() as stack:
        stack.enter_context(watch)
        follower = Follower(
            watch,
            targets.taps,
            targets.owners,
            everybody=options.every_process,
            blame=known.blame,
            forensics=known.forensics(targets.taps),
        )
        follower.keep(options.flow_entries)
        follower.export = stack.enter_context(exporting(options))
        residents = Residents(targets.pods, targets.taps, time.monotonic())
        stirred = threading.Event()
        due = 0.0

        def look(*, last: bool = False) -> None:
            nonlocal due
            told: list[Told] = []
            now = time.monotonic()
            if stirred.is_set() or residents.expects_names(now):
                stirred.clear()
                found = pod_interfaces(known.sources.pods())
                told += [follower.settle(m, hook=hook) for m in residents.compare(found, now)]
            told += follower.look(last=last)
            _tell(told, options.output)
            if source is not None:
                follower.publish(told, source)
                follower.count(source)
                if now >= due and not last:
                    due = now + JUDGED
                    follower.publish(known.answers(follower), source)

        if source is not None:
            source.watch(flows=lambda: PagedFlows(watch.snapshot()), reports=watch.reports)
            follower.publish(known.told(), source)
        attached = Attached(time_ns=time.monotonic_ns(), interfaces=len(targets.taps))
        _tell([attached], options.output)
        with consumed(watch):
            stir = asyncio.Event()
            with nullcontext() if options.interface else _links_watched(stirred, stir):
                async with every(options.interval, look, stir), guard.measured(watch):
                    yield
            await asyncio.to_thread(look, last=True)
            answers = await asyncio.to_thread(known.answers, follower)
            if source is not None:
                follower.publish(answers, source)
                await source.settle(await asyncio.to_thread(follower.evidence))
            _tell(answers, options.output)
        _tell(follower.totals(), options.output)


async def _opened(targets: Targets, chosen: ModeChosen, hook: Wish, entries: int) -> Watch:
    """Attach on a worker thread; cancelled meanwhile, take away what it attaches all the same.

    A thread cannot be cancelled, and clsact filters do not go with the process.
    """
    opening = asyncio.get_running_loop().run_in_executor(
        None,
        lambda: Watch.open(
            targets.taps,
            lambda _: None,
            targets.cgroups,
            mode=chosen.mode,
            hook=hook,
            passed_by=chosen.passed_by,
            drops=targets.owners,
            names=True,
            room=ROOM + len(targets.taps),
            entries=entries,
        ),
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait({opening})
        if opening.exception() is None:
            opening.result().close()
        raise


def _tell(told: Iterable[Told], output: str) -> None:
    adapter: TypeAdapter[Told] = TypeAdapter(Told)
    for value in told:
        text = adapter.dump_json(value).decode() if output == "json" else line(value)
        sys.stdout.write(text + "\n")
    sys.stdout.flush()


VERB = Verb(
    name="attach",
    help="follow the pods of this machine live, change nothing",
    description="Find the pod interfaces of this machine, watch them with eBPF, and tell live which flows\n"
    "there are, who uses or tries IPv4 and why IPv6 was not taken, whose source address is changed on\n"
    "the way out, and which packets the kernel drops.",
    configure=_configure,
    run=_run,
    order=40,
)
