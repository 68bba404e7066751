"""The `local` model: a provider that routes one pod prefix per node and owns documentation ranges.

Ranges: a CIDR as written; `v6global` (and what the manifest leaves to the provider) from one
/48 of 2001:db8::/32 or 3fff::/20 that name and seed choose; `v6private` by RFC 4193 from the same
key; `v4private` Gardener's defaults. Pod prefixes: `v6fromNode` is the prefix that the node got by
`+prefix`; everything else is cut by kube-controller-manager's RangeAllocator.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import InvalidInputError, Problem, Source
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.space import Space, number
from dataplane.rules import clusterip, gardener, nodeipam, rfc4193
from dataplane.rules.fielderror import invalid

GLOBAL_POOLS = (IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))  # RFC 3849, RFC 9637
PRIVATE_V4 = {
    "nodes": IPv4Network(gardener.NODES_V4),
    "pods": IPv4Network(gardener.PODS_V4),
    "services": IPv4Network(gardener.SERVICES_V4),
}
PRIVATE_V4_POOLS = tuple(
    IPv4Network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")  # RFC 1918
)
PROVIDER_SIZE = {"nodes": 64, "pods": 52, "services": 112}  # what the provider gives unasked
POOL_BITS = 12  # nodes of a pod range whose mask nobody chose: 4096, on a nibble boundary
FIRST_NODE = {Family.IPV4: 10, Family.IPV6: 0x10}
FROM_NODE = frozenset({Strategy.V4_FROM_NODE, Strategy.V6_FROM_NODE})


def assign(request: Request) -> Addressing:
    """Return the addressing of a cluster; InvalidInputError with every range that is too small."""
    return _Assignment(request).result()


class _Assignment:
    """One request on its way; problems are collected, not thrown one by one."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._cluster = request.cluster
        self._problems: list[Problem] = []
        self._pool: Network | None = None
        self._inside = Space()

    def result(self) -> Addressing:
        cluster = self._cluster
        ranges = {
            "nodes": self._ranges("nodes", cluster.nodes),
            "services": self._ranges("services", cluster.services),
        }
        for wish in cluster.pods:
            if wish.strategy in FROM_NODE and wish.family not in ranges["nodes"]:
                self._refuse("pods", str(wish.strategy), "requires +prefix on nodes", "add it")
        ranges["pods"] = self._ranges("pods", cluster.pods, nodes=ranges["nodes"])
        self._stop()
        services = tuple(ranges["services"].values())
        addresses = {
            family: self._node_addresses(network, services)
            for family, network in ranges["nodes"].items()
        }
        self._stop()
        prefixes = {
            wish.family: self._pod_prefixes(wish, ranges, addresses) for wish in cluster.pods
        }
        self._stop()
        return Addressing(
            node_ranges=tuple(ranges["nodes"].values()),
            pod_ranges=tuple(ranges["pods"].values()),
            service_ranges=services,
            node_addresses=tuple(zip(*addresses.values(), strict=True)),
            pod_prefixes=tuple(zip(*prefixes.values(), strict=True)),
        )

    def _ranges(
        self,
        kind: str,
        wishes: Iterable[RangeWish],
        *,
        nodes: dict[Family, Network] | None = None,
    ) -> dict[Family, Network]:
        found: dict[Family, Network] = {}
        for wish in wishes:
            network = wish.network
            if wish.strategy in FROM_NODE:
                network = (nodes or {}).get(wish.family)
            elif network is None and wish.family is Family.IPV4:
                network = self._private_v4(kind, wish.size)
            elif network is None:
                network = self._ipv6(kind, wish)
            if network is None:
                text = f"{wish.strategy}/{wish.size}" if wish.size else str(wish.strategy)
                detail = "the local model has no free range of this size left"
                self._refuse(kind, text, detail, "ask for a longer prefix, or write a CIDR")
                continue
            found[wish.family] = network
        return found

    def _private_v4(self, kind: str, size: int | None) -> Network | None:
        """Return the default private range of `kind`, or the first free one of that size."""
        default = PRIVATE_V4[kind]
        for parent in (default, *PRIVATE_V4_POOLS):
            length = max(size or default.prefixlen, parent.prefixlen if size is None else 0)
            network = self._request.space.first_free(parent, length)
            if network is not None:
                return network
        return None

    def _ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        key = f"{self._cluster.name}/{self._request.seed}/{kind}".encode("utf-8", "surrogatepass")
        size = wish.size or PROVIDER_SIZE[kind]
        reserved: Network | None
        if wish.strategy is Strategy.V6_PRIVATE:
            reserved = rfc4193.prefix(key, length=max(size, 48))
            if not self._request.space.is_free(reserved):
                parent = rfc4193.LOCALLY_ASSIGNED
                reserved = self._request.space.first_free(parent, size, start=number(key, "again"))
            else:
                self._request.space.take(reserved)
        else:
            reserved = self._global(size)
        if kind == "services" and reserved is not None:
            length = max(reserved.prefixlen, clusterip.SEED_PREFIX_LENGTH)
            return nodeipam.block(reserved, length, 0)
        return reserved

    def _global(self, size: int) -> Network | None:
        """Return a range from the cluster's own /48, or one of its own size when that is larger."""
        space, seed = self._request.space, number(self._cluster.name, self._request.seed)
        if size <= 48:
            return space.first_of(GLOBAL_POOLS, size, start=seed)
        if self._pool is None:
            self._pool = space.first_of(GLOBAL_POOLS, 48, start=seed)
            if self._pool is None:
                return None
        network = self._inside.first_free(self._pool, min(size, 64))
        if network is None or network.prefixlen == size:
            return network
        return nodeipam.block(network, size, 0)

    def _node_addresses(
        self, network: Network, services: tuple[Network, ...]
    ) -> tuple[Address, ...]:
        """Return one address per node, past the first few and outside of the Services."""
        addresses: list[Address] = []
        offset = FIRST_NODE[family_of(network)]
        inside = [service for service in services if gardener.intersect(service, network)]
        try:
            while len(addresses) < self._request.nodes:
                address = clusterip.at(network, offset)
                blocking = next((service for service in inside if address in service), None)
                if blocking is None:
                    addresses.append(address)
                    offset += 1
                else:
                    offset = int(blocking[-1]) - int(network[0]) + 1
        except ValueError:
            detail = f"no room for {self._request.nodes} node addresses"
            if inside:
                detail += f" beside the Services ({inside[0]})"
            self._refuse("nodes", str(network), detail, "use a shorter prefix for the nodes")
        return tuple(addresses)

    def _pod_prefixes(
        self,
        wish: RangeWish,
        ranges: dict[str, dict[Family, Network]],
        addresses: dict[Family, tuple[Address, ...]],
    ) -> tuple[Network, ...]:
        network = ranges["pods"][wish.family]
        used = [
            *(_host(address) for address in addresses.get(wish.family, ())),
            *(n for n in ranges["services"].values() if n.version == network.version),
        ]
        used = [other for other in used if gardener.intersect(other, network)]
        covering = next((other for other in used if other.prefixlen <= network.prefixlen), None)
        if covering is not None:
            detail = f"no pod prefix is left: the Services have {covering}"
            self._refuse("pods", str(network), detail, "give pods and Services ranges of their own")
            return ()
        try:
            if wish.strategy in FROM_NODE:
                return self._from_nodes(wish, network, used)
            cidrs = nodeipam.CidrSet(network, self._mask(wish, network))
            for other in used:
                cidrs.occupy(other)
            return tuple(cidrs.allocate_next() for _ in range(self._request.nodes))
        except nodeipam.CidrSetError as error:
            mask = self._mask(wish, network)
            remedy = (
                f"{self._request.nodes} nodes need as many blocks of /{mask}: use a shorter prefix "
                f"for the range, or another node mask (spec.kubernetes.kubeControllerManager)"
            )
            self._refuse("pods", str(network), str(error), remedy, source=Source.KUBERNETES)
            return ()

    def _from_nodes(
        self, wish: RangeWish, network: Network, used: list[Network]
    ) -> tuple[Network, ...]:
        """Return the part of each node's own prefix; node addresses lie outside of all of them."""
        length = next(
            (
                node.node_prefix
                for node in self._cluster.nodes
                if node.family is wish.family and node.node_prefix is not None
            ),
            None,
        )
        if length is None:
            raise nodeipam.CidrSetError(f"{wish.strategy} requires +prefix on nodes")
        inside = Space()
        for other in used:
            inside.take(other)
        prefixes = []
        index = 0
        for _ in range(self._request.nodes):
            prefix = inside.first_free(network, length, start=index + 1)
            if prefix is None:
                raise nodeipam.CidrSetError(nodeipam.NO_CIDRS_REMAINING)
            index = int(prefix[0]) - int(network[0]) >> network.max_prefixlen - length
            prefixes.append(nodeipam.block(prefix, max(wish.size or length, length), 0))
        return tuple(prefixes)

    def _mask(self, wish: RangeWish, network: Network) -> int:
        """Return the node mask: as written, Kubernetes' default, or fitting where a keyword chose."""
        default = nodeipam.DEFAULT_MASK_SIZE[wish.family]
        written = self._cluster.node_mask_size.get(wish.family)
        if written is not None or wish.strategy is Strategy.CIDR:
            return written or default
        return min(max(default, network.prefixlen + POOL_BITS), wish.family.bits - 4)

    def _refuse(
        self, kind: str, value: str, detail: str, remedy: str, *, source: Source = Source.SIXSCOPE
    ) -> None:
        path = f"spec.networking.{kind}"
        self._problems.append(invalid(path, value, detail, remedy=remedy, source=source))

    def _stop(self) -> None:
        if self._problems:
            raise InvalidInputError(self._cluster.name, self._problems)


def _host(address: Address) -> Network:
    if address.version == 4:
        return IPv4Network((int(address), 32))
    return IPv6Network((int(address), 128))
