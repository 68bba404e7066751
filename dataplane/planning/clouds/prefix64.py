"""The `prefix64` model: a /64 per VM, as hardware with small tables of prefixes asks for.

The nodes' range is cut into /64s: number 0 is the link that the VMs stand on, the others go to one
VM each, and its pods have all of it. The seed "IPv6 for Gardener" warns of it except where the
network is flat, because whole nibbles for zones, VPCs and VMs do not fit between a region and a /64.
"""

from collections.abc import Sequence

from dataplane.model.address import Address, Family, Network
from dataplane.model.cloud import Allocator, CloudPlan, LimitPlan, SubnetPlan
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.planning import allocators
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.clouds.ground import ranges
from dataplane.planning.clouds.ground.assignment import POOL_BITS
from dataplane.planning.clouds.local import Local
from dataplane.rules import nodeipam

VM = 64
VPC = VM - POOL_BITS


def assign(request: Request) -> Addressing:
    """Return the addressing of a cluster; InvalidInputError with every range that is too small."""
    return Prefix64(request).answer()


class Prefix64(Local):
    """A provider that gives every VM a /64."""

    model = "prefix64"
    usual = Allocator.CLOUD
    prefix_per_vm = True

    def prepare(self) -> None:
        """Refuse a prefix per node that is larger than a VM gets."""
        asked = self.node_prefix(Family.IPV6)
        if asked is not None and asked < VM:
            detail = f"a VM gets a /{VM}, nothing larger than that"
            self.refuse("nodes", f"+prefix/{asked}", detail, f"write +prefix/{VM}")

    def ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        """Return a range with room for /64s; pods have the nodes' range."""
        if kind == "services":
            return super().ipv6(kind, wish)
        nodes = self.nodes.get(Family.IPV6)
        if kind == "pods":
            if wish.network is not None and wish.network != nodes:
                detail = f"pods have the /{VM} of their VM, out of {nodes}"
                self.refuse_wish(kind, wish, detail, "leave it out, or write v6fromNode")
            return nodes
        if wish.network is not None:
            if wish.network.prefixlen >= VM:
                detail = f"has no room for a /{VM} per VM"
                self.refuse_wish(kind, wish, detail, f"use a /{VPC}: 4095 VMs and their link")
            return wish.network
        size = min(wish.size or VPC, VPC)
        if wish.strategy is Strategy.V6_PRIVATE:
            return ranges.unique_local(self.request, kind, max(size, 48))
        return self.global_range(size)

    def mask(self, wish: RangeWish, network: Network) -> int:
        """Return the length of a node's pod CIDR: the whole /64, or a part of it."""
        if wish.family is Family.IPV4:
            return super().mask(wish, network)
        part = wish.size if wish.strategy in allocators.FROM_NODE else None
        return max(VM, part or VM)

    def vm_prefix(self) -> int | None:
        """Return what a VM gets."""
        return VM if Family.IPV6 in self.nodes else None

    def addresses(self, network: Network, blocked: Sequence[Network]) -> tuple[Address, ...]:
        """Return addresses of the link, which is the first /64."""
        if network.version == 4:
            return super().addresses(network, blocked)
        return super().addresses(ranges.block6(network, VM, 0), blocked)

    def delegated(
        self, wish: RangeWish, network: Network, used: Sequence[Network]
    ) -> tuple[Network, ...]:
        """Return the /64s of the VMs, number 0 never among them."""
        if wish.family is Family.IPV4:
            return super().delegated(wish, network, used)
        blocked = [*used, ranges.block6(network, VM, 0)]
        own = allocators.in_order(network, VM, self.request.nodes, blocked, start=1)
        length = self.mask(wish, network)
        return tuple(nodeipam.block(prefix, length, 0) for prefix in own)

    def cloud(self) -> CloudPlan:
        """Return the range: its link, and how many VMs it has room for."""
        plan = super().cloud()
        network = self.nodes.get(Family.IPV6)
        if network is None:
            return plan
        name = "network" if self.given.flat else "VPC"
        return CloudPlan(
            model=self.model,
            source=plan.source,
            subnets=(
                SubnetPlan(name=name.lower(), network=network, purpose=f"{name}, a /{VM} per VM"),
                SubnetPlan(
                    name="link",
                    network=ranges.block6(network, VM, 0),
                    purpose="the VMs' own addresses",
                ),
            ),
            limits=(
                LimitPlan(
                    name=f"/{VM} prefixes of the {name}",
                    used=self.request.nodes,
                    most=(1 << VM - network.prefixlen) - 1,
                    remark="number 0 is the link",
                ),
            ),
        )
