"""A pod sends from an address of another node's pod prefix, and host routes make that work.

What a moved pod or a stray secondary address looks like: everything is reachable, but the source
no longer tells the node, and whatever relies on the prefix (policies, reverse path filters) is wrong
(IPv6 for Gardener, section on PodCIDRs: the CNI picks the node's PodCIDR up).
"""

from dataclasses import replace
from ipaddress import IPv6Network
from random import Random

from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import Plan, PodPlan
from dataplane.model.topology import Link, Route, Topology
from labs.fault import Fault, Faulted, routers, victim_pod

OFFSET = 0xF00  # from the start of the other node's prefix: behind the addresses of any lab's pods


def _applies(plan: Plan) -> str | None:
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6"
    return None if len(plan.nodes) > 1 else "a single node has no neighbour to take an address of"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    pod = victim_pod(plan, random)
    own = pod.address(Family.IPV6)
    if own is None:
        raise AssertionError("a cluster with IPv6 has pods with IPv6")
    stray = _stray(plan, pod)
    links = tuple(_with_address(link, pod.name, stray) for link in topology.links)
    routes = [_from(route, pod.name, stray) for route in topology.routes]
    routes += [
        replace(route, destination=IPv6Network(stray))
        for route in topology.routes
        if route.namespace == pod.node and route.destination == IPv6Network(own)
    ]
    routes += [
        replace(route, destination=IPv6Network(stray))
        for route in topology.routes
        if route.namespace in routers(topology)
        and route.destination in plan.node(pod.node).pod_prefixes
        and route.destination is not None
        and family_of(route.destination) is Family.IPV6
    ]
    # A service's answer to itself is told from others by its own address (kube-proxy's hairpin rule),
    # which is not what this fault is about: towards services the pod keeps the right source.
    routes += [
        replace(route, destination=network, source=own)
        for route in topology.routes
        if _is_default6(route, pod.name)
        for network in plan.service_ranges
        if family_of(network) is Family.IPV6
    ]
    neighbours = [
        replace(neighbour, address=stray)
        for neighbour in topology.neighbours
        if neighbour.namespace == pod.node and neighbour.address == own
    ]
    changed = replace(
        topology,
        links=links,
        routes=tuple(routes),
        neighbours=(*topology.neighbours, *neighbours),
    )
    return Faulted(topology=changed, subjects=(pod.name,))


def _stray(plan: Plan, pod: PodPlan) -> Address:
    """Return an unused address of the next node's pod prefix."""
    names = [node.name for node in plan.nodes]
    other = plan.nodes[(names.index(pod.node) + 1) % len(names)]
    prefix = next(p for p in other.pod_prefixes if family_of(p) is Family.IPV6)
    return prefix[min(OFFSET, prefix.num_addresses // 2)]


def _with_address(link: Link, pod: str, stray: Address) -> Link:
    """Give the stray address to the pod's end of its link."""
    if link.a.namespace == pod and link.a.interface == "eth0":
        return replace(link, a=replace(link.a, addresses=(*link.a.addresses, stray)))
    if link.b.namespace == pod and link.b.interface == "eth0":
        return replace(link, b=replace(link.b, addresses=(*link.b.addresses, stray)))
    return link


def _from(route: Route, pod: str, stray: Address) -> Route:
    """Have the pod's IPv6 default route prefer the stray address as its source."""
    return replace(route, source=stray) if _is_default6(route, pod) else route


def _is_default6(route: Route, pod: str) -> bool:
    """Tell whether this is the IPv6 default route out of the pod."""
    leads_out = route.namespace == pod and route.interface == "eth0"
    is_default = route.destination is None or route.destination == IPv6Network("::/0")
    return (
        leads_out and is_default and route.via is not None and family_of(route.via) is Family.IPV6
    )


FAULT = Fault(
    name="foreign-source",
    title="a pod sends from an address outside of its node's pod prefix",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
