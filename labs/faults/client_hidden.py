"""Neither the balancer nor the pods speak the PROXY protocol, though both have promised it.

Everybody is served, and every pod takes the balancer, or a node, for its client: logs, rate limits
and allow-lists by address are wrong, and nobody is told.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_proxy_protocol


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    balancers = tuple(replace(spec, send_proxy=False) for spec in topology.balancers)
    webs = tuple(replace(spec, accept_proxy=False) for spec in topology.webs)
    named = plan.ingress.balancers if plan.ingress else ()
    return Faulted(
        topology=replace(topology, balancers=balancers, webs=webs),
        subjects=tuple(balancer.name for balancer in named),
    )


FAULT = Fault(
    name="client-hidden",
    title="balancer and pods agree to speak no PROXY protocol, and clients are hidden",
    doc=__doc__,
    applies=needs_proxy_protocol,
    apply=_apply,
)
