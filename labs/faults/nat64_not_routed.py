"""The prefix is not routed into the translator: it runs, and packets go past it to where nobody translates."""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64, victim_nat64


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_nat64(plan, random)
    prefix = plan.nat64.prefix if plan.nat64 else None
    routes = tuple(
        route
        for route in topology.routes
        if not (route.namespace == victim and route.destination == prefix)
    )
    return Faulted(topology=replace(topology, routes=routes), subjects=(victim,))


FAULT = Fault(
    name="nat64-not-routed",
    title="the NAT64 prefix is not routed into the translator",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
