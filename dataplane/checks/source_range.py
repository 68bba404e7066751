"""A pod sends only from its node's pod prefix.

Guards against: spoofed or left-over addresses, pods that kept another node's address, CNIs that
hand out addresses from the wrong range. Routing back to the pod, network policies and kube-proxy's
local detection all rest on the pod prefix. A CLAT's IPv6 addresses are taken from it too.

Looks at: the source of every flow that leaves a pod's interface, in the families that the cluster
has. Unspecified, link-local and multicast sources belong to neighbour discovery and stay on the
link; IPv4 in an IPv6-only cluster is the check ipv4-leak's.

What to do: compare the pod's addresses (ip address, inside the pod) with the node's podCIDRs; a
finding names the range that the manifest gives to the node.
"""

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import SERVICE_CONTINUITY, Places, crosses_networks
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Family, Network, family_of
from dataplane.model.answer import Judgement
from dataplane.model.expected import Expected, Witness
from dataplane.model.plan import Plan
from dataplane.model.seen import FlowSeen
from dataplane.model.stimulus import Stimulus
from dataplane.model.topology import Point, Tap
from dataplane.model.view import Check, Sight, View

NAME = "source-range"


def applies(_plan: Plan) -> str | None:
    """Every cluster has pods with a prefix."""
    return None


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: what the other checks send is looked at."""
    return ()


def expected_prefixes(plan: Plan, node: str, family: Family) -> Expected[tuple[Network, ...]]:
    """Return the pod prefixes of a node in one family, unknown where the manifest leaves them open."""
    prefixes = tuple(p for p in plan.node(node).pod_prefixes if family_of(p) is family)
    if prefixes:
        return Expected(value=prefixes, source=Witness.MANIFEST)
    missing = f"the manifest gives {node} no {family} pod prefix"
    return Expected(value=None, source=Witness.UNKNOWN, missing=missing)


def judge(view: View) -> Judgement:
    """Judge the source of every flow that leaves a pod."""
    places, sights = Places(view.plan), Sights(view, probe="flows")
    ledger = Ledger()
    doubts: dict[str, None] = {}
    looked_at = 0
    for flow in view.evidence.flows:
        tap = view.taps.get(flow.tap)
        node = None if tap is None else places.node_of(tap.owner)
        if tap is None or node is None or tap.point is not Point.POD or not _judged(view, flow):
            continue
        expected = expected_prefixes(view.plan, node, flow.family)
        if expected.value is None:
            doubts[expected.missing] = None
            continue
        looked_at += 1
        if not any(flow.source in prefix for prefix in expected.value):
            ranges = " or ".join(map(str, expected.value))
            promise = f"a source inside {ranges}, the pod prefix of {node} ({expected.source})"
            _blame(ledger, flow, tap, promise, places)
    if not sights.owners(Point.POD):
        doubts["no pod's interface was watched"] = None
    return ledger.judgement(looked_at=looked_at, doubts=doubts)


def _judged(view: View, flow: FlowSeen) -> bool:
    """Tell whether a flow's source is meant to be routed back to the pod."""
    return (
        flow.leaving
        and flow.family in view.plan.families
        and crosses_networks(flow.source)
        and flow.source not in SERVICE_CONTINUITY
    )


def _blame(ledger: Ledger, flow: FlowSeen, tap: Tap, expected: str, places: Places) -> None:
    ledger.add(
        subject=tap.owner,
        cause=f"{tap.owner} sends {flow.family} packets with the foreign source {flow.source}",
        expected=expected,
        seen=f"source {places.called(flow.source)}",
        remedy="remove the address from the pod, or see which component of the CNI assigned it",
        evidence=(
            f"{flow.packets} packets, protocol {flow.protocol}, "
            f"to {places.called(flow.destination)} port {flow.destination_port} at {flow.tap}"
        ),
    )


CHECK = Check(
    name=NAME,
    title="pods send only from their node's pod prefix",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe="flows", point=Point.POD),),
)
