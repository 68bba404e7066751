"""A pod has lost its IPv6 route, and nothing else: it is reached, cannot answer, and IPv4 hides it.

cilium/cilium#33467, #27898: pods lose IPv6 only, from one moment to the next, and IPv4 goes on.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Route, Topology
from labs.fault import Fault, Faulted, needs_dual_stack, victim_pod


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    pod = victim_pod(plan, random).name
    routes = tuple(route for route in topology.routes if not _leads_out(route, pod))
    return Faulted(topology=replace(topology, routes=routes), subjects=(pod,))


def _leads_out(route: Route, pod: str) -> bool:
    """Tell whether this is the pod's IPv6 default route."""
    via = route.via is not None and family_of(route.via) is Family.IPV6
    return route.namespace == pod and via and route.destination is None


FAULT = Fault(
    name="ipv6-route-lost",
    title="a dual-stack pod has lost its IPv6 route",
    doc=__doc__,
    applies=needs_dual_stack,
    apply=_apply,
)
