"""Kubernetes' node CIDR allocation: `pkg/controller/nodeipam/ipam/cidrset/cidr_set.go`.

CidrSet cuts a cluster CIDR into per-node blocks, next fit with wrap-around, and refuses IPv6 pools
of more than 16 bits. Names, error texts and what upstream does not refuse are upstream's: a mask
that is shorter than the cluster's leaves a set without blocks, and one that is longer than an IPv4
address (`--node-cidr-mask-size=64` for 10.240.0.0/16) a set whose blocks have no mask.
"""

from bisect import bisect_left, bisect_right
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dataplane.model.address import Address, Family, Network

SUBNET_TOO_BIG = "New CIDR set failed; the node CIDR size is too big"
NO_CIDRS_REMAINING = (
    "CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
)
MAX_POOL_BITS = 16  # clusterSubnetMaxDiff
DEFAULT_MASK_SIZE = {Family.IPV4: 24, Family.IPV6: 64}  # kube-controller-manager's defaults
NIL = "<nil>"  # what Go prints for an address or a network that is none
_INT = 64  # bits of Go's int


class CidrSetError(ValueError):
    """A cluster CIDR that cannot be cut as asked, or has nothing left."""


def pool_bits(network: Network, mask_size: int) -> int:
    """Return how many bits lie between the cluster CIDR and a node's block."""
    return mask_size - network.prefixlen


def block(network: Network, mask_size: int, index: int) -> Network:
    """Return the `index`-th block of `mask_size` bits; IndexError when there is none."""
    if not 0 <= index < 1 << pool_bits(network, mask_size):
        raise IndexError(f"{network} has no block {index} of /{mask_size}")
    start = int(network.network_address) + (index << network.max_prefixlen - mask_size)
    if isinstance(network, IPv4Network):
        return IPv4Network((start, mask_size))
    return IPv6Network((start, mask_size))


def index_to_cidr_block(network: Network, mask_size: int, index: int) -> str:
    """Return what indexToCIDRBlock makes of any index, as Go prints it.

    Upstream does not check the index, since AllocateNext stays inside: the index is laid over the
    cluster's address with Go's fixed widths, and what does not fit is cut off. `<nil>` stands for a
    mask that the family does not have.
    """
    bits = network.max_prefixlen
    if not 0 <= mask_size <= bits:
        return NIL
    start = int(network.network_address)
    if isinstance(network, IPv4Network):
        start |= _left(index, bits - mask_size, 32)
        return f"{IPv4Address(start)}/{mask_size}"
    half = bits // 2
    high, low = start >> half, start & _ones(half)
    if mask_size <= half:
        high |= _left(index, half - mask_size, half)
    else:
        unsigned = index & _ones(half)
        if network.prefixlen < half and unsigned.bit_length() > mask_size - half:
            high |= unsigned >> mask_size - half
        low |= _left(index, bits - mask_size, half)
    return f"{IPv6Address(high << half | low)}/{mask_size}"


def no_mask(network: Network, mask_size: int) -> str:
    """Return what is wrong with a mask that the family does not have; upstream says nothing."""
    return (
        f"the node CIDR of {network} would be {NIL}: a mask of /{mask_size} does not exist in an "
        f"address of {network.max_prefixlen} bits"
    )


