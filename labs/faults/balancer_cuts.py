"""The old balancer ends the connections of its clients as soon as they are silent for a moment.

"Using IPv4/IPv6 (dual-stack) Ingress", migration: existing connections are not to be cut. New ones
are served by both balancers, so that nobody notices but those who were there before.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_old_balancer, old_balancers

IDLE = 0.4  # seconds


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    names = tuple(balancer.name for balancer in old_balancers(plan))
    balancers = tuple(
        replace(spec, idle=IDLE) if spec.namespace in names else spec for spec in topology.balancers
    )
    return Faulted(topology=replace(topology, balancers=balancers), subjects=names)


FAULT = Fault(
    name="balancer-cuts",
    title="the old balancer cuts connections that clients keep open",
    doc=__doc__,
    applies=needs_old_balancer,
    apply=_apply,
)
