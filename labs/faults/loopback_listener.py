"""One pod's server listens on loopback only, and a Service leads to it: everybody is refused.

What retool-helm#335 and others describe for 127.0.0.1, in every family that the pod has.
"""

from dataclasses import replace
from ipaddress import ip_address
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.programs import ListenerSpec
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, always, victim_pod


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_pod(plan, random).name
    listeners = tuple(
        _inside(listener) if listener.namespace == victim else listener
        for listener in topology.listeners
    )
    return Faulted(topology=replace(topology, listeners=listeners), subjects=(victim,))


def _inside(listener: ListenerSpec) -> ListenerSpec:
    addresses = (ip_address("::1" if a.version == 6 else "127.0.0.1") for a in listener.addresses)
    return replace(listener, addresses=tuple(addresses))


FAULT = Fault(
    name="loopback-listener",
    title="a pod's server listens on loopback only",
    doc=__doc__,
    applies=always,
    apply=_apply,
)
