"""Who gives a node its part of the pod range: the four ways of "IPv6 for Gardener".

`range` is kube-controller-manager's RangeAllocator, with nodeipam's rules and words. `cloud` takes
what the infrastructure has given to the node, `external` what a different controller has written
into v1.Node, `cni` the blocks of a network plugin that does not read v1.Node at all. v1.Node's
podCIDRs are written once and for all families together, so a cluster has one of them; a family that
is `custom` is the network plugin's in any case.
"""

from collections.abc import Iterable, Sequence

from dataplane.model.address import Family, Network, family_of
from dataplane.model.cloud import Allocator, PodPool, PoolRule
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.planning.space import Space
from dataplane.rules import nodeipam
from dataplane.rules.gardener import cidrs

FROM_NODE = frozenset({Strategy.V4_FROM_NODE, Strategy.V6_FROM_NODE})
CNI_BLOCK = {Family.IPV4: 26, Family.IPV6: 122}  # Calico's IPPool, blockSize
CONTROLLER_MANAGER = "kube-controller-manager"


def choose(cluster: Cluster, asked: Allocator | None, usual: Allocator) -> Allocator:
    """Return a cluster's allocator: as asked, the node's own prefix by keyword, else as usual."""
    if asked is not None:
        return asked
    if any(wish.strategy in FROM_NODE for wish in cluster.pods):
        return Allocator.CLOUD
    return usual


def of_wish(wish: RangeWish, cluster_wide: Allocator) -> Allocator:
    """Return the allocator of one family's pod range."""
    return Allocator.CNI if wish.strategy is Strategy.CUSTOM else cluster_wide


def setter(allocator: Allocator, *, cloud: str, cni: str) -> str:
    """Return the component that writes the pod CIDRs; `cloud` is the infrastructure's own."""
    return {
        Allocator.RANGE: CONTROLLER_MANAGER,
        Allocator.CLOUD: cloud,
        Allocator.EXTERNAL: "another controller",
        Allocator.CNI: cni,
    }[allocator]


def ranged(network: Network, mask: int, count: int, used: Iterable[Network]) -> tuple[Network, ...]:
    """Return what RangeAllocator gives to `count` nodes; CidrSetError in nodeipam's words."""
    if mask < network.prefixlen:  # a CidrSet would be empty, and say that nothing is left
        raise nodeipam.CidrSetError(f"a block of /{mask} does not fit into {network}")
    blocks = nodeipam.CidrSet(network, mask)
    for other in used:
        blocks.occupy(other)
    return tuple(blocks.allocate_next() for _ in range(count))


def in_order(
    network: Network, mask: int, count: int, used: Iterable[Network], *, start: int = 0
) -> tuple[Network, ...]:
    """Return `count` blocks from number `start` on that touch nothing used, in rising order.

    No limit of bits: this is what clouds and other controllers do. CidrSetError when none is left.
    """
    if mask < network.prefixlen:
        raise nodeipam.CidrSetError(f"a block of /{mask} does not fit into {network}")
    space = Space()
    for other in used:
        space.take(other)
    found: list[Network] = []
    following = start
    for _ in range(count):
        block = space.first_free(network, mask, start=following)
        if block is None:
            raise nodeipam.CidrSetError(nodeipam.NO_CIDRS_REMAINING)
        found.append(block)
        following = (int(block[0]) - int(network[0]) >> network.max_prefixlen - mask) + 1
    return tuple(found)


def pool(
    network: Network, mask: int, allocator: Allocator, component: str, *, given: bool = False
) -> PodPool:
    """Describe how a pod range is cut, and what nodeipam's 16 bit rule has to do with it.

    `given` tells that the blocks were input, not chosen here.
    """
    bits = nodeipam.pool_bits(network, mask)
    rule, why = _rule(network, bits, allocator)
    return PodPool(
        network=network,
        mask_size=mask,
        bits=bits,
        allocator=allocator,
        setter=component,
        rule=rule,
        explanation=f"{_story(allocator, component, network, mask, given=given)}; {why}",
    )


def _rule(network: Network, bits: int, allocator: Allocator) -> tuple[PoolRule, str]:
    most = nodeipam.MAX_POOL_BITS
    if network.version == 4:
        return PoolRule.NOT_APPLIED, f"{bits} bits; nodeipam limits IPv6 pools only"
    if allocator is not Allocator.RANGE:
        beyond = ", RangeAllocator could not do it" if bits > most else ""
        return (
            PoolRule.NOT_APPLIED,
            f"{bits} bits; nodeipam's limit of {most} does not apply{beyond}",
        )
    if bits > most:
        return PoolRule.TOO_LARGE, f"{bits} bits, more than the {most} that nodeipam takes"
    if bits == most:
        return PoolRule.AT_THE_LIMIT, f"{bits} bits, the most that nodeipam takes; stay below"
    return PoolRule.FITS, f"{bits} bits, less than {most}"


def _story(
    allocator: Allocator, component: str, network: Network, mask: int, *, given: bool
) -> str:
    match allocator:
        case Allocator.RANGE:
            return f"{component} (RangeAllocator) sets podCIDRs, a /{mask} of {network} per node"
        case Allocator.CLOUD:
            return (
                f"{component} sets podCIDRs, the /{mask} that the infrastructure routes to a node"
            )
        case Allocator.EXTERNAL:
            origin = "given, and only checked" if given else "not given, so taken in order"
            return f"{component} sets podCIDRs, a /{mask} per node; they are {origin}"
        case Allocator.CNI:
            return f"{component} takes blocks of /{mask} by itself, nobody sets podCIDRs for it"


def misplaced(
    given: Sequence[Sequence[Network]], ranges: Sequence[Network], taken: Sequence[Network]
) -> list[tuple[Network | None, str]]:
    """Return what is wrong with PodCIDRs that somebody else has set: (CIDR, why).

    `given` is node by node; every node needs one CIDR per family of `ranges`, inside that range, and
    disjoint from all others and from what is `taken`.
    """
    found: list[tuple[Network | None, str]] = []
    seen: list[Network] = []
    for index, own in enumerate(given):
        for network in ranges:
            count = sum(cidr.version == network.version for cidr in own)
            if count != 1:
                found.append(
                    (None, f"node-{index} has {count} {family_of(network)} CIDRs, not one")
                )
        for cidr in own:
            inside = next((n for n in ranges if n.version == cidr.version), None)
            if inside is None:
                found.append((cidr, f"node-{index}: the pods have no {family_of(cidr)} range"))
            elif not _within(cidr, inside):
                found.append(
                    (cidr, f'node-{index}: must be a subset of the pod range ("{inside}")')
                )
            meets = next((other for other in seen if cidrs.intersect(cidr, other)), None)
            if meets is not None:
                found.append((cidr, f"node-{index}: shares addresses with {meets} of another node"))
            blocked = next((other for other in taken if cidrs.intersect(cidr, other)), None)
            if blocked is not None:
                found.append(
                    (cidr, f"node-{index}: shares addresses with {blocked}, in use already")
                )
            seen.append(cidr)
    return found


def _within(inner: Network, outer: Network) -> bool:
    return int(outer[0]) <= int(inner[0]) and int(inner[-1]) <= int(outer[-1])
