"""The DHCPv6 server does not hear one node: it asks, nobody answers, and it has no address.

So it is where a switch port passes no multicast to ff02::1:2 (RFC 8415 section 7.1), or the agent that
serves the subnet was not told of the port.
"""

from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, leases_of, needs_leases, victim_node, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    (mac,) = {
        end.mac
        for link in topology.links
        for end in (link.a, link.b)
        for client in topology.dhcp_clients
        if (end.namespace, end.interface) == (node, client.interface)
    }
    rule = f"ether saddr {mac} udp dport 547 drop"
    chain = "type filter hook input priority -150"
    silent = with_ruleset(topology, leases_of(plan).server, rule, chain=chain)
    return Faulted(topology=silent, subjects=(node,))


FAULT = Fault(
    name="dhcp-server-silent",
    title="the DHCPv6 server does not answer a node",
    doc=__doc__,
    applies=needs_leases,
    apply=_apply,
)
