"""One dual-stack pod's server listens on 0.0.0.0: reachable over IPv4 only.

GEP-21, Motivation: "many components listen on 0.0.0.0, which makes them reachable via IPv4 only".
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.programs import ListenerSpec
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_dual_stack, victim_pod


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_pod(plan, random).name
    listeners = tuple(
        _ipv4_only(listener) if listener.namespace == victim else listener
        for listener in topology.listeners
    )
    return Faulted(topology=replace(topology, listeners=listeners), subjects=(victim,))


def _ipv4_only(listener: ListenerSpec) -> ListenerSpec:
    addresses = tuple(a for a in listener.addresses if family_of(a) is Family.IPV4)
    return replace(listener, addresses=addresses)


FAULT = Fault(
    name="ipv4-only-listener",
    title="a pod's server listens on IPv4 only",
    doc=__doc__,
    applies=needs_dual_stack,
    apply=_apply,
)
