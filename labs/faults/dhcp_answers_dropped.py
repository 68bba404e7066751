"""A node's own filter drops what DHCPv6 servers answer: it asks, is answered, and has no address.

A stateful filter does not know the answer for one: the question went to ff02::1:2, and the answer comes from
the server's own address (RFC 8415 section 7.1). So UDP to port 546 has to be accepted by itself.
"""

from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_leases, victim_node, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    rule = 'iifname "uplink" udp dport 546 ct state new drop'
    chain = "type filter hook input priority 0"
    dropped = with_ruleset(topology, node, rule, chain=chain)
    return Faulted(topology=dropped, subjects=(node,))


FAULT = Fault(
    name="dhcp-answers-dropped",
    title="a node drops the answers of DHCPv6 servers",
    doc=__doc__,
    applies=needs_leases,
    apply=_apply,
)
