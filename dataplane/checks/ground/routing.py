"""The routes of the routers around the nodes: what leads to which node."""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.seen import RouteSeen

Way = tuple[int, Address | None, str | None]


def within(inner: Network, outer: Network) -> bool:
    """Tell whether a network lies inside another one, or is it."""
    return inner.network_address in outer and inner.prefixlen >= outer.prefixlen


class Routing:
    """Routes by router. A router is who has, beside default routes, a route to one of the nodes.

    Pods and nodes are none: how they route inside is their own business.
    """

    def __init__(self, plan: Plan, routes: Iterable[RouteSeen]) -> None:
        self.plan = plan
        own = {pod.name for pod in plan.pods} | {node.name for node in plan.nodes}
        by_owner: defaultdict[str, list[RouteSeen]] = defaultdict(list)
        for route in routes:
            if route.owner not in own:
                by_owner[route.owner].append(route)
        self._nodes = {address: node for node in plan.nodes for address in node.addresses}
        self._routes = {
            owner: tuple(known)
            for owner, known in by_owner.items()
            if any(_knows(route, self._nodes) for route in known)
        }
        self._ways = {router: self._ways_of(router) for router in self._routes}

    def _ways_of(self, router: str) -> dict[Way, set[str]]:
        """Return the nodes behind each way out of a router, as routes to their addresses tell."""
        ways: defaultdict[Way, set[str]] = defaultdict(set)
        for address, node in self._nodes.items():
            route = self.best(router, ip_network(address))
            if route is not None and route.destination.prefixlen > 0:
                ways[_way(route)].add(node.name)
        return ways

    @property
    def routers(self) -> tuple[str, ...]:
        """Return the routers, by name."""
        return tuple(sorted(self._routes))

    def carries(self, router: str, family: Family) -> bool:
        """Tell whether a router knows a node in a family: of two, each may have its own."""
        return any(
            route.destination.version == address.version and _knows(route, [address])
            for address in self._nodes
            if family_of(address) is family
            for route in self._routes[router]
        )

    def of(self, router: str) -> tuple[RouteSeen, ...]:
        """Return the routes of a router."""
        return self._routes[router]

    def best(self, router: str, network: Network) -> RouteSeen | None:
        """Return the longest route that takes all of a network, None when there is none."""
        covering = (r for r in self._routes[router] if within(network, r.destination))
        return max(covering, key=lambda route: route.destination.prefixlen, default=None)

    def nodes_of(self, route: RouteSeen) -> tuple[NodePlan, ...]:
        """Return the nodes that a route leads to, by a node's address or the way to that address.

        They are several where the next router knows more.
        """
        named = None if route.via is None else self._nodes.get(route.via)
        if named is not None:
            return (named,)
        names = self._ways[route.owner].get(_way(route), set())
        return tuple(node for node in self.plan.nodes if node.name in names)

    def leads_to(self, route: RouteSeen, node: NodePlan) -> bool:
        """Tell whether a route leads where a node is."""
        return any(other.name == node.name for other in self.nodes_of(route))

    def delivers(self, router: str, prefix: Network, node: NodePlan) -> bool:
        """Tell whether all of a prefix is routed to a node, by one route or by several parts."""
        whole = self.best(router, prefix)
        if whole is not None and self.leads_to(whole, node):
            return True
        parts = [
            route.destination
            for route in self._routes[router]
            if within(route.destination, prefix) and self.leads_to(route, node)
        ]
        four = collapse_addresses(part for part in parts if isinstance(part, IPv4Network))
        six = collapse_addresses(part for part in parts if isinstance(part, IPv6Network))
        return [*four, *six] == [prefix]


def _way(route: RouteSeen) -> Way:
    return route.destination.version, route.via, route.interface


def _knows(route: RouteSeen, addresses: Iterable[Address]) -> bool:
    if route.destination.prefixlen == 0:
        return False
    return any(address == route.via or address in route.destination for address in addresses)


def worded(route: RouteSeen) -> str:
    """Return a route as `ip route` shows it."""
    via = f" via {route.via}" if route.via is not None else ""
    device = f" dev {route.interface}" if route.interface is not None else ""
    return f"{route.destination}{via}{device}"
