"""One node has lost its IPv6 default route: its pods reach each other, and nobody else.

"Enable IPv4 & IPv6 Dualstack Support", OpenStack: a router must be attached to the IPv6 subnet, because
it is what the nodes send everything by.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Route, Topology
from labs.fault import Fault, Faulted, victim_node


def _applies(plan: Plan) -> str | None:
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    routes = tuple(route for route in topology.routes if not _leads_out(route, node.name))
    return Faulted(
        topology=replace(topology, routes=routes),
        subjects=tuple(pod.name for pod in node.pods if pod.actor),
    )


def _leads_out(route: Route, node: str) -> bool:
    """Tell whether this is the node's IPv6 default route."""
    via = route.via is not None and family_of(route.via) is Family.IPV6
    return route.namespace == node and via and route.destination is None


FAULT = Fault(
    name="default-route-lost",
    title="a node has lost its IPv6 default route",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
