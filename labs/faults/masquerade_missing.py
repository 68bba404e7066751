"""A node loses kube-proxy's mark on what comes in by a NodePort or a load balancer's address.

With policy Cluster the endpoint may be on another node; its answer then goes straight to a client
that has asked somebody else. kube-proxy's rules are whole: another agent writes the mark's bit
(0x4000) over, as firewalls and network plugins do that use the packet mark, too.
"""

from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_node, with_ruleset
from labs.kubeproxy.words import MASQUERADE_MARK

CHAIN = "type filter hook postrouting priority 90"  # before kube-proxy's masquerading (srcnat, 100)


def needs_cluster_policy(plan: Plan) -> str | None:
    """Return why a plan has no Service that is open to outside with policy Cluster."""
    policies = {s.external_traffic_policy for s in plan.services if s.node_port is not None}
    return None if "Cluster" in policies else "no Service is open to outside with policy Cluster"


def ways_in(plan: Plan, node: str) -> str:
    """Return nft's set of the IPv6 addresses by which a node is asked from outside."""
    found = [a for service in plan.services for a in service.load_balancer]
    found += plan.node(node).addresses
    return ", ".join(str(address) for address in found if address.version == 6)


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    keep = ~MASQUERADE_MARK & 0xFFFFFFFF
    rule = (
        f"ct original ip6 daddr {{ {ways_in(plan, node.name)} }} "
        f"meta mark set meta mark and {keep:#x}"
    )
    return Faulted(
        topology=with_ruleset(topology, node.name, rule, chain=CHAIN),
        subjects=(node.name, *(pod.name for pod in node.pods if pod.actor)),
    )


FAULT = Fault(
    name="masquerade-missing",
    title="a node does not hide clients of a NodePort, and must",
    doc=__doc__,
    applies=needs_cluster_policy,
    apply=_apply,
)
