"""The balancer's target group has addresses of the family that the cluster does not have.

kubernetes-sigs/aws-load-balancer-controller#2668: a dual-stack load balancer with targets of the
wrong family. It takes every connection, and each of its own to a backend goes nowhere.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from random import Random

from dataplane.model.address import Address, Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_ingress

FOREIGN: dict[
    Family, Address
] = {  # RFC 3849 and RFC 1112 section 4: nobody's, as in an empty subnet
    Family.IPV4: IPv6Address("2001:db8:bad::"),
    Family.IPV6: IPv4Address("240.0.0.0"),
}


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    named = plan.ingress.named if plan.ingress else ()
    victim = random.choice(named).name
    balancers = tuple(
        replace(
            spec,
            backends=tuple(
                replace(backend, address=FOREIGN[_family(plan)] + number)
                for number, backend in enumerate(spec.backends, start=1)
            ),
        )
        if spec.namespace == victim
        else spec
        for spec in topology.balancers
    )
    return Faulted(topology=replace(topology, balancers=balancers), subjects=(victim,))


def _family(plan: Plan) -> Family:
    return plan.ingress.family if plan.ingress else plan.families[0]


FAULT = Fault(
    name="targets-of-other-family",
    title="the balancer's backends have addresses of a family that the cluster does not have",
    doc=__doc__,
    applies=needs_ingress,
    apply=_apply,
)
