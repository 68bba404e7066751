"""The egress proxy: its addresses, its two legs, and what it listens on.

As a load balancer it stands with one leg in the fabric and with the other in the internet, and it
forwards no packet: what a pod asks of it is a connection of its own. Its leg inside has IPv6 only.
"""

from dataplane.model.address import Family, Network, family_of
from dataplane.model.egress import EgressPlan
from dataplane.model.plan import Plan
from dataplane.model.problem import InvalidInputError, Source
from dataplane.model.programs import ForwardProxySpec
from dataplane.model.stimulus import Endpoint
from dataplane.model.topology import Point, Role
from dataplane.planning.space import Space
from dataplane.planning.surroundings import ZONE, Site, free_ipv4
from dataplane.planning.underlay import FABRIC
from dataplane.planning.wiring import Wiring
from dataplane.rules.fielderror import invalid

NAME = "egress-proxy"
PORT = 3128  # Squid's; there is no assigned one
INSIDE, OUTSIDE = "inside", "outside"  # its interfaces
HOST6, HOST4 = 0x3128, 31  # host parts of its addresses
FIELD = "egress_proxy"


def egress(plan: Plan, space: Space, site: Site) -> EgressPlan:
    """Return the proxy of a planned cluster; `space` is what is taken already.

    InvalidInputError where pods have no IPv6 to reach it by, or a cloud's routers leave no place.
    """
    if Family.IPV6 not in plan.families:
        detail = "the pods have no IPv6, and the proxy has nothing else inside"
        raise _refused(plan.name, detail, "take a manifest with IPv6, or leave it out")
    if plan.cloud.routers:
        detail = "is not built where a cloud has a router for each subnet"
        raise _refused(plan.name, detail, "leave it out, or choose another cloud model (`cloud`)")
    outside4 = free_ipv4(space, plan.name, 24)
    return EgressPlan(
        name=NAME,
        dns_name=f"{NAME}.{ZONE}",
        inside=(site.fabric[HOST6],),
        outside=(site.internet[HOST6], outside4[HOST4]),
        port=PORT,
    )


def wire(wiring: Wiring, plan: Plan) -> None:
    """Add the proxy with its links, routes and taps."""
    proxy = plan.egress
    if proxy is None:
        return
    name = proxy.name
    wiring.namespace(name, Role.PROXY)
    wiring.link(("internet", name), (name, OUTSIDE), lower=proxy.outside)
    wiring.up(name, OUTSIDE, tuple(map(family_of, proxy.outside)))
    wiring.link((FABRIC, name), (name, INSIDE), lower=proxy.inside)
    networks: tuple[Network, ...] = (*plan.node_ranges, *plan.pod_ranges)
    own = set(map(family_of, proxy.inside))
    inside = dict.fromkeys(network for network in networks if family_of(network) in own)
    wiring.aside(name, INSIDE, inside, beyond=(FABRIC, name))
    for interface in (INSIDE, OUTSIDE):
        wiring.tap(name, interface, Point.PROXY, name)


def forward_proxies(plan: Plan) -> tuple[ForwardProxySpec, ...]:
    """Return the program that the proxy runs."""
    proxy = plan.egress
    if proxy is None:
        return ()
    listen = tuple(Endpoint(address=address, port=proxy.port) for address in proxy.inside)
    return (ForwardProxySpec(namespace=proxy.name, listen=listen),)


def _refused(name: str, detail: str, remedy: str) -> InvalidInputError:
    problem = invalid(FIELD, "", detail, source=Source.SIXSCOPE, remedy=remedy)
    return InvalidInputError(name, [problem])
