"""The translator's device is there, the translator is not: packets go in and nothing comes out."""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64, victim_nat64


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_nat64(plan, random)
    translators = tuple(
        replace(spec, engine="none") if spec.kind == "nat64" and spec.namespace == victim else spec
        for spec in topology.translators
    )
    return Faulted(topology=replace(topology, translators=translators), subjects=(victim,))


FAULT = Fault(
    name="nat64-down",
    title="the NAT64 translator is not running",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
