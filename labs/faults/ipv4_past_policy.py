"""A pod may not send anything by policy, which knows IPv6 only; its host-local IPv4 still connects.

aws-network-policy-agent#55: with all egress denied in an IPv6 cluster, IPv4 literals get through by
the interface that the CNI made beside.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.programs import ListenerSpec
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, with_ruleset
from labs.faults import ipv4_leak

PORT = 80  # a metadata service


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    leaky = ipv4_leak.FAULT.apply(topology, plan, random)
    (victim,) = leaky.subjects
    pod = plan.pod(victim)
    own = ", ".join(
        str(address) for address in (pod.address(Family.IPV6), pod.clat_address) if address
    )
    denied = with_ruleset(
        leaky.topology,
        pod.node,
        f"ip6 saddr {{ {own} }} ct direction original drop",
        chain="type filter hook forward priority -150",
    )
    metadata = ListenerSpec(namespace=pod.node, addresses=(ipv4_leak.NODE,), port=PORT)
    served = replace(denied, listeners=(*denied.listeners, metadata))
    return Faulted(topology=served, subjects=(victim,))


FAULT = Fault(
    name="ipv4-past-policy",
    title="a pod that may not send anything still connects over IPv4",
    doc=__doc__,
    applies=ipv4_leak.FAULT.applies,
    apply=_apply,
)
