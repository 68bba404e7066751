"""How packets are watched on a machine that is not ours: which of two ways, why, and what it cannot see.

Both give the same flows, stamps and books. At traffic control a program of ours stands in the chain
of every interface; at raw tracepoints nothing is attached to any device. Where either is blind, an
interface's report says so, and what rests on it is unknown.
"""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dataplane.kernel import features
from dataplane.kernel.foreigners import attached, past_the_host_side
from dataplane.kernel.hooks import Direction, Place, foreign
from dataplane.model.errors import UnsupportedError
from dataplane.model.topology import Point, Tap
from probes import tracepoints
from probes.watch import Mode

MODES = ("auto", "zero-touch", "tc")
REDIRECTED = "packets that a program brings to a pod by bpf_redirect_peer, at its host side"
BEFORE = "frames that XDP or the driver takes before they are packets of the kernel"
UNSEEN: dict[Mode, tuple[str, ...]] = {
    "tc": (
        REDIRECTED,
        BEFORE,
        "what a program of somebody else does to packets behind the probe, or keeps from it ahead",
        "what a queue of the interface drops on the way out: it counts as sent",
    ),
    "zero-touch": (
        REDIRECTED,
        BEFORE,
        "packets that arrive on a device above another one (VLAN, bond, macvlan, ipvlan): seen below",
        "content of batches of datagrams (UDP_SEGMENT): they are counted, not followed",
        "packets of packet sockets that pass by the queue (PACKET_QDISC_BYPASS)",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChosen:
    """How packets are watched: at traffic control (`tc`) or at raw tracepoints (`zero-touch`).

    `unseen` is what stays unseen that way, on every machine. `passed_by` are programs of this one
    that bring packets to pods past the host side of their interfaces, which both ways do not see.
    """

    kind: Literal["mode"] = "mode"
    mode: Mode
    because: str
    unseen: tuple[str, ...]
    passed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """What the machine allows: why there is no TCX and why no raw tracepoints, None where there are.

    `rewriters` are programs of others at the egress of uplinks, `above` interfaces of which the
    tracepoints see only half, `passed_by` programs that bring packets to pods past the host side.
    """

    tcx: str | None = None
    tracepoints: str | None = None
    rewriters: Sequence[str] = ()
    above: Sequence[str] = ()
    passed_by: Sequence[str] = ()


def possible(taps: Iterable[Tap]) -> Possible:
    """Find out what the choice depends on, in the namespace of the taps: about 0.3 s."""
    taps = tuple(taps)
    rewriters = []
    for tap in taps:
        if tap.point is Point.UPLINK:
            place = Place(interface=tap.interface, index=tap.index, direction=Direction.EGRESS)
            rewriters += [f"{name} at {tap.interface}" for name in foreign(place, ()).ahead]
    return Possible(
        tcx=features.missing(features.tcx),
        tracepoints=tracepoints.missing(),
        rewriters=tuple(rewriters),
        above=tuple(tap.interface for tap in taps if tracepoints.is_above(tap.index)),
        passed_by=past_the_host_side(attached(index for index, _ in socket.if_nameindex())),
    )


def choose(wish: str, hook: str, possible: Possible) -> ModeChosen:
    """Choose how to watch. UnsupportedError where nothing is left that leaves nothing behind.

    `wish` is one of `MODES`, `hook` is "auto" unless somebody asked for a hook of traffic control.
    """
    return replace(_choice(wish, hook, possible), passed_by=tuple(possible.passed_by))


def _choice(wish: str, hook: str, possible: Possible) -> ModeChosen:
    if hook != "auto":
        return _chosen("tc", f"--hook {hook} was asked for")
    if wish != "auto":
        return _chosen("tc" if wish == "tc" else "zero-touch", "it was asked for")
    if possible.tcx is not None:
        return _without_tcx(possible.tcx, possible)
    if not possible.rewriters:
        return _chosen("tc", "TCX is there, and nobody else's program where packets leave the node")
    others = f"{', '.join(possible.rewriters)} may change packets behind a probe at traffic control"
    against = possible.tracepoints
    if possible.above:
        names = ", ".join(possible.above)
        against = against or f"raw tracepoints do not see what arrives on {names}"
    return _chosen("tc", f"{others}, but {against}") if against else _chosen("zero-touch", others)


def _without_tcx(reason: str, possible: Possible) -> ModeChosen:
    if possible.tracepoints is None:
        return _chosen(
            "zero-touch", f"no TCX ({reason}), and clsact filters would outlive a SIGKILL"
        )
    raise UnsupportedError(
        "watching without a trace",
        needs="Linux 6.6 or newer for TCX, or the kernel's BTF for raw tracepoints",
        found=f"{reason}; {possible.tracepoints}; `--hook clsact` would do, but a SIGKILL would leave "
        "its filters (and a clsact qdisc where there is none) until `sixscope doctor --sweep`",
    )


def _chosen(mode: Mode, because: str) -> ModeChosen:
    return ModeChosen(mode=mode, because=because, unseen=UNSEEN[mode])
