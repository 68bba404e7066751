"""The NAT64 gateway translates, and has no way out over IPv4 (kubernetes-sigs/nat64#43)."""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Route, Topology
from labs.fault import Fault, Faulted, needs_nat64, victim_nat64


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_nat64(plan, random)
    routes = tuple(route for route in topology.routes if not _leads_out(route, victim))
    return Faulted(topology=replace(topology, routes=routes), subjects=(victim,))


def _leads_out(route: Route, place: str) -> bool:
    """Tell whether this is the IPv4 default route of the NAT64's place."""
    via = route.via is not None and family_of(route.via) is Family.IPV4
    return route.namespace == place and via and route.destination is None


FAULT = Fault(
    name="nat64-without-ipv4",
    title="the NAT64 gateway has no IPv4 to send with",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
