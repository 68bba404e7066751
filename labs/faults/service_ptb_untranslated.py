"""A node hands on "Packet Too Big" about connections to Services as it comes, without translating it.

cilium/cilium#16080: a router quotes the packet as it saw it, with the endpoint for its destination.
The pod has sent to the ClusterIP, knows nothing of that endpoint, and goes on sending too much. To
pods by their own addresses all is well. Here ICMPv6 errors are kept from connection tracking.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_node, with_ruleset

MTUS = (1300, 1380, 1420)
UNTRACKED = "icmpv6 type packet-too-big notrack"
CHAIN = "type filter hook prerouting priority raw"


def _applies(plan: Plan) -> str | None:
    if not any(family_of(a) is Family.IPV6 for s in plan.services for a in s.addresses):
        return "no Service of this plan has an IPv6 address"
    nodes = {pod.node for pod in plan.actors}
    return None if len(nodes) > 1 else "all endpoints are on one node"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    mtu = random.choice(MTUS)
    others = {p for other in plan.nodes if other.name != node.name for p in other.pod_prefixes}
    routes = tuple(
        replace(route, mtu=mtu)
        if route.namespace == "fabric" and route.destination in others
        else route
        for route in topology.routes
    )
    narrow = replace(topology, routes=routes)
    return Faulted(
        topology=with_ruleset(narrow, node.name, UNTRACKED, chain=CHAIN), subjects=(node.name,)
    )


FAULT = Fault(
    name="service-ptb-untranslated",
    title="a node does not translate Packet Too Big about connections to Services",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
