"""How kube-controller-manager gives every node a CIDR of each family: RangeAllocator.

Sources: `cmd/kube-controller-manager/app/core.go` (validateCIDRs, setNodeCIDRMaskSizes),
`pkg/controller/nodeipam/node_ipam_controller.go` (NewNodeIpamController) and
`pkg/controller/nodeipam/ipam/range_allocator.go`. CidrSetError has upstream's words, prefixes such as
"failed to allocate cidr from cluster cidr at idx:0" included.

The plain flag `--node-cidr-mask-size` is for one family: 64 for an IPv4 range is taken by every check
here, and stops the controller as soon as a node has a CIDR ("invalid IP: <nil>").
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dataplane.model.address import Family, Network, family_of
from dataplane.rules.fielderror import quoted
from dataplane.rules.nodeipam import DEFAULT_MASK_SIZE, CidrSet, CidrSetError
from dataplane.rules.sloppy import parse_sloppy_cidr

MOST_CLUSTER_CIDRS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFlags:
    """`--node-cidr-mask-size` and its two siblings per family; 0 is the same as not given."""

    both: int = 0
    ipv4: int = 0
    ipv6: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCIDRs:
    """A node and its `spec.podCIDRs` as they are written; none means that it wants some."""

    name: str
    pod_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatorParams:
    """What an allocator starts with (CIDRAllocatorParams); mask sizes go with the cluster CIDRs."""

    cluster_cidrs: tuple[Network, ...]
    node_cidr_mask_sizes: tuple[int, ...]
    service_cidr: Network | None = None
    secondary_service_cidr: Network | None = None


def cluster_cidrs(text: str) -> tuple[Network, ...]:
    """Return the ranges of `--cluster-cidr` (validateCIDRs): at most one of each family."""
    networks = []
    for part in text.strip().split(","):
        try:
            networks.append(parse_sloppy_cidr(part).network)
        except ValueError as error:
            raise CidrSetError(
                f"failed to parse cidr value:{quoted(part)} with error:{error}"
            ) from error
    families = {family_of(network) for network in networks}
    if len(networks) > 1 and len(families) == 1:
        raise CidrSetError(
            f"len of ClusterCIDRs=={len(networks)} and they are not configured as dual stack "
            "(at least one from each IPFamily"
        )
    if len(networks) > MOST_CLUSTER_CIDRS:
        raise CidrSetError(f"length of clusterCIDRs is:{len(networks)} more than max allowed of 2")
    return tuple(networks)


def node_cidr_mask_sizes(flags: MaskFlags, networks: Sequence[Network]) -> tuple[int, ...]:
    """Return the mask size that goes with each cluster CIDR (setNodeCIDRMaskSizes)."""
    if not networks:
        raise CidrSetError(
            "Controller: Must specify --cluster-cidr if --allocate-node-cidrs is set"
        )
    if len(networks) > 1:
        if flags.both:
            raise CidrSetError(
                "usage of --node-cidr-mask-size is not allowed with dual-stack clusters"
            )
        return _sorted(flags, networks)
    if flags.both:
        if flags.ipv4 or flags.ipv6:
            raise CidrSetError(
                "usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not allowed "
                "if --node-cidr-mask-size is set. For dual-stack clusters please unset it and use "
                "IPFamily specific flags"
            )
        return tuple(flags.both for _ in networks)
    only = family_of(networks[0])
    if flags.ipv4 and only is Family.IPV6:
        raise CidrSetError(
            "usage of --node-cidr-mask-size-ipv4 is not allowed for a single-stack IPv6 cluster"
        )
    if flags.ipv6 and only is Family.IPV4:
        raise CidrSetError(
            "usage of --node-cidr-mask-size-ipv6 is not allowed for a single-stack IPv4 cluster"
        )
    return _sorted(flags, networks)


def start(
    text: str,
    flags: MaskFlags,
    *,
    service_cidr: Network | None = None,
    secondary_service_cidr: Network | None = None,
) -> AllocatorParams:
    """Return what the controller makes of its flags, before it looks at any node.

    CidrSetError with the words that kube-controller-manager ends with.
    """
    networks = cluster_cidrs(text)
    services = [cidr for cidr in (service_cidr, secondary_service_cidr) if cidr is not None]
    if len(services) > 1 and len({family_of(cidr) for cidr in services}) == 1:
        raise CidrSetError(
            "serviceCIDR and secondaryServiceCIDR are not dualstack (from different IPfamiles)"
        )
    sizes = node_cidr_mask_sizes(flags, networks)
    if any(network.prefixlen > size for network, size in zip(networks, sizes, strict=True)):
        raise CidrSetError(
            "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less than or "
            "equal to --node-cidr-mask-size configured for CIDR family"
        )
    return AllocatorParams(
        cluster_cidrs=networks,
        node_cidr_mask_sizes=sizes,
        service_cidr=service_cidr,
        secondary_service_cidr=secondary_service_cidr,
    )


def allocate(params: AllocatorParams, nodes: Sequence[NodeCIDRs]) -> tuple[NodeCIDRs, ...]:
    """Return the nodes with their CIDRs, one of each cluster CIDR in its order.

    What nodes have already is taken first, as in NewCIDRRangeAllocator; then the others are served
    as they come (AllocateOrOccupyCIDR). CidrSetError when the controller would not start, or when a
    node would stay without.
    """
    sets = cidr_sets(params, [node for node in nodes if node.pod_cidrs])
    return tuple(
        node if node.pod_cidrs else NodeCIDRs(name=node.name, pod_cidrs=next_cidrs(sets))
        for node in nodes
    )


def cidr_sets(params: AllocatorParams, nodes: Sequence[NodeCIDRs]) -> tuple[CidrSet, ...]:
    """Return a set per cluster CIDR, Services and the nodes' own CIDRs taken out of it."""
    pairs = zip(params.cluster_cidrs, params.node_cidr_mask_sizes, strict=True)
    sets = tuple(CidrSet(network, size) for network, size in pairs)
    for services in (params.service_cidr, params.secondary_service_cidr):
        for cidr_set in sets:
            if services is not None:
                with suppress(CidrSetError):  # no overlap; filterOutServiceRange does not stop
                    cidr_set.occupy(services)
    for node in nodes:
        _occupy(sets, node)
    return sets


