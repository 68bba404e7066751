"""A router drops IPv6 packets by a bit of their destination: one server is out of reach, others not.

NANOG, July 2021: a line card lost IPv6 packets with bit 65 set, browsers fell back, nobody noticed.
Which bit tells the servers of a lab from each other hangs on the plan; here it is the whole address.
"""

from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_dual_stack, with_ruleset


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    server = next(s for s in plan.servers if len(s.addresses) > 1)
    rule = f"ip6 daddr {server.address(Family.IPV6)} drop"
    chain = "type filter hook forward priority -150"
    return Faulted(
        topology=with_ruleset(topology, "gateway", rule, chain=chain), subjects=("gateway",)
    )


FAULT = Fault(
    name="ipv6-destination-lost",
    title="the gateway drops IPv6 packets to one destination",
    doc=__doc__,
    applies=needs_dual_stack,
    apply=_apply,
)
