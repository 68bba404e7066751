"""The `openstack` model: the diagram of "Enable IPv4 & IPv6 Dualstack Support in Gardener".

One Network has an IPv4 and an IPv6 subnet, each with a router of its own. The IPv6 subnet comes from
a subnet pool, and its first quarter is the allocation pool of DHCPv6 or router advertisements; pods
have the second quarter and Services the third, inside the subnet, because a router tells its upstream
about attached subnets only. The router has one route per node to the node's /112, by the node's
address. That is 46 bits below the pods' /66, more than RangeAllocator takes: another controller sets
the PodCIDRs.
"""

from collections.abc import Sequence
from ipaddress import IPv6Network

from dataplane.model.address import Address, Family, Network
from dataplane.model.cloud import Allocator, CloudPlan, LimitPlan, RoutePlan, RouterPlan, SubnetPlan
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import Source
from dataplane.planning import allocators
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.clouds.ground import ranges
from dataplane.planning.clouds.ground.assignment import Assignment
from dataplane.rules import clusterip, nodeipam
from dataplane.rules.gardener import cidrs

SUBNET, NODE = 64, 112  # prefix lengths
QUARTERS = ("nodes", "pods", "services", "free")  # of the subnet, in this order
ROUTES_PER_ROUTER = 30  # Neutron's max_routes
ROUTER = {Family.IPV4: "router-v4", Family.IPV6: "router-v6"}


def assign(request: Request) -> Addressing:
    """Return the addressing of a cluster; InvalidInputError with all that would lose packets."""
    return OpenStack(request).answer()


