"""Kubernetes' node IPAM, function by function: what `plan --jsonl` answers for kind NodeIPAM."""

from collections.abc import Sequence

from dataplane.model.address import Network
from dataplane.planning.arguments import Arguments, RequestError
from dataplane.rules import nodeipam, rangeallocator
from dataplane.rules.nodeipam import CidrSet, CidrSetError
from dataplane.rules.rangeallocator import AllocatorParams, MaskFlags, NodeCIDRs

MOST_STEPS = 1 << 17  # of one line: twice the largest pool that IPv6 may have


class PartialError(ValueError):
    """A function that failed on its way: `result` is how far it came."""

    def __init__(self, error: ValueError, result: object) -> None:
        self.result = result
        super().__init__(str(error))


def new_cidr_set(args: Arguments) -> None:
    """Answer NewCIDRSet: there is nothing to show of a set."""
    _cidr_set(args)


def index_to_cidr_block(args: Arguments) -> str:
    """Answer indexToCIDRBlock, with upstream's arithmetic for an index outside, too."""
    network, size = args.network("clusterCIDR"), args.integer("nodeMaskSize")
    _cidr_set(args)
    found = nodeipam.index_to_cidr_block(network, size, args.integer("index"))
    if found == nodeipam.NIL:
        raise CidrSetError(nodeipam.no_mask(network, size))
    return found


def allocate_next(args: Arguments, count: int | None = None) -> str | list[str]:
    """Answer AllocateNext, or the list of `count` of them.

    `occupied` and `released` are CIDRs that the set goes through before.
    """
    blocks = _cidr_set(args)
    for cidr in args.networks("occupied", default=()):
        blocks.occupy(cidr)
    for cidr in args.networks("released", default=()):
        blocks.release(cidr)
    if count is None:
        return str(blocks.allocate_next())
    if count > MOST_STEPS:
        raise RequestError(f"{count} steps are too many", remedy=f"ask for at most {MOST_STEPS}")
    found: list[str] = []
    for _ in range(count):
        try:
            found.append(str(blocks.allocate_next()))
        except CidrSetError as error:
            raise PartialError(error, found) from error
    return found


def occupy(args: Arguments) -> dict[str, int]:
    """Answer Occupy: the blocks that a CIDR takes, and how many are taken then."""
    blocks = _cidr_set(args)
    for cidr in args.networks("occupied", default=()):
        blocks.occupy(cidr)
    cidr = _cidr(args)
    begin, end = blocks.beginning_and_end(cidr)
    blocks.occupy(cidr)
    return {"begin": begin, "end": end, "allocatedCIDRs": blocks.allocated}


def release(args: Arguments) -> dict[str, int]:
    """Answer Release: the blocks that a CIDR frees, and how many of `occupied` are left."""
    blocks = _cidr_set(args)
    for other in args.networks("occupied", default=()):
        blocks.occupy(other)
    cidr = _cidr(args)
    begin, end = blocks.beginning_and_end(cidr)
    blocks.release(cidr)
    return {"begin": begin, "end": end, "allocatedCIDRs": blocks.allocated}


def operations(args: Arguments) -> list[int | str]:
    """Answer a sequence of `{"operation": "occupy|release|allocate", "cidr"?}`.

    The CIDR where one is allocated, else how many blocks are taken after the step.
    """
    blocks = _cidr_set(args)
    steps = args.sections("operations")
    if len(steps) > MOST_STEPS:
        raise RequestError(f"{len(steps)} steps are too many", remedy=f"at most {MOST_STEPS}")
    found: list[int | str] = []
    for step in steps:
        try:
            found.append(_step(blocks, step))
        except ValueError as error:
            raise PartialError(error, found) from error
    return found


def beginning_and_end(args: Arguments) -> list[int]:
    """Answer getBeginningAndEndIndices."""
    return list(_cidr_set(args).beginning_and_end(_cidr(args)))


def index_for_cidr(args: Arguments) -> int:
    """Answer getIndexForCIDR."""
    return _cidr_set(args).index_for_cidr(_cidr(args))


def cluster_cidrs(args: Arguments) -> list[str]:
    """Answer validateCIDRs: the ranges of `--cluster-cidr`."""
    return [str(network) for network in rangeallocator.cluster_cidrs(_cluster_cidr(args))]


