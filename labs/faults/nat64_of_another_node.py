"""A node sends to the NAT64 of another node, as where all nodes announce the prefix and one of them won.

Everything is reached: the other node translates for both, and nobody notices until it is gone.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Route, Topology
from dataplane.planning.underlay import FABRIC
from dataplane.planning.wiring import LOWER6, interface_name
from labs.fault import Fault, Faulted, needs_links, needs_node_nat64, victim_node


def _applies(plan: Plan) -> str | None:
    return needs_node_nat64(plan) or needs_links(plan) or _alone(plan)


def _alone(plan: Plan) -> str | None:
    return None if len(plan.nodes) > 1 else "there is no other node"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_node(plan, random).name
    other = random.choice([node.name for node in plan.nodes if node.name != victim])
    prefix = plan.nat64.prefix if plan.nat64 else None
    routes = tuple(
        route
        for route in topology.routes
        if not (route.namespace == victim and route.destination == prefix)
    )
    there = Route(namespace=FABRIC, interface=interface_name(other), via=LOWER6, destination=prefix)
    return Faulted(topology=replace(topology, routes=(*routes, there)), subjects=(victim,))


FAULT = Fault(
    name="nat64-of-another-node",
    title="a node uses the NAT64 of another node",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
