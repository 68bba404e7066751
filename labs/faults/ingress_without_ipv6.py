"""The balancer has IPv4 only: no AAAA record, nothing that listens, or packets that vanish.

Which of the three it is, the seed decides. Clients with both families do not notice the first two;
those with IPv6 only are cut off by each.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.ingress import BalancerPlan
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_ingress, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    named = plan.ingress.named if plan.ingress else ()
    victim = random.choice(named)
    return Faulted(topology=random.choice(WAYS)(topology, victim), subjects=(victim.name,))


def _unnamed(topology: Topology, victim: BalancerPlan) -> Topology:
    own = str(victim.address(Family.IPV6))
    authority = topology.authority
    records = tuple(r for r in authority.records if not (r.type == "AAAA" and r.value == own))
    return replace(topology, authority=replace(authority, records=records))


def _deaf(topology: Topology, victim: BalancerPlan) -> Topology:
    balancers = tuple(
        replace(spec, listen=tuple(e for e in spec.listen if family_of(e.address) is Family.IPV4))
        if spec.namespace == victim.name
        else spec
        for spec in topology.balancers
    )
    return replace(topology, balancers=balancers)


def _swallowed(topology: Topology, victim: BalancerPlan) -> Topology:
    rule = f"ip6 daddr {victim.address(Family.IPV6)} drop"
    chain = "type filter hook input priority -150"
    return with_ruleset(topology, victim.name, rule, chain=chain)


WAYS: tuple[Callable[[Topology, BalancerPlan], Topology], ...] = (_unnamed, _deaf, _swallowed)

FAULT = Fault(
    name="ingress-without-ipv6",
    title="the balancer serves IPv4 only",
    doc=__doc__,
    applies=needs_ingress,
    apply=_apply,
)
