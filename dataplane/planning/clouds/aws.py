"""The `aws` model: a VPC with an IPv6 /56, a /64 per subnet, a delegated /80 per node.

As gardener-extension-provider-aws does it (`pkg/controller/infrastructure/infraflow`): zone z has
its workers in subnet number 3z of the /56, internal and public load balancers in 3z+1 and 3z+2, and
takes the next block when one is in use. The Services are a /108 reserved in the first worker subnet;
that is a part of its /80 number 0, so no node gets that one. Kubernetes knows the /56 as the range
of nodes and of pods alike. aws-ipam-controller writes the delegated prefixes into v1.Node.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Address, Family, Network
from dataplane.model.cloud import Allocator, CloudPlan, LimitPlan, RoutePlan, SubnetPlan
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import Source
from dataplane.planning import allocators
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.clouds.ground import ranges
from dataplane.planning.clouds.ground.assignment import Assignment
from dataplane.rules import clusterip, nodeipam, rfc6052
from dataplane.rules.awssubnets import (
    MOST_ZONES,
    NODE,
    SUBNET,
    VPC,
    ZoneSubnets,
    node_prefix,
    service_reservation,
    zone_subnets,
)
from dataplane.rules.fielderror import invalid, required
from dataplane.rules.gardener import cidrs

PURPOSES = {
    "workers": "nodes",
    "internal": "internal load balancers",
    "public": "public load balancers and NAT gateway",
}
ROUTES_PER_TABLE, TARGETS_PER_ZONE = 50, 500
ALL_IPV4, ALL_IPV6 = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")
CONFIG = "spec.provider.infrastructureConfig.networks"


def assign(request: Request) -> Addressing:
    """Return the addressing of a cluster in a VPC; InvalidInputError with all that AWS cannot do."""
    return Aws(request).answer()


class Aws(Assignment):
    """A Shoot on AWS."""

    model = "aws"
    usual = Allocator.CLOUD
    delegate = "aws-ipam-controller"
    prefix_per_vm = True
    routes_by_itself = True

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.vpc: IPv6Network | None = None
        self.source = ""
        self.zones: tuple[ZoneSubnets, ...] = ()

    @property
    def has_ipv6(self) -> bool:
        """Tell whether nodes or pods have IPv6, rather than load balancers alone."""
        wishes = (*self.cluster.nodes, *self.cluster.pods)
        return any(wish.family is Family.IPV6 for wish in wishes)

    def prepare(self) -> None:
        """Find the VPC's /56 and number its subnets."""
        zones = self.given.zones
        if not 1 <= zones <= MOST_ZONES:
            detail = f"a /{VPC} has three /{SUBNET} for each of at most {MOST_ZONES} zones"
            remedy = f"name between 1 and {MOST_ZONES} zones"
            source = Source.SIXSCOPE
            problem = invalid(f"{CONFIG}.zones", zones, detail, source=source, remedy=remedy)
            self.problems.append(problem)
        asked = self.node_prefix(Family.IPV6)
        if asked is not None and asked < NODE:
            detail = f"AWS delegates a /{NODE} to a node, nothing larger than that"
            self.refuse("nodes", f"+prefix/{asked}", detail, f"write +prefix/{NODE}")
        if not self.problems and (self.has_ipv6 or self.given.ingress):
            self.vpc = self._vpc()
            if self.vpc is not None:
                self._number_subnets(self.vpc)

    def ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        """Return the /56 for nodes and pods, the reservation for Services."""
        if kind == "services":
            return self._services(wish)
        if wish.network is not None and wish.network != self.vpc:
            detail = f"on AWS, nodes and pods have the VPC's /{VPC} ({self.vpc})"
            remedy = (
                f"leave it out, or write a /{VPC}; with the model `local` any range can be planned"
            )
            self.refuse_wish(kind, wish, detail, remedy)
        elif wish.strategy is Strategy.V6_GLOBAL and wish.size is not None and wish.size < VPC:
            detail = f"Amazon gives a VPC a /{VPC}, that is less than asked for"
            self.refuse_wish(kind, wish, detail, f"ask for /{VPC} or longer")
        return self.vpc

    def addresses(self, network: Network, blocked: Sequence[Network]) -> tuple[Address, ...]:
        """Return the addresses of the nodes' network interfaces, zone after zone in turn."""
        if network.version == 4:
            return super().addresses(network, blocked)
        return self.by_zone([zone.workers for zone in self.zones], blocked)

    def mask(self, wish: RangeWish, network: Network) -> int:
        """Return the length of a node's pod CIDR: the delegated prefix, or a part of it."""
        if wish.family is Family.IPV4:
            return super().mask(wish, network)
        part = wish.size if wish.strategy in allocators.FROM_NODE else None
        return max(NODE, part or NODE)

    def vm_prefix(self) -> int | None:
        """Return what a node gets."""
        return NODE if self.has_ipv6 else None

    def delegated(
        self, wish: RangeWish, network: Network, used: Sequence[Network]
    ) -> tuple[Network, ...]:
        """Return the /80s that are delegated to the nodes, number 0 of a subnet never among them."""
        if wish.family is Family.IPV4:
            return super().delegated(wish, network, used)
        zones = len(self.zones)
        by_zone = [
            allocators.in_order(
                zone.workers,
                NODE,
                len(range(number, self.request.nodes, zones)),
                [*used, node_prefix(zone.workers, 0)],
                start=1,
            )
            for number, zone in enumerate(self.zones)
        ]
        length = self.mask(wish, network)
        return tuple(
            nodeipam.block(by_zone[index % zones][index // zones], length, 0)
            for index in range(self.request.nodes)
        )

    def cloud(self) -> CloudPlan:
        """Return the VPC: subnets, route tables, limits."""
        routes = self._tables()
        subnets = self._subnets()
        six = self.services.get(Family.IPV6)
        if six is not None and self.vpc is not None and ranges.within(six, self.vpc):
            purpose = "a CIDR reservation in the first worker subnet"
            subnets.append(SubnetPlan(name="services", network=six, purpose=purpose, zone=0))
        return CloudPlan(
            model=self.model,
            source=self.source,
            subnets=tuple(subnets),
            routes=routes,
            limits=self._limits(routes),
            notes=self._notes(),
        )

    def routes(self, prefixes: Sequence[Sequence[Network]]) -> tuple[RoutePlan, ...]:
        """Return the routes to IPv4 pods: with IPv6 there is no overlay, and a /24 is no prefix of AWS."""
        if not self.has_ipv6:
            return ()
        return self.node_routes(
            "every private table", [[n for n in own if n.version == 4] for own in prefixes]
        )

    def _vpc(self) -> IPv6Network | None:
        """Return the VPC's /56: brought along, or of Amazon's pool."""
        wish = next((w for w in self.cluster.nodes if w.family is Family.IPV6), None)
        written = wish.network if wish is not None else None
        block = self.given.prefix or written
        if isinstance(block, IPv6Network):
            if block.prefixlen != VPC:
                detail = f"a VPC has an IPv6 block of /{VPC}"
                remedy = f"give a /{VPC}, or let the cloud choose"
                self.refuse("nodes", str(block), detail, remedy, source=Source.PROVIDER)
                return None
            self.source = f"{block}, brought along"
            return block
        if self.given.existing:
            detail = "the VPC is your own, so its IPv6 block is not known"
            remedy = f"say which /{VPC} it has; it needs an Amazon-provided IPv6 CIDR block"
            problem = required(f"{CONFIG}.vpc.id", detail, source=Source.PROVIDER, remedy=remedy)
            self.problems.append(problem)
            return None
        if wish is not None and wish.strategy is Strategy.V6_PRIVATE:
            found = ranges.unique_local(self.request, "nodes", VPC)
            self.source = "unique local addresses (RFC 4193), private to the VPC"
        else:
            found = ranges.global_block(self.request, VPC)
            self.source = "Amazon's pool, in the lab a documentation range"
        if isinstance(found, IPv6Network):
            return found
        detail = f"no /{VPC} is left in the pool"
        self.refuse("nodes", "", detail, "use a larger pool, or fewer clusters")
        return None

    def _number_subnets(self, vpc: IPv6Network) -> None:
        """Give every subnet its number, or the next one that is free."""
        occupied = [
            network
            for network in self.given.occupied
            if isinstance(network, IPv6Network) and cidrs.intersect(network, vpc)
        ]
        try:
            self.zones = zone_subnets(vpc, self.given.zones, occupied)
        except ValueError as error:
            detail = f"no /{SUBNET} is left for {self.given.zones} zones: {error}"
            self.refuse("nodes", str(vpc), detail, "use fewer zones, or another VPC")

    def _subnets(self) -> list[SubnetPlan]:
        """Return the three subnets of every zone."""
        only = self.pod_families == (Family.IPV6,)
        return [
            SubnetPlan(
                name=f"{name}-{number}",
                network=network,
                purpose=PURPOSES[name],
                zone=number,
                dns64=only and name == "workers",
            )
            for number, zone in enumerate(self.zones)
            for name, network in zip(
                PURPOSES, (zone.workers, zone.internal, zone.public), strict=True
            )
        ]

    def _services(self, wish: RangeWish) -> Network | None:
        if wish.network is not None:
            return wish.network
        if wish.strategy is Strategy.V6_PRIVATE:
            reserved = ranges.unique_local(self.request, "services", wish.size or 48)
            length = clusterip.SEED_PREFIX_LENGTH
            return reserved and nodeipam.block(reserved, max(length, reserved.prefixlen), 0)
        return service_reservation(self.zones[0].workers) if self.zones else None

    def _tables(self) -> tuple[RoutePlan, ...]:
        """Return the route tables: the main one, and a private one per zone."""
        routes = [RoutePlan(table="main", destination=ALL_IPV4, target="internet gateway")]
        if self.vpc is not None:
            routes.append(RoutePlan(table="main", destination=ALL_IPV6, target="internet gateway"))
        for zone in range(self.given.zones):
            table, gateway = f"private-{zone}", f"NAT gateway {zone}"
            routes.append(RoutePlan(table=table, destination=ALL_IPV4, target=gateway))
            if self.has_ipv6:
                target = "egress-only internet gateway"
                routes.append(RoutePlan(table=table, destination=ALL_IPV6, target=target))
                nat64 = rfc6052.WELL_KNOWN_PREFIX
                routes.append(
                    RoutePlan(table=table, destination=nat64, target=f"{gateway} (NAT64)")
                )
        return tuple(routes)

    def _limits(self, routes: Sequence[RoutePlan]) -> tuple[LimitPlan, ...]:
        nodes, zones = self.request.nodes, self.given.zones
        own = sum(route.table == "private-0" and route.destination.version == 4 for route in routes)
        routed = nodes if Family.IPV4 in self.pod_families else 0
        in_zone = -(-nodes // zones)
        found = [
            LimitPlan(
                name="IPv4 routes of a route table",
                used=own + routed,
                most=ROUTES_PER_TABLE,
                remark="1000 on request; without an overlay, IPv4 needs a route per node",
            ),
            LimitPlan(
                name="targets of a network load balancer, per zone",
                used=in_zone,
                most=TARGETS_PER_ZONE,
                remark="with target type instance",
            ),
        ]
        if self.vpc is not None:
            found.append(LimitPlan(name=f"zones of a /{VPC}", used=zones, most=MOST_ZONES))
        if self.has_ipv6:
            most = (1 << NODE - SUBNET) - 1
            name = f"/{NODE} prefixes of a worker subnet"
            found.append(
                LimitPlan(name=name, used=in_zone, most=most, remark="number 0 stays free")
            )
        return tuple(found)

    def _notes(self) -> tuple[str, ...]:
        if self.vpc is None:
            return ()
        if not self.has_ipv6:
            return ("IPv6 is for load balancers only: no node and no pod gets an address of it",)
        notes = [
            f"/{NODE} number 0 of a worker subnet, with interfaces and Services, goes to no node",
            "the first worker subnet is that of zone 0 here, that of the lowest id on AWS",
            f"AWS translates {rfc6052.WELL_KNOWN_PREFIX}; the lab, another prefix (RFC 6052 section 3.1)",
        ]
        if any(subnet.dns64 for subnet in self._subnets()):
            notes.append(
                "the VPC's resolver synthesizes AAAA records (DNS64) in worker subnets only"
            )
        return tuple(notes)
