"""The `gcp` model: an external /64 of the node subnet, a /96 per VM, its first /112 for pods.

As gardener-extension-provider-gcp does it: all IPv6 ranges come from Google's pool and none can be
chosen; Services have a subnet of their own and use the first /108 of it, since a range cannot be
reserved; IPv4 pods are a secondary range of the node subnet. cloud-controller-manager's
CloudAllocator writes the pod CIDRs. A VM has the first address of its /96 itself, which is inside the
pods' /112. The first /96 of a subnet is Google's own, so that VM number 1 is the first.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Address, Family, Network
from dataplane.model.cloud import Allocator, CloudPlan, LimitPlan, RoutePlan, SubnetPlan
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.planning import allocators
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.clouds.ground import ranges
from dataplane.planning.clouds.ground.assignment import Assignment
from dataplane.rules import nodeipam

SUBNET, VM, POD_CIDR, SERVICES = 64, 96, 112, 108  # prefix lengths
FIRST_VM = 1
STATIC_ROUTES = 200  # per VPC
GATEWAY = "default internet gateway"


def assign(request: Request) -> Addressing:
    """Return the addressing of a cluster; InvalidInputError with all that GCP cannot do."""
    return Gcp(request).answer()


class Gcp(Assignment):
    """A Shoot on GCP."""

    model = "gcp"
    usual = Allocator.CLOUD
    delegate = "cloud-controller-manager"
    prefix_per_vm = True
    routes_by_itself = True

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.subnet: Network | None = None
        self.service_subnet: Network | None = None

    @property
    def has_ipv6(self) -> bool:
        """Tell whether nodes or pods have IPv6."""
        wishes = (*self.cluster.nodes, *self.cluster.pods)
        return any(wish.family is Family.IPV6 for wish in wishes)

    def prepare(self) -> None:
        """Take the two subnets' /64."""
        asked = self.node_prefix(Family.IPV6)
        if asked is not None and asked < VM:
            detail = f"GCP gives a VM a /{VM}, nothing larger than that"
            self.refuse("nodes", f"+prefix/{asked}", detail, f"write +prefix/{VM}")
        if not self.has_ipv6:
            return
        given = self.given.prefix
        if given is not None and given.prefixlen > SUBNET:
            detail = f"a subnet of GCP has an IPv6 range of /{SUBNET}"
            self.refuse("nodes", str(given), detail, "let the cloud choose")
            return
        private = any(wish.strategy is Strategy.V6_PRIVATE for wish in self.cluster.nodes)
        if given is not None:
            self.subnet = ranges.block6(given, SUBNET, 0)
        elif private:
            self.subnet = ranges.unique_local(self.request, "nodes", SUBNET)
        else:
            self.subnet = ranges.global_block(self.request, SUBNET)
        if given is not None and given.prefixlen < SUBNET:
            self.service_subnet = ranges.block6(given, SUBNET, 1)
        else:
            self.service_subnet = ranges.global_block(self.request, SUBNET)

    def ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        """Return the node subnet for nodes and pods, a part of the service subnet for Services."""
        if wish.strategy is Strategy.CIDR:
            detail = "GCP takes IPv6 ranges from its own pool, none can be chosen"
            remedy = "leave it out; with the model `local` any range can be planned"
            self.refuse_wish(kind, wish, detail, remedy)
            return None
        if kind == "services":
            subnet = self.service_subnet
            if wish.strategy is Strategy.V6_PRIVATE:
                subnet = ranges.unique_local(self.request, kind, SUBNET)
            return subnet and nodeipam.block(subnet, SERVICES, 0)
        is_global = wish.strategy is Strategy.V6_GLOBAL
        if is_global and wish.size is not None and wish.size < SUBNET:
            detail = f"GCP gives a subnet a /{SUBNET}, that is less than asked for"
            self.refuse_wish(kind, wish, detail, f"ask for /{SUBNET} or longer")
        return self.subnet

    def addresses(self, network: Network, blocked: Sequence[Network]) -> tuple[Address, ...]:
        """Return the first address of every VM's /96."""
        if isinstance(network, IPv4Network):
            return super().addresses(network, blocked)
        return tuple(
            ranges.block6(network, VM, FIRST_VM + index)[0] for index in range(self.request.nodes)
        )

    def mask(self, wish: RangeWish, network: Network) -> int:
        """Return the length of a node's pod CIDR."""
        if wish.family is Family.IPV4:
            return super().mask(wish, network)
        part = wish.size if wish.strategy in allocators.FROM_NODE else None
        return max(VM, part or POD_CIDR)

    def vm_prefix(self) -> int | None:
        """Return what a VM gets."""
        return VM if self.has_ipv6 else None

    def delegated(
        self, wish: RangeWish, network: Network, used: Sequence[Network]
    ) -> tuple[Network, ...]:
        """Return the first part of the /96 that every VM's own address lies in."""
        if wish.family is Family.IPV4:
            return super().delegated(wish, network, used)
        own = [IPv6Network((int(host), VM), strict=False) for host in self.hosts[Family.IPV6]]
        if len(set(own)) != len(own):
            raise nodeipam.CidrSetError(f"two nodes have addresses of the same /{VM}")
        length = self.mask(wish, network)
        return tuple(nodeipam.block(prefix, length, 0) for prefix in own)

    def cloud(self) -> CloudPlan:
        """Return the VPC: subnets, routes, limits."""
        private = any(wish.strategy is Strategy.V6_PRIVATE for wish in self.cluster.nodes)
        pool = (
            "unique local addresses (RFC 4193)"
            if private
            else ("Google's pool, in the lab a documentation range")
        )
        return CloudPlan(
            model=self.model,
            source=pool if self.has_ipv6 else "",
            subnets=self._subnets(),
            routes=tuple(
                RoutePlan(table="VPC", destination=destination, target=GATEWAY)
                for destination in (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
                if destination.version in {network.version for network in self.nodes.values()}
            ),
            limits=self._limits(),
            notes=self._notes(),
        )

    def _subnets(self) -> tuple[SubnetPlan, ...]:
        found = []
        for family, network in self.nodes.items():
            purpose = "nodes" if family is Family.IPV4 else f"external IPv6 range, a /{VM} per VM"
            found.append(SubnetPlan(name="nodes", network=network, purpose=purpose))
        four = self.pods.get(Family.IPV4)
        if four is not None and self.has_ipv6:
            purpose = "pods, a secondary range of the node subnet"
            found.append(SubnetPlan(name="pods", network=four, purpose=purpose))
        six = self.services.get(Family.IPV6)
        if self.service_subnet is not None and six is not None:
            purpose = f"Services use the first /{SERVICES}"
            found.append(
                SubnetPlan(name="services", network=self.service_subnet, purpose=purpose, pool=six)
            )
        return tuple(found)

    def _limits(self) -> tuple[LimitPlan, ...]:
        routed = Family.IPV4 in self.pod_families and not self.has_ipv6
        remark = "IPv4 pods are alias ranges" if self.has_ipv6 else "a route per node"
        used = self.request.nodes if routed else 0
        found = [
            LimitPlan(name="static routes of a VPC", used=used, most=STATIC_ROUTES, remark=remark)
        ]
        if self.has_ipv6:
            most = (1 << VM - SUBNET) - 2
            remark = "the first and the last are Google's own"
            name = f"/{VM} ranges of a node subnet"
            used = self.request.nodes
            found.append(LimitPlan(name=name, used=used, most=most, remark=remark))
        return tuple(found)

    def _notes(self) -> tuple[str, ...]:
        if not self.has_ipv6:
            return ()
        notes = [f"a VM has the first address of its /{VM} itself, inside the pods' part of it"]
        if self.pod_families == (Family.IPV6,):
            notes.append("Gardener's extension for GCP takes dual-stack only, no IPv6 single-stack")
        return tuple(notes)