class CidrSet:
    """The blocks of one cluster CIDR, and which of them are taken."""

    def __init__(self, network: Network, mask_size: int) -> None:
        """Cut `network` into blocks of `mask_size` bits; CidrSetError for too large an IPv6 pool."""
        bits = pool_bits(network, mask_size)
        if network.version == 6 and bits > MAX_POOL_BITS:
            raise CidrSetError(SUBNET_TOO_BIG)
        self.network = network
        self.mask_size = mask_size
        self.max_cidrs = 1 << bits if 0 <= bits < _INT - 1 else 0
        self.has_mask = 0 <= mask_size <= network.max_prefixlen
        self._used = _Used()
        self._next = 0

    @property
    def allocated(self) -> int:
        """Return how many blocks are taken (allocatedCIDRs)."""
        return self._used.count

    def allocate_next(self) -> Network:
        """Take the next free block after the last one given (AllocateNext).

        CidrSetError when none is left, and where upstream would hand out `<nil>`.
        """
        if self._used.count == self.max_cidrs:
            raise CidrSetError(NO_CIDRS_REMAINING)
        if not self.has_mask:
            raise CidrSetError(no_mask(self.network, self.mask_size))
        index = self._used.first_free(self._next)
        if index >= self.max_cidrs:
            index = self._used.first_free(0)
        self._used.add(index, index + 1)
        self._next = (index + 1) % self.max_cidrs
        return block(self.network, self.mask_size, index)

    def occupy(self, cidr: Network) -> None:
        """Take every block that `cidr` touches (Occupy); CidrSetError when it touches none."""
        begin, end = self.beginning_and_end(cidr)
        self._used.add(begin, end + 1)

    def release(self, cidr: Network) -> None:
        """Free every block that `cidr` touches (Release); CidrSetError when it touches none."""
        begin, end = self.beginning_and_end(cidr)
        self._used.remove(begin, end + 1)

    def beginning_and_end(self, cidr: Network) -> tuple[int, int]:
        """Return first and last block that `cidr` touches (getBeginningAndEndIndices)."""
        if not (cidr.version == self.network.version and _overlap(cidr, self.network)):
            raise CidrSetError(f"cidr {cidr} is out the range of cluster cidr {self.network}")
        if cidr.prefixlen <= self.network.prefixlen:
            return 0, self.max_cidrs - 1
        return self._index_of(cidr[0], masked=True), self._index_of(cidr[-1], masked=True)

    def index_for_cidr(self, cidr: Network) -> int:
        """Return the block that a CIDR begins in (getIndexForCIDR); CidrSetError when outside."""
        return self._index_of(cidr.network_address, masked=False)

    def _index_of(self, address: Address, *, masked: bool) -> int:
        """Return the block of an address (getIndexForIP), after the node's mask when `masked`."""
        if masked and not self.has_mask:
            raise CidrSetError(f"invalid IP: {NIL}")
        width = 32 if address.version == 4 else 128
        value, limit = int(address), self.max_cidrs & _ones(32 if width == 32 else 64)
        shift = max(width - self.mask_size, 0)
        if masked:
            value = value >> shift << shift
        packed = self.network.network_address.packed
        base = int.from_bytes(packed[:4] if width == 32 else packed)
        index = (base ^ value) >> shift if width >= self.mask_size else 0
        index &= _ones(32 if width == 32 else 64)
        if index >= limit:
            shown = type(address)(value)
            raise CidrSetError(
                f"CIDR: {shown}/{self.mask_size} is out of the range of CIDR allocator"
            )
        return index


class _Used:
    """Taken numbers as disjoint half-open intervals: a whole pool costs no more than one block."""

    def __init__(self) -> None:
        self.count = 0
        self._begins: list[int] = []
        self._ends: list[int] = []

    def first_free(self, number: int) -> int:
        """Return the first number from `number` on that is not taken."""
        place = bisect_right(self._begins, number) - 1
        if place >= 0 and self._ends[place] > number:
            return self._ends[place]
        return number

    def add(self, begin: int, end: int) -> None:
        """Take the numbers from `begin` to before `end`, whether they are free or not."""
        if begin >= end:
            return
        low = bisect_left(self._ends, begin)
        high = bisect_right(self._begins, end)
        if low < high:
            begin, end = min(begin, self._begins[low]), max(end, self._ends[high - 1])
        self._replace(low, high, [(begin, end)])

    def remove(self, begin: int, end: int) -> None:
        """Free the numbers from `begin` to before `end`, whether they are taken or not."""
        low = bisect_right(self._ends, begin)
        high = bisect_left(self._begins, end)
        if low >= high:
            return
        pieces = [(self._begins[low], begin), (end, self._ends[high - 1])]
        self._replace(low, high, [piece for piece in pieces if piece[0] < piece[1]])

    def _replace(self, low: int, high: int, pieces: list[tuple[int, int]]) -> None:
        for place in range(low, high):
            self.count -= self._ends[place] - self._begins[place]
        self.count += sum(end - begin for begin, end in pieces)
        self._begins[low:high] = [begin for begin, _ in pieces]
        self._ends[low:high] = [end for _, end in pieces]


def _overlap(one: Network, other: Network) -> bool:
    return int(one[0]) <= int(other[-1]) and int(other[0]) <= int(one[-1])


def _ones(bits: int) -> int:
    return (1 << bits) - 1


def _left(index: int, shift: int, width: int) -> int:
    """Shift an index as an unsigned integer of Go is shifted: what leaves the width is gone."""
    return (index & _ones(width)) << shift & _ones(width)
