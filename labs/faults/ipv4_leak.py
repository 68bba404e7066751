"""A pod of an IPv6-only cluster has a way to its node over IPv4, as host-local IPv4 leaves one.

aws-network-policy-agent#55: in an IPv6 cluster IPv4 literals still connect by such an interface.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import End, Link, Neighbour, Route, Topology
from labs.fault import Fault, Faulted, victim_pod

POD = IPv4Address("169.254.7.7")
NODE = IPv4Address("169.254.169.254")  # where cloud metadata services listen


def _applies(plan: Plan) -> str | None:
    return "the cluster has IPv4 on purpose" if Family.IPV4 in plan.families else None


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_pod(plan, random).name
    link = next(
        link
        for link in topology.links
        if (link.a.namespace, link.a.interface) == (victim, "eth0")
        or (link.b.namespace, link.b.interface) == (victim, "eth0")
    )
    inside, outside = (link.a, link.b) if link.a.namespace == victim else (link.b, link.a)
    leaky = Link(a=_with(inside, POD), b=_with(outside, NODE), mtu=link.mtu)
    routes = (_route(inside, NODE), _route(outside, POD))
    neighbours = (_neighbour(inside, NODE, outside), _neighbour(outside, POD, inside))
    changed = replace(
        topology,
        links=tuple(leaky if each is link else each for each in topology.links),
        routes=(*topology.routes, *routes),
        neighbours=(*topology.neighbours, *neighbours),
    )
    return Faulted(topology=changed, subjects=(victim,))


def _with(end: End, address: IPv4Address) -> End:
    return replace(end, addresses=(*end.addresses, address))


def _route(end: End, to: IPv4Address) -> Route:
    return Route(namespace=end.namespace, interface=end.interface, destination=IPv4Network(to))


def _neighbour(end: End, address: IPv4Address, owner: End) -> Neighbour:
    return Neighbour(
        namespace=end.namespace, interface=end.interface, address=address, mac=owner.mac
    )


FAULT = Fault(
    name="ipv4-leak",
    title="a pod of an IPv6-only cluster reaches its node over IPv4",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
