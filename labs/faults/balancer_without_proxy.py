"""The balancer does not send the PROXY protocol, and the pods behind it await it.

Every connection reaches a pod, which takes the request for a broken header and hangs up.
"Using IPv4/IPv6 (dual-stack) Ingress", PROXY protocol: the receiving pod must speak it, too.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_proxy_protocol


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    balancers = tuple(replace(spec, send_proxy=False) for spec in topology.balancers)
    named = plan.ingress.balancers if plan.ingress else ()
    return Faulted(
        topology=replace(topology, balancers=balancers),
        subjects=tuple(balancer.name for balancer in named),
    )


FAULT = Fault(
    name="balancer-without-proxy",
    title="the balancer does not send the PROXY protocol that pods await",
    doc=__doc__,
    applies=needs_proxy_protocol,
    apply=_apply,
)
