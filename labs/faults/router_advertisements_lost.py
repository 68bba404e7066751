"""The network drops router advertisements on their way to a node: it never has a default route.

So does a switch port with RA-Guard (RFC 6105) that takes the router's port for a host's.
"""

from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_advertising, needs_links, victim_node, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    rule = f'oifname "{node}" icmpv6 type nd-router-advert drop'
    chain = "type filter hook output priority -150"
    lost = with_ruleset(topology, "fabric", rule, chain=chain)
    return Faulted(topology=lost, subjects=(node,))


FAULT = Fault(
    name="router-advertisements-lost",
    title="router advertisements do not come to a node",
    doc=__doc__,
    applies=lambda plan: needs_advertising(plan) or needs_links(plan),
    apply=_apply,
)
