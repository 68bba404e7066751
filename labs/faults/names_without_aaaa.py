"""The cluster's Services have IPv6 addresses, and their names have no AAAA records."""

from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, without_aaaa


def _applies(plan: Plan) -> str | None:
    has = any(family_of(a) is Family.IPV6 for service in plan.services for a in service.addresses)
    return None if has else "no Service of this plan has an IPv6 address"


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    names = {service.dns_name for service in plan.services}
    return Faulted(topology=without_aaaa(topology, names), subjects=("gateway",))


FAULT = Fault(
    name="names-without-aaaa",
    title="the names of Services have no AAAA records",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
