"""The resolver puts a synthesized record in place of every AAAA record, the cluster's own included.

coredns/coredns#7246: with dns64's translate_all, names of cluster.local lead nowhere in an IPv6-only
cluster, since they have no A record to make one of; and what has IPv6 takes the way by NAT64.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64


def _apply(topology: Topology, _plan: Plan, _random: Random) -> Faulted:
    resolver = replace(topology.resolver, translate_all=True)
    return Faulted(topology=replace(topology, resolver=resolver), subjects=("gateway",))


FAULT = Fault(
    name="dns64-translates-all",
    title="the resolver synthesizes AAAA records in place of real ones",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