def node_cidr_mask_sizes(args: Arguments) -> list[int]:
    """Answer setNodeCIDRMaskSizes."""
    networks = rangeallocator.cluster_cidrs(_cluster_cidr(args))
    return list(rangeallocator.node_cidr_mask_sizes(_flags(args), networks))


def new_range_allocator(args: Arguments) -> None:
    """Answer NewCIDRRangeAllocator: nodes that have CIDRs already must fit."""
    nodes = [node for node in _nodes(args) if node.pod_cidrs]
    rangeallocator.cidr_sets(_params(args), nodes)


def range_allocator(args: Arguments) -> list[dict[str, object]]:
    """Answer AllocateOrOccupyCIDR for all nodes in turn: their CIDRs.

    `allocatedCIDRs` are CIDRs in use already: index of the cluster CIDR to a list.
    """
    nodes = _nodes(args)
    sets = rangeallocator.cidr_sets(_params(args), [node for node in nodes if node.pod_cidrs])
    taken = args.section("allocatedCIDRs") if args.has("allocatedCIDRs") else None
    for index, cidr_set in enumerate(sets):
        if taken is not None and taken.has(str(index)):
            for cidr in taken.networks(str(index)):
                cidr_set.occupy(cidr)
    found: list[dict[str, object]] = []
    for node in nodes:
        try:
            cidrs = node.pod_cidrs or rangeallocator.next_cidrs(sets)
        except CidrSetError as error:
            raise PartialError(error, found) from error
        found.append({"name": node.name, "podCIDRs": list(cidrs)})
    return found


def node_ipam_controller(args: Arguments) -> list[dict[str, object]]:
    """Answer NewNodeIpamController: kube-controller-manager's flags, and what its nodes get."""
    params = rangeallocator.start(
        _cluster_cidr(args),
        _flags(args),
        service_cidr=args.optional_network("serviceCIDR"),
        secondary_service_cidr=args.optional_network("secondaryServiceCIDR"),
    )
    return [
        {"name": node.name, "podCIDRs": list(node.pod_cidrs)}
        for node in rangeallocator.allocate(params, _nodes(args))
    ]


def _cidr_set(args: Arguments) -> CidrSet:
    return CidrSet(args.network("clusterCIDR"), args.integer("nodeMaskSize", "subNetMaskSize"))


def _cidr(args: Arguments) -> Network:
    return args.network("cidr", "subNetCIDR")


def _step(blocks: CidrSet, step: Arguments) -> int | str:
    operation = step.text("operation")
    match operation.lower():
        case "allocate" | "allocatenext":
            return str(blocks.allocate_next())
        case "occupy":
            blocks.occupy(_cidr(step))
        case "release":
            blocks.release(_cidr(step))
        case _:
            detail = f"{step.place}.operation is unknown"
            raise RequestError(detail, remedy="write occupy, release or allocate")
    return blocks.allocated


def _cluster_cidr(args: Arguments) -> str:
    """Return `--cluster-cidr`, from one text or from a list."""
    if args.has("clusterCIDRs"):
        return ",".join(args.texts("clusterCIDRs"))
    return args.text("clusterCIDR")


def _flags(args: Arguments) -> MaskFlags:
    return MaskFlags(
        both=args.integer("nodeCIDRMaskSize", default=0),
        ipv4=args.integer("nodeCIDRMaskSizeIPv4", default=0),
        ipv6=args.integer("nodeCIDRMaskSizeIPv6", default=0),
    )


def _params(args: Arguments) -> AllocatorParams:
    networks: Sequence[Network] = args.networks("clusterCIDRs")
    if args.has("nodeCIDRMaskSizes"):
        sizes = args.integers("nodeCIDRMaskSizes")
    else:
        sizes = rangeallocator.node_cidr_mask_sizes(_flags(args), networks)
    if len(sizes) != len(networks):
        detail = f"{len(sizes)} node mask sizes for {len(networks)} cluster CIDRs"
        raise RequestError(detail, remedy="give one for each")
    return AllocatorParams(
        cluster_cidrs=tuple(networks),
        node_cidr_mask_sizes=sizes,
        service_cidr=args.optional_network("serviceCIDR"),
        secondary_service_cidr=args.optional_network("secondaryServiceCIDR"),
    )


def _nodes(args: Arguments) -> tuple[NodeCIDRs, ...]:
    return tuple(
        NodeCIDRs(
            name=node.text("name", default=f"node{index}"),
            pod_cidrs=node.texts("podCIDRs", default=()),
        )
        for index, node in enumerate(args.sections("nodes"))
    )
