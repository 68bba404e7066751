"""A pod's IPv6 packets vanish on its node; its IPv4 works, so that applications hide the fault.

IPv6 for Gardener, "Dual-Stack considered harmful": if something works, it is no indication.
"""

from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_dual_stack, victim_pod, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    pod = victim_pod(plan, random)
    rule = f"ip6 saddr {pod.address(Family.IPV6)} drop"
    chain = "type filter hook forward priority -150"
    return Faulted(
        topology=with_ruleset(topology, pod.node, rule, chain=chain), subjects=(pod.name,)
    )


FAULT = Fault(
    name="ipv6-black-hole",
    title="a dual-stack pod's IPv6 packets vanish",
    doc=__doc__,
    applies=needs_dual_stack,
    apply=_apply,
)
