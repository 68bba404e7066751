"""The router has lost its route to the Services: they answer inside of the cluster, and nobody else.

"Enable IPv4 & IPv6 Dualstack Support", OpenStack: there can be a mechanism that tells the router where
the addresses of Services are.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, routers


def _applies(plan: Plan) -> str | None:
    return None if plan.service_routes else "nobody outside routes the Services of this plan"


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    lost = {route.destination for route in plan.service_routes}
    routes = tuple(
        route
        for route in topology.routes
        if not (route.namespace in routers(topology) and route.destination in lost)
    )
    tables = dict.fromkeys(route.table for route in plan.service_routes)
    return Faulted(topology=replace(topology, routes=routes), subjects=tuple(tables))


FAULT = Fault(
    name="services-not-routed",
    title="the router has no route to the Services",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
