"""A second cluster beside the planned one: its plan, and what the lab builds of it.

"Enable IPv4 & IPv6 Dualstack Support": IPv6 CIDRs are unique, so that two Shoots talk without NAT;
IPv4 CIDRs may repeat. The neighbour has a router of its own below the gateway, and between the two
clusters there are routes for IPv6 only: equal IPv4 addresses never meet.
"""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

from dataplane.model.address import Family, family_of
from dataplane.model.cluster import Cluster
from dataplane.model.plan import NeighbourPlan, NodePlan, Plan
from dataplane.model.problem import InvalidInputError, Problem, Source
from dataplane.model.programs import ListenerSpec
from dataplane.model.topology import Point, Role
from dataplane.planning.wiring import Wiring, interface_name
from dataplane.rules.fielderror import forbidden, invalid

SECOND = "other"
ROUTER = f"{SECOND}-fabric"
NODES = PODS = 1  # enough to talk, from there and to there
PORT = 8080


def check(first: Cluster, second: Cluster) -> None:
    """Raise InvalidInputError where two clusters have no IPv6 to talk over."""
    problems: list[Problem] = []
    for cluster in (first, second):
        if cluster.policies or cluster.blocked:
            detail = f"{cluster.name} has policies, and they are not judged for another cluster"
            remedy = "leave out either the policies or the second cluster"
            source = Source.SIXSCOPE
            problems.append(forbidden("second", detail, source=source, remedy=remedy))
        if not all(
            any(wish.family is Family.IPV6 for wish in wishes)
            for wishes in (cluster.nodes, cluster.pods)
        ):
            detail = f"nodes and pods of {cluster.name} have no IPv6, and IPv4 is not routed between clusters"
            remedy = "take two clusters with IPv6: their IPv4 ranges may be the same"
            problems.append(
                invalid("second", second.name, detail, source=Source.SIXSCOPE, remedy=remedy)
            )
    if problems:
        raise InvalidInputError(second.name, problems)


def joined(first: Plan, second: Plan) -> Plan:
    """Return the first plan with the second as its neighbour; the ranges have been checked."""
    own = next(a for a in first.transit.fabric if isinstance(a, IPv6Address))
    neighbour = NeighbourPlan(
        name=second.name,
        router=ROUTER,
        address=own + 1,
        node_ranges=second.node_ranges,
        pod_ranges=second.pod_ranges,
        nodes=tuple(_renamed(node) for node in second.nodes),
    )
    return replace(first, neighbour=neighbour)


def _renamed(node: NodePlan) -> NodePlan:
    """Return a node with its pods, under names that are nobody's in the first cluster."""
    name = f"{SECOND}-{node.name}"
    pods = tuple(replace(pod, name=f"{SECOND}-{pod.name}", node=name) for pod in node.pods)
    return replace(node, name=name, pods=pods)


def namespaces(wiring: Wiring, neighbour: NeighbourPlan) -> None:
    """Add the neighbour's namespaces: router, nodes, pods."""
    wiring.namespace(neighbour.router, Role.FABRIC, forwarding=True, foreign=True)
    for node in neighbour.nodes:
        wiring.namespace(node.name, Role.NODE, forwarding=True, foreign=True)
    for pod in neighbour.pods:
        wiring.namespace(pod.name, Role.POD, foreign=True)


def wire(wiring: Wiring, neighbour: NeighbourPlan) -> None:
    """Wire the neighbour to the gateway, which routes its IPv6 ranges to it."""
    router = neighbour.router
    wiring.link(("gateway", router), (router, "gateway"), lower=(neighbour.address,))
    wiring.up(router, "gateway", (Family.IPV6,))
    for network in dict.fromkeys((*neighbour.node_ranges, *neighbour.pod_ranges)):
        if isinstance(network, IPv6Network):
            wiring.down("gateway", router, network)
    for node in neighbour.nodes:
        _node(wiring, router, node)


def _node(wiring: Wiring, router: str, node: NodePlan) -> None:
    """Wire a node to the neighbour's router, and its pods to the node."""
    wiring.link((router, node.name), (node.name, "uplink"), lower=node.addresses)
    wiring.up(node.name, "uplink", tuple(map(family_of, node.addresses)))
    for prefix in node.pod_prefixes:
        via = node.address(family_of(prefix))
        if via is not None:
            wiring.down(router, node.name, prefix, via=via)
    wiring.tap(node.name, "uplink", Point.UPLINK, node.name)
    for pod in node.pods:
        side = interface_name(pod.name)
        wiring.link((node.name, side), (pod.name, "eth0"), lower=pod.addresses)
        wiring.up(pod.name, "eth0", tuple(map(family_of, pod.addresses)))
        wiring.tap(node.name, side, Point.POD, pod.name)


def listeners(neighbour: NeighbourPlan) -> tuple[ListenerSpec, ...]:
    """Return the servers in the neighbour's pods."""
    return tuple(
        ListenerSpec(namespace=pod.name, addresses=pod.addresses, port=PORT)
        for pod in neighbour.actors
    )
