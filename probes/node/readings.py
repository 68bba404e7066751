"""Readings: what a kernel tells when it is asked, beside what it shows to programs at its hooks.

Nothing is attached for them, so that they are there in a run without probes as well. Each reading
keeps books as a probe does: what could not be read is blind, and never "nothing there".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from dataplane.kernel import netns
from dataplane.model.seen import (
    AddressSeen,
    LinkSeen,
    ListenerSeen,
    NeighbourSeen,
    ProbeReport,
    RouteSeen,
    SettingSeen,
)
from probes.node.addresses import addresses
from probes.node.links import links
from probes.node.neighbours import neighbours
from probes.node.routes import routes
from probes.node.sockets import listening
from probes.node.sysctls import forwarding

T = TypeVar("T")
Namespaces = Mapping[str, str]
"""Where to read: the mounted name of a network namespace, by its owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What was read, with the books."""

    listeners: tuple[ListenerSeen, ...]
    settings: tuple[SettingSeen, ...]
    routes: tuple[RouteSeen, ...]
    links: tuple[LinkSeen, ...]
    neighbours: tuple[NeighbourSeen, ...]
    addresses: tuple[AddressSeen, ...]
    reports: tuple[ProbeReport, ...]


def read(*, hosts: Namespaces, nodes: Namespaces, routers: Namespaces) -> Readings:
    """Read the sockets of hosts (pods, nodes), the forwarding of nodes and the routes of routers.

    Nodes are routers, too. The links and neighbours of hosts and routers are read as well, and the
    addresses of nodes.

    It blocks, a fraction of a millisecond per namespace. FileNotFoundError when one is gone.
    """
    reports: list[ProbeReport] = []
    return Readings(
        listeners=_each("sockets", "sock_diag", hosts, listening, reports),
        settings=_each("sysctls", "procfs", nodes, forwarding, reports),
        routes=_each("routes", "rtnetlink", {**nodes, **routers}, routes, reports),
        links=_each("links", "rtnetlink", {**hosts, **routers}, links, reports),
        neighbours=_each("neighbours", "rtnetlink", {**hosts, **routers}, neighbours, reports),
        addresses=_each("addresses", "rtnetlink", nodes, addresses, reports),
        reports=tuple(reports),
    )


def _each(
    probe: str,
    hook: str,
    where: Namespaces,
    reading: Callable[[str], tuple[T, ...]],
    reports: list[ProbeReport],
) -> tuple[T, ...]:
    """Read each namespace on one thread that walks through them, and write the books."""
    owners = {namespace: owner for owner, namespace in where.items()}
    found: list[T] = []

    def inside(namespace: str) -> None:
        owner, before, blind = owners[namespace], len(found), None
        try:
            found.extend(reading(owner))
        except OSError as failure:
            blind = str(failure)
        count = len(found) - before
        reports.append(
            ProbeReport(
                probe=probe, where=owner, hook=hook, counted=count, recorded=count, blind=blind
            )
        )

    netns.call_each(owners, inside)
    return tuple(found)
