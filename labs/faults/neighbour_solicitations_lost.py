"""The network drops what a node asks of all: multicast neighbour solicitations come to nobody.

RFC 4861 section 7.2.2: who has no entry for a neighbour asks the group of its address. Switches that
prune multicast by what they have heard of listeners (RFC 4541), and heard nothing, drop just that.
"""

from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_links, needs_resolving, victim_node, with_ruleset

SOLICITED_NODES = "ff02::1:ff00:0/104"  # RFC 4291 section 2.7.1


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    rule = f'iifname "{node}" ip6 daddr {SOLICITED_NODES} icmpv6 type nd-neighbor-solicit drop'
    chain = "type filter hook input priority -150"
    lost = with_ruleset(topology, "fabric", rule, chain=chain)
    return Faulted(topology=lost, subjects=(node,))


FAULT = Fault(
    name="neighbour-solicitations-lost",
    title="neighbour solicitations of a node get lost",
    doc=__doc__,
    applies=lambda plan: needs_resolving(plan) or needs_links(plan),
    apply=_apply,
)
