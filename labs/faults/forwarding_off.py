"""One node does not forward, as a worker that was never set up for it: its pods are cut off.

GEP-21: IPv6 forwarding has to be switched on for worker nodes.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_node


def _applies(plan: Plan) -> str | None:
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    namespaces = tuple(
        replace(namespace, forwarding=False) if namespace.name == node else namespace
        for namespace in topology.namespaces
    )
    return Faulted(topology=replace(topology, namespaces=namespaces), subjects=(node,))


FAULT = Fault(
    name="forwarding-off",
    title="a node does not forward packets",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
