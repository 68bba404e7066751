"""Both families of a pod are broken, each towards others: IPv6 inside the cluster, IPv4 outside.

Every destination stays reachable by one family, so that a test of "any" family sees nothing
(IPv6 for Gardener: "chances are that IPv6 and IPv4 are both broken but fallback hides it").
"""

from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_dual_stack, victim_pod, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    pod = victim_pod(plan, random)
    outside = [s.address(Family.IPV4) for s in plan.servers if s.address(Family.IPV4)]
    rules = [
        f"ip6 saddr {pod.address(Family.IPV6)} ip6 daddr {network} drop"
        for network in plan.pod_ranges
        if family_of(network) is Family.IPV6
    ]
    rules += [f"ip saddr {pod.address(Family.IPV4)} ip daddr {server} drop" for server in outside]
    chain = "type filter hook forward priority -150"
    return Faulted(
        topology=with_ruleset(topology, pod.node, *rules, chain=chain), subjects=(pod.name,)
    )


FAULT = Fault(
    name="families-in-turn",
    title="both families of a pod are broken, each towards others",
    doc=__doc__,
    applies=needs_dual_stack,
    apply=_apply,
)
