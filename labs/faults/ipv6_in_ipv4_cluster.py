"""A pod of an IPv4 cluster gets an IPv6 address and a default route, which lead nowhere.

"Using IPv4/IPv6 (dual-stack) Ingress in an IPv4 single-stack cluster": `dualStack.enabled` is for load
balancers, and adds no IPv6 addresses to nodes. A pod that has one all the same tries it first.
"""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Neighbour, Route, Topology
from labs.fault import Fault, Faulted, needs_ingress, victim_pod

POD = IPv6Address("2001:db8:bad::2")  # RFC 3849, and none of the plan's
NODE = IPv6Address("2001:db8:bad::1")


def _applies(plan: Plan) -> str | None:
    if Family.IPV6 in plan.families:
        return "the cluster has IPv6 on purpose"
    return needs_ingress(plan)


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_pod(plan, random).name
    link = next(link for link in topology.links if link.b.namespace == victim)
    node, pod = link.a, link.b
    given = replace(
        link,
        a=replace(node, addresses=(*node.addresses, NODE)),
        b=replace(pod, addresses=(*pod.addresses, POD)),
    )
    here, there = (pod.namespace, pod.interface), (node.namespace, node.interface)
    routes = (
        Route(namespace=here[0], interface=here[1], destination=IPv6Network(NODE)),
        Route(namespace=here[0], interface=here[1], destination=IPv6Network("::/0"), via=NODE),
        Route(namespace=there[0], interface=there[1], destination=IPv6Network(POD)),
    )
    neighbours = (
        Neighbour(namespace=here[0], interface=here[1], address=NODE, mac=node.mac),
        Neighbour(namespace=there[0], interface=there[1], address=POD, mac=pod.mac),
    )
    changed = replace(
        topology,
        links=tuple(given if each is link else each for each in topology.links),
        routes=(*topology.routes, *routes),
        neighbours=(*topology.neighbours, *neighbours),
    )
    return Faulted(topology=changed, subjects=(victim,))


FAULT = Fault(
    name="ipv6-in-ipv4-cluster",
    title="a pod of an IPv4 cluster has an IPv6 address",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
