"""A node has accept_ra=1, which Linux takes for 0 where it forwards: it hears of no router.

Documentation/networking/ip-sysctl.rst: 1 accepts router advertisements if forwarding is disabled, 2
even if it is enabled. A node of a cluster with IPv6 forwards.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_advertising, victim_node


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    namespaces = tuple(
        replace(namespace, accept_ra=1) if namespace.name == node else namespace
        for namespace in topology.namespaces
    )
    return Faulted(topology=replace(topology, namespaces=namespaces), subjects=(node,))


FAULT = Fault(
    name="router-advertisements-ignored",
    title="a node does not take router advertisements",
    doc=__doc__,
    applies=needs_advertising,
    apply=_apply,
)
