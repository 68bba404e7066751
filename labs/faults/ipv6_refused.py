"""A pod's IPv6 connections are refused by its node at once; clients fall back without a delay."""

from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_dual_stack, victim_pod, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    pod = victim_pod(plan, random)
    source = f"ip6 saddr {pod.address(Family.IPV6)}"
    rules = (
        f"{source} meta l4proto tcp reject with tcp reset",
        f"{source} reject with icmpv6 type admin-prohibited",
    )
    chain = "type filter hook forward priority -150"
    return Faulted(
        topology=with_ruleset(topology, pod.node, *rules, chain=chain), subjects=(pod.name,)
    )


FAULT = Fault(
    name="ipv6-refused",
    title="a dual-stack pod's IPv6 connections are refused",
    doc=__doc__,
    applies=needs_dual_stack,
    apply=_apply,
)
