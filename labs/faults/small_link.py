"""The MTU of a pod's link falls below 1280: the kernel takes IPv6 away there, and says nothing.

RFC 8200 section 5: every link that carries IPv6 takes 1280 octets. So it happened with a tunnel
whose MTU was set too low.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_pod

MTUS = (1000, 1200, 1279)


def _applies(plan: Plan) -> str | None:
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    pod = victim_pod(plan, random)
    mtu = random.choice(MTUS)
    links = tuple(
        replace(link, mtu=mtu) if link.b.namespace == pod.name else link for link in topology.links
    )
    return Faulted(topology=replace(topology, links=links), subjects=(pod.name,))


FAULT = Fault(
    name="small-link",
    title="a pod's link is too small for IPv6",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
