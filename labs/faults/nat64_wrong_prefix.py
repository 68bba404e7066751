"""The translator serves another prefix than the one that is routed to it and that DNS64 uses."""

from dataclasses import replace
from ipaddress import IPv6Network
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64, victim_nat64

WRONG = IPv6Network("64:ff9b:1:fffe::/96")  # inside RFC 8215's prefix, outside of the default


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_nat64(plan, random)
    translators = tuple(
        replace(spec, prefix=WRONG) if spec.kind == "nat64" and spec.namespace == victim else spec
        for spec in topology.translators
    )
    return Faulted(topology=replace(topology, translators=translators), subjects=(victim,))


FAULT = Fault(
    name="nat64-wrong-prefix",
    title="the NAT64 translator serves another prefix than the cluster uses",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
