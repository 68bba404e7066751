"""The resolver answers, but synthesizes nothing: IPv4-only names lead nowhere (RFC 6147)."""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64


def _apply(topology: Topology, _plan: Plan, _random: Random) -> Faulted:
    resolver = replace(topology.resolver, dns64=None)
    return Faulted(topology=replace(topology, resolver=resolver), subjects=("gateway",))


FAULT = Fault(
    name="dns64-off",
    title="the resolver does not synthesize AAAA records",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
