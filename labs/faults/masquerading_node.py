"""One node hides its pods' IPv6 addresses behind its own, as a CNI with natOutgoing does.

IPv6 for Gardener, "Preventing NAT for PODs": it makes no sense to hide routed pod addresses.
"""

from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, always, victim_node, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    rules = [
        f'oifname "uplink" ip6 saddr {prefix} masquerade'
        for prefix in node.pod_prefixes
        if family_of(prefix) is Family.IPV6
    ]
    chain = "type nat hook postrouting priority 110"  # behind kube-proxy's own chain (srcnat, 100)
    return Faulted(
        topology=with_ruleset(topology, node.name, *rules, chain=chain),
        subjects=tuple(pod.name for pod in node.pods if pod.actor),
    )


FAULT = Fault(
    name="masquerading-node",
    title="a node masquerades its pods' IPv6 addresses",
    doc=__doc__,
    applies=always,
    apply=_apply,
)
