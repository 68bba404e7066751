"""The old balancer has lost its backends, and the name still leads to it as well.

"Using IPv4/IPv6 (dual-stack) Ingress": a Service that is changed may get a new load balancer, and
the old one is left over. A part of the clients goes there, is accepted, and finds nobody.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import family_of
from dataplane.model.plan import Plan
from dataplane.model.programs import Record
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_old_balancer, old_balancers


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    old = old_balancers(plan)
    names = tuple(balancer.name for balancer in old)
    balancers = tuple(
        replace(spec, backends=()) if spec.namespace in names else spec
        for spec in topology.balancers
    )
    dns_name = plan.ingress.dns_name if plan.ingress else ""
    records = tuple(
        Record(name=dns_name, type="A" if address.version == 4 else "AAAA", value=str(address))
        for balancer in old
        for address in sorted(balancer.addresses, key=family_of)
    )
    authority = replace(topology.authority, records=(*topology.authority.records, *records))
    return Faulted(
        topology=replace(topology, balancers=balancers, authority=authority), subjects=names
    )


FAULT = Fault(
    name="left-over-balancer",
    title="the name still leads to an old balancer that has nobody behind it",
    doc=__doc__,
    applies=needs_old_balancer,
    apply=_apply,
)
