"""The link of a node takes less than all others, and whoever should say so is not heard.

RFC 4890 section 4.3.1: Packet Too Big must never be dropped. Where a filter drops all of ICMPv6,
connections open and then hang at the first full packet.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, routers, victim_node, with_ruleset

MTUS = (1300, 1380, 1420)
MUTE = "icmpv6 type packet-too-big drop"
CHAIN = "type filter hook output priority -150"


def _applies(plan: Plan) -> str | None:
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random).name
    mtu = random.choice(MTUS)
    links = tuple(
        replace(link, mtu=mtu) if (link.b.namespace, link.b.interface) == (node, "uplink") else link
        for link in topology.links
    )
    muted = replace(topology, links=links)
    for router in (node, *sorted(routers(topology))):
        muted = with_ruleset(muted, router, MUTE, chain=CHAIN)
    return Faulted(topology=muted, subjects=(node,))


FAULT = Fault(
    name="pmtu-black-hole",
    title="a node's link takes less, and nobody is told",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
