"""The resolver synthesizes with a prefix that no translator serves: names resolve, packets vanish."""

from dataclasses import replace
from ipaddress import IPv6Network
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64

# Two prefixes of RFC 8215's 64:ff9b:1::/48, so that the wrong one never is the right one.
WRONG = (IPv6Network("64:ff9b:1:fffe::/96"), IPv6Network("64:ff9b:1:ffff::/96"))


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    served = plan.nat64.prefix if plan.nat64 else None
    wrong = random.choice([prefix for prefix in WRONG if prefix != served])
    resolver = replace(topology.resolver, dns64=wrong)
    return Faulted(topology=replace(topology, resolver=resolver), subjects=("gateway",))


FAULT = Fault(
    name="dns64-wrong-prefix",
    title="DNS64 and NAT64 disagree about the prefix",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
