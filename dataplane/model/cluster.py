"""What a manifest promises: the cluster as its owner wrote it down, before any address is chosen."""

from dataclasses import dataclass, field
from enum import StrEnum

from dataplane.model.address import Family, Network
from dataplane.model.infrastructure import NOTHING_GIVEN, Infrastructure
from dataplane.model.policy import Policy


class Strategy(StrEnum):
    """Where a range comes from: a written CIDR, or a keyword of the "IPv6 for Gardener" proposal."""

    CIDR = "cidr"
    V4_PRIVATE = "v4private"
    V6_GLOBAL = "v6global"
    V6_PRIVATE = "v6private"
    V4_FROM_NODE = "v4fromNode"
    V6_FROM_NODE = "v6fromNode"
    CUSTOM = "custom"
    PROVIDER = "provider"  # nothing written: the infrastructure assigns it (GEP-21, "Shoot API")


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeWish:
    """One family's wish for `nodes`, `pods` or `services`.

    `network` is set for Strategy.CIDR only. `size` is a prefix length in bits, "of at least that
    size". `node_prefix` is the length asked for by `+prefix/size`, nodes only.
    """

    family: Family
    strategy: Strategy
    network: Network | None = None
    size: int | None = None
    node_prefix: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster as promised by a Shoot manifest.

    `families` is `ipFamilies` in its order: the first is the primary one. Wishes hold at most one
    entry per family, the primary family's first. Mask sizes are prefix lengths in bits
    (`nodeCIDRMaskSize`, `nodeCIDRMaskSizeIPv6`), None when the manifest leaves them to defaulting.
    `proxy_mode` is kube-proxy's own word: iptables, ipvs, nftables.
    `infrastructure` is what the provider's own configuration decides. `policies` are NetworkPolicies
    that stand beside the Shoot, `blocked` the `blockCIDRs` of a Seed that does.
    """

    name: str
    families: tuple[Family, ...]
    nodes: tuple[RangeWish, ...]
    pods: tuple[RangeWish, ...]
    services: tuple[RangeWish, ...]
    cni: str = "calico"
    provider: str = "local"
    node_mask_size: dict[Family, int] = field(default_factory=dict)
    proxy_mode: str = "iptables"
    infrastructure: Infrastructure = NOTHING_GIVEN
    policies: tuple[Policy, ...] = ()
    blocked: tuple[Network, ...] = ()