class OpenStack(Assignment):
    """A Shoot on OpenStack."""

    model = "openstack"
    usual = Allocator.EXTERNAL

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.subnet: IPv6Network | None = None
        self.pool: Network | None = None
        self.source = ""

    def prepare(self) -> None:
        """Find the IPv6 subnet."""
        for wish in self.cluster.nodes:
            if wish.family is Family.IPV6 and wish.node_prefix is not None:
                detail = "OpenStack gives a port addresses, no prefix"
                self.refuse_wish(
                    "nodes", wish, detail, "take +prefix out; pods get a route per node"
                )
        for wish in self.cluster.pods:
            if wish.strategy in allocators.FROM_NODE:
                detail = "OpenStack gives a node no prefix that pods could be taken from"
                remedy = f"leave the pods out: the router gets a route to a /{NODE} per node"
                self.refuse_wish("pods", wish, detail, remedy)
        nodes = next((w for w in self.cluster.nodes if w.family is Family.IPV6), None)
        if nodes is None or self.problems:
            return
        self.subnet = self._subnet(nodes)
        if self.subnet is None:
            detail = "the subnet pool has no subnet left"
            self.refuse_wish("nodes", nodes, detail, "use a larger pool, or fewer clusters")

    def ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        """Return a quarter of the subnet, or the range as written when it lies where it must."""
        if self.subnet is None:
            detail = "has an IPv6 range, but the nodes have none: the router could not lead there"
            self.refuse_wish(kind, wish, detail, "give the nodes IPv6, or take it from here")
            return None
        own = wish.network
        is_private = wish.strategy is Strategy.V6_PRIVATE
        if kind == "services" and own is None and is_private:
            own = ranges.unique_local(self.request, kind, wish.size or 48)
        if own is None:
            own = ranges.block6(self.subnet, self.subnet.prefixlen + 2, QUARTERS.index(kind))
        if kind == "nodes":
            self.pool = self._pool(own)
        if kind != "services":
            self._check_inside(kind, wish, own)
        self._check_apart(kind, own)
        if kind == "services":
            return nodeipam.block(own, max(own.prefixlen, clusterip.SEED_PREFIX_LENGTH), 0)
        return own

    def addresses(self, network: Network, blocked: Sequence[Network]) -> tuple[Address, ...]:
        """Return what DHCPv6 gives: addresses of the allocation pool."""
        if isinstance(network, IPv6Network) and self.pool is not None:
            return super().addresses(self.pool, blocked)
        return super().addresses(network, blocked)

    def mask(self, wish: RangeWish, network: Network) -> int:
        """Return the node mask: as written, else the diagram's /112."""
        written = self.cluster.node_mask_size.get(wish.family)
        if wish.family is Family.IPV4 or written is not None:
            return super().mask(wish, network)
        return NODE if network.prefixlen < NODE else super().mask(wish, network)

    def cloud(self) -> CloudPlan:
        """Return the network: subnets, allocation pools, limits."""
        used = self.request.nodes + 1 if self.subnet is not None else 0
        return CloudPlan(
            model=self.model,
            source=self.source,
            subnets=self._subnets(),
            routers=self._routers(),
            limits=(
                LimitPlan(
                    name="routes of a router",
                    used=used,
                    most=ROUTES_PER_ROUTER,
                    remark="one per node and one for Services; Neutron's max_routes can be raised",
                ),
            ),
            notes=(
                "IPv4 and IPv6 subnets are on one Network: one port per node",
                "DHCPv6 and router advertisements serve the allocation pool only, never pods or Services",
                "a router tells its upstream the attached subnet, so pods and Services lie inside it",
                "Gardener's extension of today takes three subnets of the pool: nodes, pods, Services",
            )
            if self.subnet is not None
            else (),
        )

    def routes(self, prefixes: Sequence[Sequence[Network]]) -> tuple[RoutePlan, ...]:
        """Return the routers' entries: each node's pods, and the Services by any node."""
        if self.subnet is None:
            return ()
        router = ROUTER[Family.IPV6]
        upstream = RoutePlan(table="upstream-v6", destination=self.subnet, target=router)
        six = [[n for n in own if n.version == 6] for own in prefixes]
        found = [upstream, *self.node_routes(router, six)]
        services = self.services.get(Family.IPV6)
        if services is not None and ranges.within(services, self.subnet):
            via = self.hosts[Family.IPV6][0]
            target = "any node (ECMP)"
            found.append(RoutePlan(table=router, destination=services, target=target, via=via))
        return tuple(found)

    def _subnet(self, nodes: RangeWish) -> IPv6Network | None:
        """Return the subnet: as given, around what is written for the nodes, or from the pool."""
        given = self.given.prefix
        if given is not None:
            self.source = f"{given}, as given"
            return given
        if isinstance(nodes.network, IPv6Network):
            length = min(SUBNET, nodes.network.prefixlen)
            self.source = f"around {nodes.network}, as written for the nodes"
            return nodes.network.supernet(new_prefix=length)
        length = min(SUBNET, nodes.size or SUBNET)
        found: Network | None
        if nodes.strategy is Strategy.V6_PRIVATE:
            found = ranges.unique_local(self.request, "nodes", max(length, 48))
            self.source = "unique local addresses (RFC 4193)"
        else:
            found = ranges.global_block(self.request, length)
            self.source = "a subnet pool, in the lab a documentation range"
        return found if isinstance(found, IPv6Network) else None

    def _pool(self, nodes: Network) -> Network:
        """Return the allocation pool: a proper part of the subnet, so that leases stay in it."""
        if self.subnet is None or nodes.prefixlen > self.subnet.prefixlen:
            return nodes
        return ranges.block6(self.subnet, self.subnet.prefixlen + 2, 0)

    def _check_inside(self, kind: str, wish: RangeWish, network: Network) -> None:
        if self.subnet is not None and not ranges.within(network, self.subnet):
            detail = f'must be a subset of "the IPv6 subnet of the nodes" ("{self.subnet}")'
            remedy = (
                f"take the {kind} from the subnet; the router's upstream knows no other way back"
            )
            self.refuse(kind, str(wish.network or network), detail, remedy, source=Source.SEED)

    def _check_apart(self, kind: str, network: Network) -> None:
        """Check that no lease can be an address of a pod or a Service."""
        if kind != "nodes" and self.pool is not None and cidrs.intersect(network, self.pool):
            detail = f"shares addresses with the allocation pool {self.pool} of DHCPv6"
            remedy = (
                "keep the pool apart: nodes, pods and Services have a quarter of the subnet each"
            )
            self.refuse(kind, str(network), detail, remedy, source=Source.SEED)
        services = self.services.get(Family.IPV6)
        if kind == "pods" and services is not None and cidrs.intersect(network, services):
            detail = f'must not overlap with "spec.networking.services" ("{services}")'
            remedy = "give pods and Services ranges of their own"
            self.refuse(kind, str(network), detail, remedy, source=Source.PROVIDER)

    def _routers(self) -> tuple[RouterPlan, ...]:
        """Return a router per subnet: it has its uplink, one port on the Network, and one family."""
        attached = ((Family.IPV4, self.nodes.get(Family.IPV4)), (Family.IPV6, self.subnet))
        return tuple(
            RouterPlan(name=ROUTER[family], subnet=subnet)
            for family, subnet in attached
            if subnet is not None
        )

    def _subnets(self) -> tuple[SubnetPlan, ...]:
        found = []
        four = self.nodes.get(Family.IPV4)
        if four is not None:
            purpose = "attached to router-v4"
            found.append(SubnetPlan(name="subnet-v4", network=four, purpose=purpose, pool=four))
        if self.subnet is None:
            return tuple(found)
        purpose = "attached to router-v6"
        found.append(
            SubnetPlan(name="subnet-v6", network=self.subnet, purpose=purpose, pool=self.pool)
        )
        length = self.subnet.prefixlen + 2
        taken = {"nodes": self.pool, "pods": self.pods.get(Family.IPV6)}
        services = self.services.get(Family.IPV6)
        for index, name in enumerate(QUARTERS):
            quarter = ranges.block6(self.subnet, length, index)
            part = services if name == "services" else taken.get(name)
            if name == "free":
                inside = [n for n in (*taken.values(), services) if n is not None]
                if any(cidrs.intersect(quarter, other) for other in inside):
                    continue
                found.append(SubnetPlan(name=name, network=quarter, purpose="free"))
            elif part is not None and ranges.within(part, quarter):
                used = None if part == quarter else part
                purpose = "allocation pool" if name == "nodes" else f"reserved for {name}"
                found.append(SubnetPlan(name=name, network=quarter, purpose=purpose, pool=used))
            elif part is not None and name != "nodes":
                found.append(SubnetPlan(name=name, network=part, purpose=f"{name}, as written"))
        return tuple(found)
