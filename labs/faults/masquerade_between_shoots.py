"""One node hides its pods from the other cluster only, whose ranges its rules take for the internet.

projectcalico/calico: natOutgoing hides pods from every destination outside of the cluster's own pools.
"Enable IPv4 & IPv6 Dualstack Support": IPv6 CIDRs are unique, so that between Shoots there is no NAT.
"""

from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_neighbour, victim_node, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    ranges = (
        [] if plan.neighbour is None else plan.neighbour.node_ranges + plan.neighbour.pod_ranges
    )
    rules = [
        f'oifname "uplink" ip6 saddr {prefix} ip6 daddr {network} masquerade'
        for prefix in node.pod_prefixes
        if family_of(prefix) is Family.IPV6
        for network in dict.fromkeys(ranges)
        if family_of(network) is Family.IPV6
    ]
    chain = "type nat hook postrouting priority 110"  # behind kube-proxy's own chain (srcnat, 100)
    return Faulted(
        topology=with_ruleset(topology, node.name, *rules, chain=chain),
        subjects=tuple(pod.name for pod in node.pods if pod.actor),
    )


FAULT = Fault(
    name="masquerade-between-shoots",
    title="a node masquerades its pods towards the other cluster",
    doc=__doc__,
    applies=needs_neighbour,
    apply=_apply,
)
