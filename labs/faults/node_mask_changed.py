"""One node has its pod prefix from before the node mask was made longer: it takes in another node's.

kubernetes#70957: after a change of --node-cidr-mask-size, PodCIDRs of new nodes overlap old ones.
As long as the other node's longer route is there, everything is reachable.
"""

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from random import Random

from dataplane.model.address import Family, Network, family_of
from dataplane.model.cloud import Allocator
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, routers, victim_node


def _applies(plan: Plan) -> str | None:
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6"
    if len(plan.nodes) == 1:
        return "a single node has no neighbour to overlap with"
    ranged = any(pool.allocator is Allocator.RANGE for pool in plan.pools)
    return None if ranged else "no node mask cuts the pod ranges"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    names = [other.name for other in plan.nodes]
    other = plan.nodes[(names.index(node.name) + 1) % len(names)]
    own, beside = (
        next(p for p in one.pod_prefixes if family_of(p) is Family.IPV6) for one in (node, other)
    )
    before = _both(own, beside)
    routes = tuple(
        replace(route, destination=before)
        if route.namespace in routers(topology) and route.destination == own
        else route
        for route in topology.routes
    )
    return Faulted(topology=replace(topology, routes=routes), subjects=(node.name,))


def _both(own: Network, other: Network) -> IPv4Network | IPv6Network:
    """Return the smallest network that holds both."""
    network = own
    while other.network_address not in network:
        network = network.supernet()
    return network


FAULT = Fault(
    name="node-mask-changed",
    title="a node's pod prefix takes in another node's",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
