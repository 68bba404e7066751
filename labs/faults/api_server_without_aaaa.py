"""The API server's name has no AAAA record: its DNSRecord was called like the one for IPv4.

GEP-21: the object of the AAAA record has a suffix. Without it the two objects are one, whoever
comes last replaces the other, and a cluster with IPv6 finds its API server by IPv4 or not at all.
"""

from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, without_aaaa


def _applies(plan: Plan) -> str | None:
    has = any(record.record_type == "AAAA" for record in plan.dns_records)
    return None if has else "the API server of this plan has no IPv6 address"


def _apply(topology: Topology, plan: Plan, _random: Random) -> Faulted:
    names = {record.name for record in plan.dns_records}
    return Faulted(topology=without_aaaa(topology, names), subjects=("gateway",))


FAULT = Fault(
    name="api-server-without-aaaa",
    title="the name of the API server has no AAAA record",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
