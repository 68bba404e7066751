"""The `local` model: a provider that routes one pod prefix per node and owns documentation ranges.

Ranges: a CIDR as written; `v6global` (and what the manifest leaves to the provider) from one
/48 of 2001:db8::/32 or 3fff::/20 that name and seed choose, or from the block that is given;
`v6private` by RFC 4193 from the same key; `v4private` Gardener's defaults. Pod prefixes:
`v6fromNode` is the prefix that the node got by `+prefix`; everything else is cut by
kube-controller-manager's RangeAllocator, unless another allocator is asked for.
"""

from collections.abc import Sequence

from dataplane.model.address import Family, Network
from dataplane.model.cloud import CloudPlan
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.planning import allocators
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.clouds.ground import ranges
from dataplane.planning.clouds.ground.assignment import Assignment
from dataplane.planning.space import Space
from dataplane.rules import clusterip, nodeipam

PROVIDER_SIZE = {"nodes": 64, "pods": 52, "services": 112}  # what the provider gives unasked


def assign(request: Request) -> Addressing:
    """Return the addressing of a cluster; InvalidInputError with every range that is too small."""
    return Local(request).answer()


class Local(Assignment):
    """The lab's own provider."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._pool: Network | None = request.infrastructure.prefix
        self._inside = Space()

    def ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        """Return a range as written, or one that the provider has."""
        if wish.network is not None:
            return wish.network
        size = wish.size or PROVIDER_SIZE[kind]
        if wish.strategy is Strategy.V6_PRIVATE:
            reserved = ranges.unique_local(self.request, kind, size)
        else:
            reserved = self.global_range(size)
        if kind == "services" and reserved is not None:
            length = max(reserved.prefixlen, clusterip.SEED_PREFIX_LENGTH)
            return nodeipam.block(reserved, length, 0)
        return reserved

    def delegated(
        self, wish: RangeWish, network: Network, used: Sequence[Network]
    ) -> tuple[Network, ...]:
        """Return the part of each node's own prefix; node addresses lie outside of all of them."""
        if wish.strategy not in allocators.FROM_NODE:
            return super().delegated(wish, network, used)
        length = self.node_prefix(wish.family)
        if length is None:
            raise nodeipam.CidrSetError(f"{wish.strategy} requires +prefix on nodes")
        own = allocators.in_order(network, length, self.request.nodes, used, start=1)
        return tuple(nodeipam.block(prefix, max(wish.size or length, length), 0) for prefix in own)

    def cloud(self) -> CloudPlan:
        """Return the lab's provider, which has no subnets and no limits."""
        return CloudPlan(model=self.model, source=self._source())

    def _source(self) -> str:
        strategies = {
            wish.strategy
            for wish in (*self.cluster.nodes, *self.cluster.pods, *self.cluster.services)
            if wish.family is Family.IPV6
        }
        if strategies & {Strategy.V6_GLOBAL, Strategy.PROVIDER, Strategy.CUSTOM}:
            if self.given.prefix is not None:
                return f"{self.given.prefix}, as given"
            return "documentation ranges in place of global ones (RFC 3849, RFC 9637)"
        if Strategy.V6_PRIVATE in strategies:
            return "unique local addresses (RFC 4193)"
        return "the manifest" if strategies else ""

    def global_range(self, size: int) -> Network | None:
        """Return a range from the cluster's own /48, or one of its own size when that is larger."""
        block = self.given.prefix
        if block is None and size <= 48:
            return ranges.global_block(self.request, size)
        if self._pool is None:
            self._pool = ranges.global_block(self.request, 48)
            if self._pool is None:
                return None
        network = self._inside.first_free(self._pool, min(size, max(64, self._pool.prefixlen)))
        if network is None or network.prefixlen == size:
            return network
        return nodeipam.block(network, size, 0)
