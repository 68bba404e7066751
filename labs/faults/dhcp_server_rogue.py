"""Somebody runs a second DHCPv6 server on the network of the nodes, and clients prefer it.

RFC 8415 section 18.2.9: a client takes the offer with the highest preference, and one of 255 at once
(section 18.2.1). It leases from a quarter of the subnet that is nobody's: neither the pool's, nor pods' or Services'.
"""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.programs import DhcpServerSpec
from dataplane.model.topology import Role, Topology
from dataplane.planning.underlay import NETWORK, NODES
from dataplane.planning.wiring import Wiring
from dataplane.rules.gardener import cidrs
from labs.fault import Fault, Faulted, leases_of, needs_leases

ROGUE = "rogue"
LINK_LOCAL = IPv6Address("fe80::bad:0")


def _free(plan: Plan) -> tuple[IPv6Network, ...]:
    """Return the quarters of the subnet that nobody uses."""
    leases = leases_of(plan)
    used = (leases.pool, *plan.pod_ranges, *plan.service_ranges)
    return tuple(
        quarter
        for quarter in leases.subnet.subnets(2)
        if not any(cidrs.intersect(quarter, network) for network in used)
    )


def _applies(plan: Plan) -> str | None:
    return needs_leases(plan) or (None if _free(plan) else "no quarter of the subnet is free")


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    leases = leases_of(plan)
    quarter = random.choice(_free(plan))
    wiring = Wiring.beside(topology)
    wiring.namespace(ROGUE, Role.DHCP)
    wiring.plug(NETWORK, (ROGUE, NODES), (LINK_LOCAL + random.randrange(0x10000),))
    server = DhcpServerSpec(
        namespace=ROGUE,
        interface=NODES,
        index=wiring.end(ROGUE, NODES).index,
        address=quarter[1],
        subnet=leases.subnet,
        first=quarter[0x100],
        last=quarter[0x1FF],
        preferred=True,
    )
    joined = replace(
        topology,
        namespaces=(*topology.namespaces, *wiring.namespaces),
        links=(*topology.links, *wiring.links),
        bridges=tuple(wiring.bridges),
        dhcp_servers=(*topology.dhcp_servers, server),
    )
    clients = tuple(client.namespace for client in topology.dhcp_clients)
    return Faulted(topology=joined, subjects=clients)


FAULT = Fault(
    name="dhcp-server-rogue",
    title="a second DHCPv6 server is on the nodes' network",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
