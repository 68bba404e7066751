"""One pod does not read the PROXY protocol that the balancer sends.

What comes first is no request, so that the pod answers 400 to every client that is led to it; the
others are served. "Using IPv4/IPv6 (dual-stack) Ingress": the receiving pod must speak it, too.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_proxy_protocol


def _apply(topology: Topology, _plan: Plan, random: Random) -> Faulted:
    victim = random.choice(topology.webs).namespace
    webs = tuple(
        replace(spec, accept_proxy=False) if spec.namespace == victim else spec
        for spec in topology.webs
    )
    return Faulted(topology=replace(topology, webs=webs), subjects=(victim,))


FAULT = Fault(
    name="pod-without-proxy",
    title="a pod does not read the PROXY protocol that the balancer sends",
    doc=__doc__,
    applies=needs_proxy_protocol,
    apply=_apply,
)
