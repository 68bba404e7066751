"""A look at the machine as a node, before `attach`: who wired the pods, whose programs are there."""

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.kernel import netstate
from dataplane.kernel.clsact import NAME, Parent, TrafficControl
from dataplane.kernel.netlink import links
from dataplane.kernel.presence import others
from dataplane.model.errors import UnsupportedError
from dataplane.session.mode import choose, possible
from probes.flows import PROGRAMS
from probes.node.cni import recognised
from probes.node.interfaces import PodInterface, pod_interfaces, uplinks
from probes.node.pods import node_root

PROGRAM = re.compile(r"[^ ,]+ \(id \d+\)")
# What the kernel keeps of the names of sixscope's programs, which another `attach` may have there.
OURS = {name[:15] for name in PROGRAMS.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLook:
    """What `attach` would meet in the calling thread's namespace.

    `mode` is what it would choose and `because` why, or "" and why it would refuse. `programs` are
    those of others on the interfaces of pods and uplinks; `left` are interfaces with filters that a killed `attach
    --hook clsact` left, unless they are of one that runs (`at_work`, its processes).
    """

    cni: str
    because_cni: str
    caveats: tuple[str, ...]
    pods: int
    uplinks: tuple[str, ...]
    mode: str
    because: str
    remedy: str
    programs: tuple[str, ...]
    left: tuple[str, ...]
    at_work: tuple[int, ...]


def look() -> NodeLook:
    """Look around in the calling thread's namespace, as root; about 0.5 s, and nothing is changed."""
    pods, away = pod_interfaces(), uplinks()
    plugin = recognised(links(), pods, node_root())
    mode, because, remedy = _mode(pods)
    watched = {*(pod.interface for pod in pods), *(tap.name for tap in away)}
    return NodeLook(
        cni=plugin.name,
        because_cni=plugin.because,
        caveats=plugin.caveats,
        pods=len(pods),
        uplinks=tuple(tap.name for tap in away),
        mode=mode,
        because=because,
        remedy=remedy,
        programs=tuple(_foreign(watched)),
        left=tuple(_left()),
        at_work=others("clsact"),
    )


def _mode(pods: tuple[PodInterface, ...]) -> tuple[str, str, str]:
    if not pods:
        return "", "no interface leads to another network namespace", (
            "run it in the node's network namespace, or name an interface with --interface"
        )  # fmt: skip
    try:
        chosen = choose("auto", "auto", possible((*(pod.tap() for pod in pods), *uplinks())))
    except UnsupportedError as refused:
        return "", str(refused), "Linux 6.6 or newer, or `attach --hook clsact`"
    return chosen.mode, chosen.because, ""


def _foreign(interfaces: set[str]) -> Iterator[str]:
    """Yield the programs on these interfaces that are not sixscope's, in words."""
    found = {**netstate.traffic_control(), **netstate.tcx()}
    xdp = {
        where._replace(thing="XDP"): words.rpartition(", xdp ")[2]
        for where, words in netstate.links().items()
    }
    for where, words in sorted((found | xdp).items()):
        if where.interface in interfaces and not words.startswith(f"bpf {NAME}, "):
            theirs = [one for one in PROGRAM.findall(words) if one.partition(" ")[0] not in OURS]
            if theirs:
                yield f"{where.interface} {where.thing}: {', '.join(theirs)}"


def _left() -> Iterator[str]:
    """Yield the interfaces that have a filter of sixscope's."""
    with TrafficControl() as control:
        for index, name in socket.if_nameindex():
            if any(one.ours for parent in Parent for one in control.filters(index, parent)):
                yield name
