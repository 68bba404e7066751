"""The router has no route to one node's pod prefix: its pods can send, but answers get lost.

Dual-stack proposal, OpenStack: "there MUST be a mechanism to tell the router pod CIDRs per node".
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, routers, victim_node


def _applies(plan: Plan) -> str | None:
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    prefixes = [prefix for prefix in node.pod_prefixes if family_of(prefix) is Family.IPV6]
    routes = tuple(
        route
        for route in topology.routes
        if not (route.namespace in routers(topology) and route.destination in prefixes)
    )
    return Faulted(topology=replace(topology, routes=routes), subjects=(node.name,))


FAULT = Fault(
    name="missing-return-route",
    title="the router does not know one node's pod prefix",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
