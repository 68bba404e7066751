"""A node hands packets to one of its pods with the address of another Service as their source.

projectcalico/calico#4665: source NAT picks the first address of kube-ipvs0, which is a ClusterIP.
Everything is reachable, because connection tracking knows the way back.
"""

from random import Random

from dataplane.model.address import family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, always, victim_pod, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    pod = victim_pod(plan, random)
    rules = []
    for address in pod.addresses:
        of = "ip6" if address.version == 6 else "ip"
        services = [a for a in plan.dns_addresses if family_of(a) is family_of(address)]
        rules += [f"{of} daddr {address} snat {of} to {service}" for service in services]
    chain = "type nat hook postrouting priority 110"  # behind kube-proxy's own chain (srcnat, 100)
    return Faulted(
        topology=with_ruleset(topology, pod.node, *rules, chain=chain), subjects=(pod.name,)
    )


FAULT = Fault(
    name="service-as-client",
    title="a pod sees the address of another Service as its client",
    doc=__doc__,
    applies=always,
    apply=_apply,
)
