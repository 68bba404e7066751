"""A node sends its packets for another node's pods inside VXLAN, as a CNI with an overlay does.

IPv6 for Gardener: stay away from overlay networks. Everything is reachable, and the network between
the nodes sees neither pods nor ports. The port is the one of RFC 7348, or Linux's older default.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.topology import Neighbour, Route, Topology, Tunnel
from dataplane.planning.wiring import LOWER6, mac
from labs.fault import Fault, Faulted, victim_node

INTERFACE = "overlay"
NETWORK = 4096  # the VNI that Calico uses
PORTS = (4789, 8472)


def _applies(plan: Plan) -> str | None:
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6"
    return None if len(plan.nodes) > 1 else "a single node has no neighbour to tunnel to"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    names = [other.name for other in plan.nodes]
    other = plan.nodes[(names.index(node.name) + 1) % len(names)]
    port = random.choice(PORTS)
    first = _free_index(topology)
    here = _tunnel(node, other, first, port)
    there = _tunnel(other, node, first + 1, port)
    routes = tuple(
        Route(namespace=node.name, interface=INTERFACE, destination=prefix, via=LOWER6)
        for prefix in other.pod_prefixes
        if family_of(prefix) is Family.IPV6
    )
    beyond = Neighbour(namespace=node.name, interface=INTERFACE, address=LOWER6, mac=there.mac)
    changed = replace(
        topology,
        tunnels=(*topology.tunnels, here, there),
        routes=(*topology.routes, *routes),
        neighbours=(*topology.neighbours, beyond),
    )
    return Faulted(topology=changed, subjects=(node.name,))


def _tunnel(node: NodePlan, other: NodePlan, index: int, port: int) -> Tunnel:
    local = node.addresses[0]
    remote = other.address(family_of(local))
    if remote is None:
        raise AssertionError("nodes of a cluster have the same families")
    return Tunnel(
        namespace=node.name,
        interface=INTERFACE,
        index=index,
        mac=mac(index),
        local=local,
        remote=remote,
        network=NETWORK,
        port=port,
    )


def _free_index(topology: Topology) -> int:
    """Return the first interface index behind all others: they are unique in the whole topology."""
    taken = [end.index for link in topology.links for end in (link.a, link.b)]
    taken += [translator.index for translator in topology.translators]
    taken += [tunnel.index for tunnel in topology.tunnels]
    return max(taken) + 1


FAULT = Fault(
    name="vxlan-overlay",
    title="a node sends packets to another node inside VXLAN",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