def next_cidrs(sets: Sequence[CidrSet]) -> tuple[str, ...]:
    """Take one CIDR of each set; a failure leaves those taken that were before it, as upstream does."""
    found = []
    for index, cidr_set in enumerate(sets):
        try:
            found.append(str(cidr_set.allocate_next()))
        except CidrSetError as error:
            raise CidrSetError(
                f"failed to allocate cidr from cluster cidr at idx:{index}: {error}"
            ) from error
    return tuple(found)


def release(sets: Sequence[CidrSet], node: NodeCIDRs) -> None:
    """Give back the CIDRs of a node that goes (ReleaseCIDR)."""
    for index, text in enumerate(node.pod_cidrs):
        try:
            network = parse_sloppy_cidr(text).network
        except ValueError as error:
            raise CidrSetError(
                f"failed to parse CIDR {text} on Node {node.name}: {error}"
            ) from error
        if index >= len(sets):
            raise _stray(node, text, index)
        try:
            sets[index].release(network)
        except CidrSetError as error:
            raise CidrSetError(f"error when releasing CIDR {text}: {error}") from error


def _occupy(sets: Sequence[CidrSet], node: NodeCIDRs) -> None:
    for index, text in enumerate(node.pod_cidrs):
        try:
            network = parse_sloppy_cidr(text).network
        except ValueError as error:
            raise CidrSetError(
                f"failed to parse node {node.name}, CIDR {node.pod_cidrs[0]}"
            ) from error
        if index >= len(sets):
            raise _stray(node, text, index)
        try:
            sets[index].occupy(network)
        except CidrSetError as error:
            raise CidrSetError(
                f"failed to mark cidr[{network}] at idx [{index}] as occupied for node: "
                f"{node.name}: {error}"
            ) from error


def _stray(node: NodeCIDRs, text: str, index: int) -> CidrSetError:
    """Return what is said of a node that kept a family which the cluster has given up."""
    return CidrSetError(
        f"node:{node.name} has an allocated cidr: {text} at index:{index} that does not exist in "
        "cluster cidrs configuration"
    )


def _sorted(flags: MaskFlags, networks: Sequence[Network]) -> tuple[int, ...]:
    given = {Family.IPV4: flags.ipv4, Family.IPV6: flags.ipv6}
    families = [family_of(network) for network in networks]
    return tuple(given[family] or DEFAULT_MASK_SIZE[family] for family in families)
