"""Kubernetes' node CIDR allocation: `pkg/controller/nodeipam/ipam/cidrset/cidr_set.go`.

CidrSet cuts a cluster CIDR into per-node blocks, next fit with wrap-around, and refuses IPv6 pools
of more than 16 bits. Names and error texts are upstream's.
"""

from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Family, Network

SUBNET_TOO_BIG = "New CIDR set failed; the node CIDR size is too big"
NO_CIDRS_REMAINING = (
    "CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
)
MAX_POOL_BITS = 16  # clusterSubnetMaxDiff
DEFAULT_MASK_SIZE = {Family.IPV4: 24, Family.IPV6: 64}  # kube-controller-manager's defaults


class CidrSetError(ValueError):
    """A cluster CIDR that cannot be cut as asked, or has nothing left."""


def pool_bits(network: Network, mask_size: int) -> int:
    """Return how many bits lie between the cluster CIDR and a node's block."""
    return mask_size - network.prefixlen


def block(network: Network, mask_size: int, index: int) -> Network:
    """Return the `index`-th block of `mask_size` bits (indexToCIDRBlock)."""
    if not 0 <= index < 1 << pool_bits(network, mask_size):
        raise IndexError(f"{network} has no block {index} of /{mask_size}")
    start = int(network.network_address) + (index << network.max_prefixlen - mask_size)
    if isinstance(network, IPv4Network):
        return IPv4Network((start, mask_size))
    return IPv6Network((start, mask_size))


class CidrSet:
    """The blocks of one cluster CIDR, and which of them are taken."""

    def __init__(self, network: Network, mask_size: int) -> None:
        """Cut `network` into blocks of `mask_size` bits; CidrSetError when that cannot be."""
        bits = pool_bits(network, mask_size)
        if network.version == 6 and bits > MAX_POOL_BITS:
            raise CidrSetError(SUBNET_TOO_BIG)
        if bits < 0 or mask_size > network.max_prefixlen:
            raise CidrSetError(f"a block of /{mask_size} does not fit into {network}")
        self.network = network
        self.mask_size = mask_size
        self.max_cidrs = 1 << bits
        self._taken: set[int] = set()
        self._next = 0

    @property
    def allocated(self) -> int:
        """Return how many blocks are taken."""
        return len(self._taken)

    def allocate_next(self) -> Network:
        """Take the next free block after the last one given (AllocateNext)."""
        if len(self._taken) == self.max_cidrs:
            raise CidrSetError(NO_CIDRS_REMAINING)
        while self._next in self._taken:
            self._next = (self._next + 1) % self.max_cidrs
        index = self._next
        self._taken.add(index)
        self._next = (index + 1) % self.max_cidrs
        return block(self.network, self.mask_size, index)

    def occupy(self, cidr: Network) -> None:
        """Take every block that `cidr` touches (Occupy); CidrSetError when it touches none."""
        self._taken.update(self._indices(cidr))

    def release(self, cidr: Network) -> None:
        """Free every block that `cidr` touches (Release); CidrSetError when it touches none."""
        self._taken.difference_update(self._indices(cidr))

    def _indices(self, cidr: Network) -> range:
        """Return the blocks that `cidr` touches (getBeginningAndEndIndices)."""
        if not (cidr.version == self.network.version and _overlap(cidr, self.network)):
            raise CidrSetError(f"cidr {cidr} is out the range of cluster cidr {self.network}")
        if cidr.prefixlen <= self.network.prefixlen:
            return range(self.max_cidrs)
        return range(self._index(int(cidr[0])), self._index(int(cidr[-1])) + 1)

    def _index(self, address: int) -> int:
        return address - int(self.network.network_address) >> (
            self.network.max_prefixlen - self.mask_size
        )


def _overlap(one: Network, other: Network) -> bool:
    return int(one[0]) <= int(other[-1]) and int(other[0]) <= int(one[-1])
