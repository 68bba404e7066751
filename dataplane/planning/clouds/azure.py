"""The `azure` model: IPv6 of one's own, unique local for preference, translated at the edge (NAT66).

As the seed "Enable IPv4 & IPv6 Dualstack Support" has it: Azure takes only an address space that its
user brings, and translates external traffic always. The VNet is a /48 with a /64 per zone; a VM gets
addresses, no prefix, so a route per node leads to its part of the pods' range, which
kube-controller-manager cuts. Gardener's extension for Azure has no IPv6 as yet.
"""

from collections.abc import Sequence
from ipaddress import IPv6Network

from dataplane.model.address import Address, Family, Network
from dataplane.model.cloud import CloudPlan, LimitPlan, RoutePlan, SubnetPlan
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import Source
from dataplane.planning import allocators
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.clouds.ground import ranges
from dataplane.planning.clouds.ground.assignment import POOL_BITS, Assignment
from dataplane.rules import clusterip, nodeipam, rfc4193
from dataplane.rules.fielderror import advice

VNET, SUBNET, NODE = 48, 64, 80  # prefix lengths
ROUTES_PER_TABLE = 400


def assign(request: Request) -> Addressing:
    """Return the addressing of a cluster in a VNet; InvalidInputError with all that cannot be."""
    return Azure(request).answer()


class Azure(Assignment):
    """A cluster on Azure."""

    model = "azure"

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.reserved: dict[str, Network] = {}

    def prepare(self) -> None:
        """Refuse what Azure does not have at all."""
        for wish in self.cluster.nodes:
            if wish.family is Family.IPV6 and wish.node_prefix is not None:
                detail = "Azure gives a VM addresses, no prefix"
                self.refuse_wish(
                    "nodes", wish, detail, "take +prefix out; pods get a route per node"
                )
        for wish in self.cluster.pods:
            if wish.strategy in allocators.FROM_NODE:
                detail = "Azure gives a VM addresses, no prefix that pods could be taken from"
                self.refuse_wish("pods", wish, detail, "write v6private for the pods")
        if self.given.zones < 1:
            self.refuse(
                "nodes", str(self.given.zones), "there is no cloud without a zone", "name one"
            )

    def ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        """Return a range as written, or a part of one by RFC 4193; Azure gives no global ones."""
        if wish.strategy is Strategy.V6_GLOBAL:
            detail = "Azure has no IPv6 pool of its own, you bring the range"
            remedy = "write v6private, or a CIDR; what leaves the VNet is translated anyway (NAT66)"
            self.refuse_wish(kind, wish, detail, remedy)
            return None
        found: Network | None = wish.network
        if found is None and kind == "nodes" and self.given.prefix is not None:
            found = self.given.prefix
        if found is None:
            found = ranges.unique_local(self.request, kind, wish.size or VNET)
        if found is None:
            return None
        if not ranges.within(found, rfc4193.UNIQUE_LOCAL):
            detail = (
                f"{found} is not unique local (fc00::/7); behind NAT66 nobody outside will see it"
            )
            remedy = "write v6private, or a part of fd00::/8"
            path = f"spec.networking.{kind}"
            self.advice.append(advice(path, detail, remedy=remedy, source=Source.SEED))
        if kind == "nodes" and found.prefixlen > SUBNET - self._zone_bits():
            detail = f"has no /{SUBNET} for each of {self.given.zones} zones"
            self.refuse_wish(kind, wish, detail, f"use a /{VNET}")
            return None
        self.reserved[kind] = found
        if wish.network is not None or kind == "nodes":
            return found
        length = clusterip.SEED_PREFIX_LENGTH if kind == "services" else NODE - POOL_BITS
        return nodeipam.block(found, max(length, found.prefixlen), 0)

    def addresses(self, network: Network, blocked: Sequence[Network]) -> tuple[Address, ...]:
        """Return one address per VM, zone after zone in turn."""
        if network.version == 4:
            return super().addresses(network, blocked)
        subnets = [ranges.block6(network, SUBNET, zone) for zone in range(self.given.zones)]
        return self.by_zone(subnets, blocked)

    def mask(self, wish: RangeWish, network: Network) -> int:
        """Return the node mask: as written, else a /80 of a range that has room for it."""
        written = self.cluster.node_mask_size.get(wish.family)
        if wish.family is Family.IPV4 or written is not None or network.prefixlen >= NODE:
            return super().mask(wish, network)
        return NODE

    def cloud(self) -> CloudPlan:
        """Return the VNet: subnets, the route table, what is translated."""
        six = [n for n in (*self.nodes.values(), *self.pods.values()) if isinstance(n, IPv6Network)]
        return CloudPlan(
            model=self.model,
            source="the user's own address space" if six else "",
            subnets=self._subnets(),
            limits=(
                LimitPlan(
                    name="routes of a route table",
                    used=self.request.nodes * len(self.pods),
                    most=ROUTES_PER_TABLE,
                    remark="a route per node and family",
                ),
            ),
            nat66=tuple(dict.fromkeys(six)),
            notes=(
                "the edge translates every IPv6 source, once; no node may do so itself",
                "Gardener's extension for Azure takes neither dual-stack nor IPv6 single-stack today",
            )
            if six
            else (),
        )

    def routes(self, prefixes: Sequence[Sequence[Network]]) -> tuple[RoutePlan, ...]:
        """Return a route per node and family: user-defined routes with the VM as next hop."""
        return self.node_routes("route table", prefixes)

    def _subnets(self) -> tuple[SubnetPlan, ...]:
        found = []
        vnet = self.reserved.get("nodes")
        if vnet is not None:
            found.append(SubnetPlan(name="vnet", network=vnet, purpose="address space of the VNet"))
            found += [
                SubnetPlan(
                    name=f"nodes-{zone}",
                    network=ranges.block6(vnet, SUBNET, zone),
                    purpose="nodes",
                    zone=zone,
                )
                for zone in range(self.given.zones)
            ]
        for kind, used in (("pods", self.pods), ("services", self.services)):
            network = used.get(Family.IPV6)
            if kind in self.reserved and network is not None:
                purpose = f"reserved for {kind}"
                found.append(
                    SubnetPlan(
                        name=kind, network=self.reserved[kind], purpose=purpose, pool=network
                    )
                )
        return tuple(found)

    def _zone_bits(self) -> int:
        return (max(self.given.zones, 1) - 1).bit_length()
