"""Between the gateway and the nodes: one fabric router, or a router per subnet on one network.

A fabric router has a link to each node. Where the cloud has a router per subnet (OpenStack), all nodes
and both routers are on one network, a bridge; a node has one port there and sends each family to the
router of that family. Either way the routers know which node has which pods, by the node's address,
and the gateway above knows what they tell it: the ranges of nodes and pods, or attached subnets.
"""

from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.programs import DhcpClientSpec, DhcpServerSpec
from dataplane.model.topology import Point, Role
from dataplane.planning.wiring import UPPER6, Wiring
from dataplane.rules.gardener import cidrs

FABRIC, NETWORK = "fabric", "network"
BRIDGE, NODES, UPLINK = "br0", "nodes", "uplink"
LINK_LOCAL = IPv6Address("fe80::1:0:0")  # and a node's number: on a segment each has one of its own


def routers(plan: Plan) -> dict[Family, str]:
    """Return the name of the router of each family."""
    if not plan.cloud.routers:
        return dict.fromkeys(Family, FABRIC)
    return {router.family: router.name for router in plan.cloud.routers}


def namespaces(wiring: Wiring, plan: Plan) -> None:
    """Add the routers, and the network that they share with the nodes where they do."""
    for name in dict.fromkeys(routers(plan).values()):
        wiring.namespace(name, Role.FABRIC, forwarding=True)
    if plan.cloud.routers:
        wiring.namespace(NETWORK, Role.SEGMENT)
    if plan.leases is not None:
        wiring.namespace(plan.leases.server, Role.DHCP)


def announced(plan: Plan) -> Iterator[Network]:
    """Yield what is known of the cluster upstream: its ranges, or the subnets with a router.

    Services are known there where a router has a route for them.

    A router tells its upstream what it is attached to. IPv4 pods are outside of that, and are
    routed all the same: how a cloud hides them is not what is planned here.
    """
    attached = {router.family: router.subnet for router in plan.cloud.routers}
    found = [
        attached.get(Family.IPV6, network) if family_of(network) is Family.IPV6 else network
        for network in (*plan.node_ranges, *plan.pod_ranges)
    ]
    found += [
        route.destination
        for route in plan.service_routes
        if not any(cidrs.intersect(route.destination, network) for network in found)
    ]
    yield from dict.fromkeys(found)


def wire(wiring: Wiring, plan: Plan) -> None:
    """Wire the gateway to the routers, and these to the network of the nodes."""
    of = routers(plan)
    for name in dict.fromkeys(of.values()):
        own = {family for family, router in of.items() if router == name}
        below = _of(plan.transit.fabric, own)
        if below:
            upper = _of(plan.resolver, own)
            wiring.link(("gateway", name), (name, "gateway"), upper=upper, lower=below)
            wiring.up(name, "gateway", tuple(map(family_of, below)))
    for network in announced(plan):
        family = family_of(network)
        (via,) = _of(plan.transit.fabric, {family})
        wiring.down("gateway", of[family], network, via=via)
    if plan.cloud.routers:
        wiring.bridge(NETWORK, BRIDGE)
        for router in plan.cloud.routers:
            six = router.family is Family.IPV6
            wiring.plug(NETWORK, (router.name, NODES), (UPPER6,) if six else ())
    if plan.leases is not None:
        wiring.plug(NETWORK, (plan.leases.server, NODES), (plan.leases.link_local,))


def node(wiring: Wiring, plan: Plan, node: NodePlan) -> None:
    """Wire a node's uplink, with the routes to its pods, and to Services where it is their way in."""
    if plan.cloud.routers:
        _plugged(wiring, plan, node)
    else:
        resolved = plan.neighbours == "resolved"
        above, below = (FABRIC, node.name), (node.name, UPLINK)
        wiring.link(above, below, lower=node.addresses, resolved=resolved)
    learned = {Family.IPV6} if learns(plan, node) else set[Family]()
    families = dict.fromkeys(map(family_of, node.addresses))
    wiring.up(node.name, UPLINK, tuple(f for f in families if f not in learned))
    behind = (
        *node.pod_prefixes,
        *(route.destination for route in plan.service_routes if route.via in node.addresses),
    )
    for network in behind:
        towards(wiring, plan, node, network)
    wiring.tap(node.name, UPLINK, Point.UPLINK, node.name)


def towards(wiring: Wiring, plan: Plan, node: NodePlan, network: Network) -> None:
    """Have the router of a network's family send it to a node that has an address of the family."""
    via = node.address(family_of(network))
    if via is None:
        return
    if plan.cloud.routers:
        wiring.route(routers(plan)[family_of(network)], NODES, network, via=via)
    else:
        wiring.down(FABRIC, node.name, network, via=via)


def learns(plan: Plan, node: NodePlan) -> bool:
    """Tell whether a node has its IPv6 default route from router advertisements."""
    return plan.default_routes == "advertised" and node.address(Family.IPV6) is not None


def dhcp(
    wiring: Wiring, plan: Plan
) -> tuple[tuple[DhcpServerSpec, ...], tuple[DhcpClientSpec, ...]]:
    """Return the DHCPv6 server of the network, and its clients, where nodes lease their addresses."""
    if plan.leases is None:
        return (), ()
    own, pool = plan.leases, plan.leases.pool
    nodes = [(node.name, node.address(Family.IPV6)) for node in plan.nodes]
    server = DhcpServerSpec(
        namespace=own.server,
        interface=NODES,
        index=wiring.end(own.server, NODES).index,
        address=own.address,
        subnet=own.subnet,
        first=pool[0],
        last=pool[-1],
        reserved=tuple(
            (wiring.end(name, UPLINK).mac, address)
            for name, address in nodes
            if isinstance(address, IPv6Address)
        ),
    )
    clients = (
        DhcpClientSpec(namespace=name, interface=UPLINK) for name, address in nodes if address
    )
    return (server,), tuple(clients)


def _plugged(wiring: Wiring, plan: Plan, node: NodePlan) -> None:
    """Plug a node into the network, where it and the routers know each other.

    The routers know it by the address that it is to have, also where it has none before it leases one.
    """
    six = any(family_of(address) is Family.IPV6 for address in node.addresses)
    number = next(n for n, other in enumerate(plan.nodes) if other.name == node.name)
    local = (LINK_LOCAL + number,) if six else ()
    written = tuple(
        address
        for address in node.addresses
        if plan.leases is None or family_of(address) is Family.IPV4
    )
    wiring.plug(NETWORK, (node.name, UPLINK), (*written, *local))
    for address in node.addresses:
        router = routers(plan)[family_of(address)]
        resolved = plan.neighbours == "resolved"
        wiring.meet((router, NODES), (node.name, UPLINK), address, resolved=resolved)


def _of(addresses: Iterable[Address], families: Iterable[Family]) -> tuple[Address, ...]:
    wanted = set(families)
    return tuple(address for address in addresses if family_of(address) in wanted)
