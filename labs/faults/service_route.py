"""The fabric routes the Service ranges to one node, which nobody planned.

Whatever is sent there from outside, and has no Service, bounces between node and fabric.
"""

from dataclasses import replace
from ipaddress import ip_network
from random import Random

from dataplane.model.address import family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Route, Topology
from labs.fault import Fault, Faulted, routers, victim_node


def _applies(plan: Plan) -> str | None:
    return None if plan.service_ranges else "the plan has no Service range"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    ways = [
        (route, network, via)
        for network in plan.service_ranges
        if (via := node.address(family_of(network))) is not None
        for route in topology.routes
        if route.namespace in routers(topology) and route.destination == ip_network(via)
    ]
    routes = tuple(
        Route(namespace=way.namespace, interface=way.interface, destination=network, via=via)
        for way, network, via in ways
    )
    return Faulted(
        topology=replace(topology, routes=(*topology.routes, *routes)), subjects=(node.name,)
    )


FAULT = Fault(
    name="service-route",
    title="the fabric routes the Service ranges to a node",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
