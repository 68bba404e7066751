"""The names of Services have records of the family that the cluster does not have.

k3s-io/k3s#5849: AAAA answers in a cluster without IPv6 send every client to where nobody is first.
In an IPv6-only cluster A records do the same.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.programs import Record
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted

# Where nobody is in any lab: documentation and benchmarking addresses (RFC 3849, RFC 2544).
STRAY = {
    Family.IPV4: Record(name="", type="A", value="198.19.255.1"),
    Family.IPV6: Record(name="", type="AAAA", value="2001:db8:ffff:ffff::1"),
}


def _applies(plan: Plan) -> str | None:
    return "the cluster has both families" if len(plan.families) > 1 else None


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    stray = STRAY[plan.families[0].other]
    records = tuple(replace(stray, name=service.dns_name) for service in plan.services)
    authority = topology.authority
    changed = replace(topology, authority=replace(authority, records=authority.records + records))
    return Faulted(topology=changed, subjects=("gateway",))


FAULT = Fault(
    name="names-of-other-family",
    title="the names of Services have records of a family that the cluster lacks",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
