"""The IPv4 path behind the NAT64 takes less than 1280 octets, and its router is not heard.

RFC 7915 sections 4.2 and 5: the IPv6 side is told 1280 at least, and the translator then lets
IPv4 fragment. It can do neither as long as "fragmentation needed" is dropped: TCP stalls.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_nat64, with_ruleset

MTUS = (576, 905, 1100)
MUTE = "icmp type destination-unreachable icmp code frag-needed drop"
CHAIN = "type filter hook output priority -150"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    servers = [s for s in plan.servers if s.address(Family.IPV6) is None]
    server = random.choice(servers)
    mtu = random.choice(MTUS)
    routes = tuple(
        replace(route, mtu=mtu)
        if route.namespace == "internet"
        and route.destination is not None
        and route.destination.network_address in server.addresses
        else route
        for route in topology.routes
    )
    narrow = replace(topology, routes=routes)
    return Faulted(
        topology=with_ruleset(narrow, "internet", MUTE, chain=CHAIN), subjects=(server.name,)
    )


FAULT = Fault(
    name="nat64-mtu-floor",
    title="an IPv4 path below 1280 octets, and nobody is told",
    doc=__doc__,
    applies=needs_nat64,
    apply=_apply,
)
