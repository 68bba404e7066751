"""The egress proxy has lost one family outside: its default route, or what it sends vanishes.

Which family and which of the two, the seed decides. Servers with that family alone are cut off; for
those with both, the proxy takes the other one.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.egress import EgressPlan
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_egress_proxy, with_ruleset


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    if plan.egress is None:
        raise AssertionError("the fault is for plans with an egress proxy")
    lose = random.choice(WAYS)
    family = random.choice(tuple(Family))
    return Faulted(topology=lose(topology, plan.egress, family), subjects=(plan.egress.name,))


def _unrouted(topology: Topology, proxy: EgressPlan, family: Family) -> Topology:
    routes = tuple(
        route
        for route in topology.routes
        if not (
            route.namespace == proxy.name
            and route.destination is None
            and route.via is not None
            and family_of(route.via) is family
        )
    )
    return replace(topology, routes=routes)


def _swallowed(topology: Topology, proxy: EgressPlan, family: Family) -> Topology:
    keyword = "ip" if family is Family.IPV4 else "ip6"
    rule = f"{keyword} saddr {proxy.address(family)} drop"
    return with_ruleset(topology, "internet", rule, chain="type filter hook forward priority -150")


WAYS: tuple[Callable[[Topology, EgressPlan, Family], Topology], ...] = (_unrouted, _swallowed)

FAULT = Fault(
    name="egress-proxy-one-family",
    title="the egress proxy has lost one family outside",
    doc=__doc__,
    applies=needs_egress_proxy,
    apply=_apply,
)
