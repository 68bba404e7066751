"""A node does not hide what its NAT64 sends: addresses of the pool leave it, and no answer comes back."""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_node_nat64, victim_node


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_node(plan, random).name
    masquerades = tuple(spec for spec in topology.masquerades if spec.namespace != victim)
    return Faulted(topology=replace(topology, masquerades=masquerades), subjects=(victim,))


FAULT = Fault(
    name="nat64-unmasqueraded",
    title="a node sends the pool of its NAT64 out",
    doc=__doc__,
    applies=needs_node_nat64,
    apply=_apply,
)
