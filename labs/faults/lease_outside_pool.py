"""The DHCPv6 server leases a node an address outside of the pool: a typing error in its reservations.

"Enable IPv4 & IPv6 Dualstack Support", OpenStack: DHCPv6 serves a part of the subnet. The rest of it is
the pods' and the Services', or nobody's.
"""

from dataclasses import replace
from ipaddress import IPv6Address
from random import Random

from dataplane.model.plan import LeasePlan, Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, leases_of, needs_leases, victim_node


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    leases, node = leases_of(plan), victim_node(plan, random)
    wrong = _outside(leases, random)
    servers = tuple(
        replace(
            server,
            reserved=tuple(
                (mac, wrong if address in node.addresses else address)
                for mac, address in server.reserved
            ),
        )
        for server in topology.dhcp_servers
    )
    return Faulted(topology=replace(topology, dhcp_servers=servers), subjects=(node.name,))


def _outside(leases: LeasePlan, random: Random) -> IPv6Address:
    """Return an address of the subnet that is not in the pool."""
    size = leases.subnet.num_addresses
    while (address := leases.subnet[random.randrange(size)]) in leases.pool:
        pass
    return address


FAULT = Fault(
    name="lease-outside-pool",
    title="DHCPv6 leases a node an address outside of the pool",
    doc=__doc__,
    applies=needs_leases,
    apply=_apply,
)
