"""A node's own filter drops neighbour advertisements: it asks, is answered, and does not hear it.

RFC 4890 section 4.4.1: neighbour advertisements must not be dropped. A firewall that was written for
IPv4, where ARP is no IP packet, and drops all ICMPv6 it has no rule for does so.
"""

from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_resolving, victim_node, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    rule = 'iifname "uplink" icmpv6 type nd-neighbor-advert drop'
    chain = "type filter hook input priority -150"
    lost = with_ruleset(topology, node, rule, chain=chain)
    return Faulted(topology=lost, subjects=(node,))


FAULT = Fault(
    name="neighbour-advertisements-lost",
    title="a node drops neighbour advertisements",
    doc=__doc__,
    applies=needs_resolving,
    apply=_apply,
)
