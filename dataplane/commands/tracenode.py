"""`sixscope trace` on a node: a packet is awaited, or, where that is asked for, sent from inside a pod."""

import argparse
import asyncio
import importlib
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from dataplane.commands.loop import Ending, run_async
from dataplane.commands.sources import Sources, add_source_options
from dataplane.commands.trace import conclude
from dataplane.commands.verb import UsageError, say
from dataplane.kernel import netns
from dataplane.kernel.process import Placement
from dataplane.model.address import Address
from dataplane.model.errors import UnsupportedError
from dataplane.model.stimulus import Transport
from dataplane.model.trace import Asked, Sights, Trace
from dataplane.session.trace_node import awaited, called, scene_of
from dataplane.session.trace_sent import PROTOCOLS, Wish, joined, stimulus
from dataplane.session.tracing import Tracer, settled, tracing
from probes.node.interfaces import PodInterface, pod_interfaces, uplinks

PATIENCE, WAIT = 2.0, 60.0  # seconds: for an answer, and for a packet that nobody was told to send
RESOLUTION = (Path("etc/resolv.conf"), Path("etc/hosts"))
PROCESS = 2  # of /proc/PID/ns/net: how far above is the process


def run(options: argparse.Namespace) -> int:
    """Trace on this node, and return the exit code; everything is found out before anything is attached."""
    pods = pod_interfaces(_sources(options).pods())
    if not pods:
        raise UsageError(
            "no interface here leads to another network namespace, so there are no pods: run this on a "
            "node, or in a lab (--scenario default)"
        )
    pod = called(pods, options.pod) if options.pod else None
    if options.send:
        if pod is None:
            raise UsageError("--send needs a pod to send from: --from POD")
        return _sent(options, pods, pod, _place(pod))
    return _awaited(options, pods, pod)


def _sources(options: argparse.Namespace) -> Sources:
    """Return where names of pods come from; nothing is judged, so nothing else is asked."""
    others = argparse.ArgumentParser()
    add_source_options(others)
    asked = others.parse_args([])
    asked.node_root, asked.cri = options.node_root, options.cri
    return Sources(asked)


def _place(pod: PodInterface) -> Path:
    """Return what to enter to be in a pod's network namespace; UnsupportedError when it has gone."""
    with suppress(OSError):
        # Its process may have ended, and another one have the number by now.
        if pod.namespace and netns.call(pod.namespace, netns.cookie) == pod.cookie:
            return pod.namespace
    raise UnsupportedError(
        f"sending from {pod.owner}",
        needs="its network namespace, by a process or a name",
        found="only its interface",
    )


def _awaited(
    options: argparse.Namespace, pods: tuple[PodInterface, ...], pod: PodInterface | None
) -> int:
    asked = Asked(
        destination=_address(options.destination),
        owner=pod.owner if pod else "",
        port=options.port,
        protocols=frozenset()
        if options.protocol is None
        else PROTOCOLS[Transport(options.protocol)],
    )
    seconds = options.timeout or WAIT

    async def main(ending: Ending) -> int:
        over = asyncio.Event()

        async def end() -> None:
            say(f"waiting up to {seconds:g} s for packets to {asked.destination}; end with Ctrl-C")
            await ending.wait(seconds)  # a signal is a good end from here on, whenever it comes
            over.set()

        async with tracing(scene_of(pods, uplinks())) as tracer, asyncio.TaskGroup() as tasks:
            ender = tasks.create_task(end())
            sights, traces = await awaited(tracer, asked, count=options.count, over=over)
            ender.cancel()
        return conclude(options, sights, traces, origin=asked.owner, where="node", notes=(PASSIVE,))

    return run_async(main)


PASSIVE = "nothing was sent: what was seen is what others sent"
ACTIVE = "sent from inside the pod's network namespace by sixscope"


def _sent(
    options: argparse.Namespace, pods: tuple[PodInterface, ...], pod: PodInterface, place: Path
) -> int:
    wish = Wish(
        destination=options.destination,
        pod=pod.owner,
        transport=Transport(options.protocol or ("tcp" if options.port else "icmp")),
        port=options.port or 0,
        count=options.count,
        octets=options.size,
        timeout=options.timeout or PATIENCE,
    )
    inside = Placement(netns=place, binds=_resolution(place))
    notes: tuple[str, ...] = (ACTIVE,)
    if not inside.binds and not _is_address(options.destination):
        notes = (
            ACTIVE,
            "no process of the pod shows its files: the name was resolved by this node's",
        )

    async def main(_: Ending) -> int:
        async with tracing(scene_of(pods, uplinks())) as tracer:
            sights, traces = await _driven(tracer, wish, inside)
        return conclude(options, sights, traces, origin=pod.owner, where="node", notes=notes)

    return run_async(main)


async def _driven(
    tracer: Tracer, wish: Wish, inside: Placement
) -> tuple[Sights, tuple[Trace, ...]]:
    try:
        drive = importlib.import_module("labs.drive")
    except ModuleNotFoundError as lacking:
        raise UnsupportedError(
            "--send", needs="the package labs, whose client sends", found=f"no {lacking.name}"
        ) from lacking
    async with drive.client(inside, wish.pod, ()) as client:
        outcomes = [
            await client.do(stimulus(wish, wish.pod, number)) for number in range(wish.count)
        ]
    return await settled(tracer, lambda seen: joined(seen, wish, wish.pod, outcomes))


def _resolution(place: Path) -> tuple[tuple[Path, Path], ...]:
    """Return what a pod's processes have for name resolution, to be bound over ours."""
    if place.parts[:2] != ("/", "proc"):
        return ()
    root = place.parents[PROCESS - 1] / "root"
    found = []
    for file in RESOLUTION:
        with suppress(OSError):  # it has ended, or has no such file
            if (root / file).is_file() and (Path("/") / file).is_file():
                found.append((root / file, Path("/") / file))
    return tuple(found)


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(text))
    return False


def _address(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as failure:
        raise UsageError(
            f"{text}: nobody here resolves names for a packet that is only awaited; name an address, or add "
            "--send --from POD, which resolves it in the pod"
        ) from failure
