"""DNS64 is on, and makes nothing of what the forwarder answers: no AAAA record comes back for it.

coredns/coredns#3837: the plugin was there, AAAA queries for IPv4-only names came back empty all the
same. Who only looks whether DNS64 is there sees it: ipv4only.arpa has its synthesized records
(RFC 7050), and so would the NAT64 prefix be found. BIND does that by the addresses that it maps.
"""

from dataclasses import replace
from ipaddress import IPv4Network
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64

WELL_KNOWN = IPv4Network("192.0.0.170/31")  # RFC 7050 section 2.2: what ipv4only.arpa has


def _applies(plan: Plan) -> str | None:
    if plan.dns64_server != "bind":
        return f"{plan.dns64_server} cannot be told which addresses DNS64 maps"
    return needs_nat64(plan)


def _apply(topology: Topology, _plan: Plan, _random: Random) -> Faulted:
    resolver = replace(topology.resolver, mapped=WELL_KNOWN)
    return Faulted(topology=replace(topology, resolver=resolver), subjects=("gateway",))


FAULT = Fault(
    name="dns64-not-forwarded",
    title="the resolver synthesizes nothing for names that its forwarder answers",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
