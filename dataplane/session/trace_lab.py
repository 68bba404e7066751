"""A trace in a lab: every tap of the topology and every server's interface, and a client in a pod."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dataplane.kernel import netns
from dataplane.model.errors import UnsupportedError
from dataplane.model.nearest import suggest
from dataplane.model.stimulus import Outcome
from dataplane.model.topology import Point, Role, Tap, Topology
from dataplane.model.trace import Sights, Trace
from dataplane.session.prepare import Prepared
from dataplane.session.trace_sent import Wish, joined, stimulus
from dataplane.session.tracing import Scene, cookies, settled, tracing
from labs.build import Lab
from labs.drive import Driver, Standing
from labs.resolution import servers_of
from labs.site import RUNS

Say = Callable[[str], None]


def taps_of(topology: Topology) -> tuple[Tap, ...]:
    """Return the topology's taps, and one at every server's interfaces, where packets arrive."""
    servers = {n.name for n in topology.namespaces if n.role is Role.SERVER}
    ends = (end for link in topology.links for end in (link.a, link.b))
    return (
        *topology.taps,
        *(
            Tap(
                name=f"{end.namespace}-{end.interface}",
                namespace=end.namespace,
                interface=end.interface,
                index=end.index,
                point=Point.EDGE,
                owner=end.namespace,
                leaving_is_ingress=False,
            )
            for end in ends
            if end.namespace in servers
        ),
    )


def origin(topology: Topology, wish: Wish) -> str:
    """Return the pod that is asked for, or the first one; UnsupportedError when there is none."""
    pods = [n.name for n in topology.namespaces if n.role is Role.POD]
    known = [n.name for n in topology.namespaces if n.role in (Role.POD, Role.CLIENT)]
    if not wish.pod:
        return pods[0]
    if wish.pod not in known:
        advice = suggest(wish.pod, known, listing="sixscope lab status")
        raise UnsupportedError(
            f"tracing from {wish.pod}",
            needs=f"a pod or a client of the lab: {advice}",
            found="none of that name",
        )
    return wish.pod


@asynccontextmanager
async def built(prepared: Prepared, say: Say) -> AsyncIterator[Lab]:
    """Build a lab for one trace and take it down afterwards."""
    name = secrets.token_hex(3)
    say(f"building {len(prepared.plan.nodes)} nodes, {len(prepared.plan.pods)} pods")
    async with Lab(prepared.topology, run=name, directory=RUNS / name, progress=say) as lab:
        await lab.lease()
        yield lab
        say("taking the lab down")


async def traced(lab: Standing, wish: Wish, say: Say) -> tuple[Sights, tuple[Trace, ...]]:
    """Attach, send, and return what was seen with the traces of it.

    Errors as of `Watch.open`; LabFailedError when the client cannot work.
    """
    topology = lab.topology
    pod = origin(topology, wish)
    scene = await asyncio.to_thread(_scene, lab)
    say(f"attaching probes to {len(scene.taps)} interfaces")
    async with tracing(scene) as tracer:
        say(f"sending from {pod}")
        outcomes: list[Outcome] = []
        for number in range(wish.count):
            outcomes += await Driver(lab).drive([stimulus(wish, pod, number)])
        servers = servers_of(topology, pod)
        return await settled(tracer, lambda seen: joined(seen, wish, pod, outcomes, servers))


def _scene(lab: Standing) -> Scene:
    topology = lab.topology
    places = {member.name: lab.namespace(member.name) for member in topology.namespaces}
    return Scene(
        taps=taps_of(topology),
        where=lab.namespace,
        owners=cookies({name: netns.path(mounted) for name, mounted in places.items()}),
        names={end.index: end.interface for link in topology.links for end in (link.a, link.b)},
    )
