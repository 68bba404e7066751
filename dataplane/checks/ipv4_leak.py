"""No IPv4 packet crosses a pod's or a node's link in an IPv6-only cluster.

Guards against: IPv4 that nobody planned: host-local IPv4 that a CNI leaves in pods, metadata
services reached over IPv4, nodes with a forgotten address. It works without being configured, so
it carries traffic past network policies, and the cluster depends on it without anybody knowing.

Looks at: every flow at the pods' interfaces and the nodes' uplinks, in both directions. IPv4 is a
finding, except where the CLAT sits on the node: there, applications' packets cross the pod's link
on their way to it, from 192.0.0.0/29 (RFC 7335) or a link-local address; and except what a node's own
NAT64 sends out and gets back, with the node's IPv4 address, at the node's uplink. Each pod is made to try
the metadata service's literal 169.254.169.254, which nobody may answer.

What to do: remove the address or route that the pod or node has (ip -4 address, ip -4 route); for
applications that need IPv4 literals, use 464XLAT.
"""

from ipaddress import IPv4Address

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import SERVICE_CONTINUITY, Places
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import ClatPlacement, Plan
from dataplane.model.seen import FlowSeen
from dataplane.model.stimulus import Reach, Stimulus, Transport
from dataplane.model.topology import Point, Tap
from dataplane.model.view import Check, Sight, View

NAME = "ipv4-leak"
METADATA = IPv4Address(
    "169.254.169.254"
)  # link-local, so that it must not be routed (RFC 3927 section 2.7)
METADATA_PORT = 80
TIMEOUT_S = 0.3


def applies(plan: Plan) -> str | None:
    """Return why IPv4 packets are no leak here."""
    return "the cluster has IPv4 on purpose" if Family.IPV4 in plan.families else None


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return one attempt per actor and transport to reach the metadata service by its literal."""
    return tuple(
        Reach(
            id=f"{NAME}/{pod.name}/metadata/{transport}",
            check=NAME,
            pod=pod.name,
            target=str(METADATA),
            transport=transport,
            port=METADATA_PORT,
            family=Family.IPV4,
            label="metadata",
            timeout=TIMEOUT_S,
        )
        for pod in plan.actors
        for transport in (Transport.TCP, Transport.UDP)
    )


def judge(view: View) -> Judgement:
    """Judge every flow at pods and uplinks: IPv4 that is not the CLAT's is a leak."""
    places, ledger = Places(view.plan), Ledger()
    looked_at = 0
    for flow in view.evidence.flows:
        tap = view.taps.get(flow.tap)
        if tap is None or tap.point not in {Point.POD, Point.UPLINK}:
            continue
        if tap.owner in view.plan.strangers:  # of a cluster that may well have IPv4
            continue
        looked_at += 1
        own = _for_clat(view.plan, flow, tap) or _of_nat64(view.plan, flow, tap)
        if flow.family is Family.IPV4 and not own:
            _blame(ledger, flow, tap, places)
    return ledger.judgement(looked_at=looked_at)


def _for_clat(plan: Plan, flow: FlowSeen, tap: Tap) -> bool:
    """Tell whether a flow is an application's on its way to or from a CLAT on the node.

    The pod needs an address for that way, which the plan does not name and nobody routes. What
    comes from a link-local address did not come through the CLAT: it was answered on the link.
    """
    if plan.clat is None or plan.clat.placement is not ClatPlacement.NODE:
        return False
    inner, outer = flow.source, flow.destination
    if not flow.leaving:
        inner, outer = outer, inner
    stays = inner in SERVICE_CONTINUITY or inner.is_link_local
    return tap.point is Point.POD and stays and (flow.leaving or not outer.is_link_local)


def _of_nat64(plan: Plan, flow: FlowSeen, tap: Tap) -> bool:
    """Tell whether a flow is what the NAT64 of a node sends out, or what comes back to it.

    It has the node's own IPv4 address, and none of the cluster's at the other end: inside, there is
    no IPv4 to be reached. A pool that leaves the node is found by the check nat64.
    """
    seat = None if plan.nat64 is None else plan.nat64.on_node(tap.owner)
    if seat is None or tap.point is not Point.UPLINK:
        return False
    inner, outer = flow.source, flow.destination
    if not flow.leaving:
        inner, outer = outer, inner
    own = inner == seat.source4 or inner in seat.pool4
    return own and not any(outer in network for network in plan.node_ranges)


def _blame(ledger: Ledger, flow: FlowSeen, tap: Tap, places: Places) -> None:
    what = "pod" if tap.point is Point.POD else "node"
    ledger.add(
        subject=tap.owner,
        cause=f"{tap.owner} has an IPv4 path that the cluster does not promise",
        expected=f"no IPv4 packet on the {what}'s link: the cluster is IPv6-only (manifest)",
        seen=f"IPv4 packets at {tap.name}",
        remedy=f"remove the IPv4 address or route of the {what} (ip -4 address, ip -4 route)",
        evidence=(
            f"{flow.packets} packets {'leaving' if flow.leaving else 'reaching'} {tap.owner}: "
            f"{places.called(flow.source)} port {flow.source_port} -> "
            f"{places.called(flow.destination)} port {flow.destination_port}, "
            f"protocol {flow.protocol}"
        ),
    )


CHECK = Check(
    name=NAME,
    title="no IPv4 packet in an IPv6-only cluster",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="flows", point=Point.POD),
        Sight(probe="flows", point=Point.UPLINK),
    ),
)
