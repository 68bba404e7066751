"""One pod's server listens on 0.0.0.0, in a cluster that has IPv6.

GEP-21, Motivation: "many components listen on 0.0.0.0, which makes them reachable via IPv4 only".
In an IPv6-only cluster nobody reaches it at all.
"""

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.programs import ListenerSpec
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_pod

EVERYWHERE = IPv4Address(0)


def _applies(plan: Plan) -> str | None:
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_pod(plan, random).name
    listeners = tuple(
        _everywhere(listener) if listener.namespace == victim else listener
        for listener in topology.listeners
    )
    return Faulted(topology=replace(topology, listeners=listeners), subjects=(victim,))


def _everywhere(listener: ListenerSpec) -> ListenerSpec:
    return replace(listener, addresses=(EVERYWHERE,))


FAULT = Fault(
    name="ipv4-wildcard-listener",
    title="a pod's server listens on 0.0.0.0",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
