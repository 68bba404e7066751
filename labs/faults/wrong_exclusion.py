"""A node masquerades IPv6 to the pods of other nodes: the range that it spares is too small.

cilium/cilium#10939, #6320: a masquerade rule with the wrong exclusion CIDR. Only the node's own pod
prefix is spared, as an agent does that was told the node's podCIDR for the cluster's.
"""

from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_node, with_ruleset


def _applies(plan: Plan) -> str | None:
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6"
    homes = {pod.node for pod in plan.actors}
    return None if len(homes) > 1 else "all pods that take part are on one node"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    own = [prefix for prefix in node.pod_prefixes if family_of(prefix) is Family.IPV6]
    cluster = ", ".join(
        str(prefix)
        for other in plan.nodes
        for prefix in other.pod_prefixes
        if other.name != node.name and family_of(prefix) is Family.IPV6
    )
    rules = [
        f'oifname "uplink" ip6 saddr {prefix} ip6 daddr {{ {cluster} }} masquerade'
        for prefix in own
    ]
    chain = "type nat hook postrouting priority 110"  # behind kube-proxy's own chain (srcnat, 100)
    return Faulted(
        topology=with_ruleset(topology, node.name, *rules, chain=chain),
        subjects=tuple(pod.name for pod in node.pods if pod.actor),
    )


FAULT = Fault(
    name="wrong-exclusion",
    title="a node masquerades IPv6 to the pods of other nodes",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
