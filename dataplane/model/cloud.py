"""What a cloud has around a cluster's nodes, and who hands out the nodes' pod prefixes."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Network

from dataplane.model.address import Address, Family, Network, family_of


class Allocator(StrEnum):
    """Who cuts a pod range into the nodes' parts ("IPv6 for Gardener", addresses of pods)."""

    RANGE = "range"  # kube-controller-manager's RangeAllocator
    CLOUD = "cloud"  # the CloudAllocator: what the infrastructure gave to the node
    EXTERNAL = "external"  # a different controller; the PodCIDRs are given, and checked
    CNI = "cni"  # the network plugin, in blocks of its own


class PoolRule(StrEnum):
    """What nodeipam's 16 bit rule says to a pod range."""

    FITS = "fits"
    AT_THE_LIMIT = "at the limit"  # 16 bits: nodeipam takes it, the seed advises less
    TOO_LARGE = "too large"
    NOT_APPLIED = "not applied"  # IPv4, or an allocator without this rule


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPool:
    """A pod range and how nodes get their part of it.

    A node gets a block of `mask_size` bits; `bits` lie between range and block. `setter` is the
    component that writes v1.Node's podCIDRs (or, with `cni`, resources of its own).
    """

    network: Network
    mask_size: int
    bits: int
    allocator: Allocator
    setter: str
    rule: PoolRule
    explanation: str

    @property
    def family(self) -> Family:
        """Return the family of the range."""
        return family_of(self.network)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetPlan:
    """A range that the cloud has set aside: a VPC, a subnet, a reservation.

    `pool` is the part that DHCP or router advertisements give addresses from, when that is not the
    whole. `dns64` tells that the cloud's resolver synthesizes AAAA records here.
    """

    name: str
    network: Network
    purpose: str
    zone: int | None = None
    pool: Network | None = None
    dns64: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePlan:
    """A route that the cloud needs; `via` is set where a router sends to a node's address."""

    table: str
    destination: Network
    target: str
    via: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterPlan:
    """A router of the cloud, attached to one subnet: it tells its upstream of that one alone."""

    name: str
    subnet: Network

    @property
    def family(self) -> Family:
        """Return the family that the router carries."""
        return family_of(self.subnet)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPlan:
    """A limit of the cloud: `used` of `most`; `remark` says what can be done about it."""

    name: str
    used: int
    most: int
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudPlan:
    """What the cloud model decided beside addresses.

    `source` says where the IPv6 block comes from. `routers` are those with a subnet each, at most one
    per family, on one network that all nodes are on; empty where one does it all. `nat66` are the ranges whose IPv6 sources are
    translated at the edge, once, and nowhere else.
    """

    model: str = "local"
    source: str = ""
    subnets: tuple[SubnetPlan, ...] = ()
    routers: tuple[RouterPlan, ...] = ()
    routes: tuple[RoutePlan, ...] = ()
    limits: tuple[LimitPlan, ...] = ()
    nat66: tuple[IPv6Network, ...] = ()
    notes: tuple[str, ...] = ()

    def subnet(self, name: str) -> SubnetPlan:
        """Return the subnet of that name; KeyError when there is none."""
        for subnet in self.subnets:
            if subnet.name == name:
                return subnet
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLevel:
    """A level of an address scheme: the prefix lengths that it lies between, and what that counts."""

    name: str
    start: int
    end: int

    @property
    def bits(self) -> int:
        """Return how many bits the level has."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class BitBudget:
    """What becomes of the bits of a region when every VM gets a prefix of `vm_prefix` bits."""

    region: int
    vm_prefix: int
    levels: tuple[BudgetLevel, ...]

    @property
    def bits(self) -> int:
        """Return the bits between region and VM."""
        return self.vm_prefix - self.region

    @property
    def nibbles(self) -> int:
        """Return the whole nibbles between region and VM, what an aggregation can use."""
        return self.bits // 4

    def level(self, name: str) -> BudgetLevel | None:
        """Return the level of that name, None when the scheme has none."""
        return next((level for level in self.levels if level.name == name), None)
