"""Upstream's functions behind a plan, by name: what `sixscope plan --jsonl` answers.

Kinds and names are those of upstream's own tests. A function returns what JSON can hold; ValueError
is its refusal, in upstream's words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from re import compile as regex

from dataplane.planning import nodefunctions, proxyfunctions
from dataplane.planning.arguments import Arguments, RequestError
from dataplane.planning.nodefunctions import PartialError
from dataplane.rules import awsloadbalancer, awssubnets, kubeapiserver, podinterfaces
from dataplane.rules.clusterip import MAX_BITS
from dataplane.rules.fielderror import quoted
from dataplane.rules.gocidr import parse_cidr

Function = Callable[[Arguments], object]

LOAD_BALANCER = "AWSLoadBalancerService"
_REPEATED = regex(r"(\w+)\s*[x*]\s*(\d{1,9})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a function made of its arguments.

    `result` is null where it has none; a function that failed on its way gives what it had by then.
    `error` is there when `valid` is false.
    """

    valid: bool
    result: object = None
    error: str | None = None


def evaluate(kind: str, function: str | None, given: Mapping[str, object]) -> Evaluation:
    """Return what a function makes of `given`; RequestError when there is no such question."""
    called = _find(kind, (function or "").strip())
    try:
        return Evaluation(valid=True, result=called(Arguments(given)))
    except PartialError as error:
        return Evaluation(valid=False, result=error.result, error=str(error))
    except ValueError as error:
        return Evaluation(valid=False, error=str(error))


def _find(kind: str, name: str) -> Function:
    if kind == LOAD_BALANCER:
        return lambda args: _load_balancer(name, args)
    functions = KINDS.get(kind)
    if functions is None:
        known = ", ".join((*KINDS, LOAD_BALANCER))
        remedy = f"known are {known}; objects are for `sixscope validate --jsonl`"
        raise RequestError(f"kind {_short(kind)} is unknown", remedy=remedy)
    found = functions.get(name)
    if found is not None:
        return found
    repeated = _REPEATED.fullmatch(name)
    if repeated and kind == "NodeIPAM" and repeated[1] == "AllocateNext":
        return lambda args: nodefunctions.allocate_next(args, int(repeated[2]))
    known = ", ".join(word for word in functions if word)
    detail = f"function {_short(name)} of {kind} is unknown" if name else f"{kind} needs a function"
    raise RequestError(detail, remedy=f'add "function": one of {known}')


def _load_balancer(name: str, args: Arguments) -> object:
    """Ask the AWS load balancer controller; the arguments are the Service, or hold it and a port."""
    service, port = args.values, None
    if args.has("service"):
        service = args.section("service").values
        port = args.integer("port") if args.has("port") else None
    try:
        return awsloadbalancer.evaluate(name, service, port)
    except LookupError as error:
        detail = f"function {_short(name)} of {LOAD_BALANCER} is unknown"
        remedy = f'add "function": one of {", ".join(awsloadbalancer.FUNCTIONS)}'
        raise RequestError(detail, remedy=remedy) from error


def _cidr_subnet(args: Arguments) -> str:
    base, length = args.text("base", "baseCIDR"), args.integer("prefixLength", "newPrefixLength")
    return str(awssubnets.cidr_subnet(base, length, args.integer("index")))


def _calc_next(args: Arguments) -> str:
    return awssubnets.calc_next_ipv6_cidr_block(args.text("current", "currentSubnetCIDR"))


def _zone_subnets(args: Arguments) -> list[dict[str, str]]:
    occupied = tuple(_ipv6(text) for text in args.texts("occupied", default=()))
    zones = awssubnets.zone_subnets(_ipv6(args.text("vpc")), args.integer("zones"), occupied)
    return [
        {
            "workers": str(zone.workers),
            "internal": str(zone.internal),
            "public": str(zone.public),
        }
        for zone in zones
    ]


def _service_reservation(args: Arguments) -> str:
    return str(awssubnets.service_reservation(_ipv6(args.text("workers"))))


def _node_prefix(args: Arguments) -> str:
    return str(awssubnets.node_prefix(_ipv6(args.text("workers")), args.integer("index")))


def _ipv6(text: str) -> IPv6Network:
    network = parse_cidr(text).network
    if not isinstance(network, IPv6Network):
        raise ValueError("input CIDR is not IPv6")  # noqa: TRY004 - upstream's words for a text
    return network


def _service_cluster_ip_range(args: Arguments) -> None:
    gates = _gates(args)
    _refuse(kubeapiserver.service_cluster_ip_range(_ranges(args), gates))


def _validate_cluster_ip_flags(args: Arguments) -> None:
    _refuse(kubeapiserver.validate_cluster_ip_flags(_ranges(args), _gates(args)))


def _validate_max_cidr_range(args: Arguments) -> None:
    args.network("cidr")
    bits = args.integer("maxCIDRBits", default=MAX_BITS)
    flag = args.text("cidrFlag", default=kubeapiserver.FLAG)
    _refuse(kubeapiserver.validate_max_cidr_range(args.text("cidr"), bits, flag))


def _validate_public_ip(args: Arguments) -> None:
    advertised = args.address("advertiseAddress")
    reconciler = args.text("endpointReconcilerType", default="lease")
    primary = args.network("primaryServiceClusterIPRange", "serviceClusterIPRange")
    _refuse(kubeapiserver.validate_public_ip_families(primary, advertised, reconciler))


def _ranges(args: Arguments) -> str:
    """Return the value of the flag: one text, or a list of ranges."""
    if isinstance(args.values.get("serviceClusterIPRange"), list):
        return ",".join(args.texts("serviceClusterIPRange"))
    return args.text("serviceClusterIPRange", "serviceClusterIPRanges")


def _gates(args: Arguments) -> kubeapiserver.Gates:
    return kubeapiserver.Gates(
        multi_cidr_service_allocator=args.boolean("multiCIDRServiceAllocator", default=False),
        disable_allocator_dual_write=args.boolean("disableAllocatorDualWrite", default=True),
    )


def _refuse(errors: list[str]) -> None:
    if errors:
        raise ValueError(kubeapiserver.aggregate(errors))


def _pod_interface_name(args: Arguments) -> str:
    try:
        plugin = podinterfaces.plugin(args.text("cni"))
    except LookupError as error:
        raise RequestError(f"args.cni: {error}", remedy="name one of them") from error
    endpoint = args.text("endpointID", default="")
    if not endpoint and args.has("containerID"):
        endpoint = f"{args.text('containerID')}:{args.text('interface', default='eth0')}"
    link = podinterfaces.PodLink(
        namespace=args.text("namespace", default=""),
        pod=args.text("pod", "podname", default=""),
        prefix=args.text("prefix", default="") or None,
        endpoint_id=endpoint,
        index=args.integer("index", default=0),
    )
    return podinterfaces.interface_name(plugin, link)


def _short(text: str) -> str:
    return quoted(text if len(text) <= 63 else f"{text[:60]}...")


KINDS: dict[str, dict[str, Function]] = {  # an empty name: what a kind means without a function
    "NodeIPAM": {
        "NewCIDRSet": nodefunctions.new_cidr_set,
        "indexToCIDRBlock": nodefunctions.index_to_cidr_block,
        "AllocateNext": nodefunctions.allocate_next,
        "Occupy": nodefunctions.occupy,
        "Release": nodefunctions.release,
        "operations": nodefunctions.operations,
        "getBeginningAndEndIndices": nodefunctions.beginning_and_end,
        "getIndexForCIDR": nodefunctions.index_for_cidr,
        "validateCIDRs": nodefunctions.cluster_cidrs,
        "setNodeCIDRMaskSizes": nodefunctions.node_cidr_mask_sizes,
        "NewCIDRRangeAllocator": nodefunctions.new_range_allocator,
        "AllocateOrOccupyCIDR": nodefunctions.range_allocator,
        "RangeAllocator": nodefunctions.range_allocator,
        "NewNodeIpamController": nodefunctions.node_ipam_controller,
    },
    "AWSSubnetting": {
        "cidrSubnet": _cidr_subnet,
        "calcNextIPv6CidrBlock": _calc_next,
        "zoneSubnets": _zone_subnets,
        "serviceReservation": _service_reservation,
        "nodePrefix": _node_prefix,
    },
    "ServiceClusterIPRange": {
        "": _service_cluster_ip_range,
        "validateClusterIPFlags": _validate_cluster_ip_flags,
        "validateMaxCIDRRange": _validate_max_cidr_range,
        "validatePublicIPServiceClusterIPRangeIPFamilies": _validate_public_ip,
    },
    "KubeProxyLocalDetector": {
        "": proxyfunctions.local_detectors,
        "getLocalDetectors": proxyfunctions.local_detectors,
    },
    "KubeProxyMasquerade": {"": proxyfunctions.masquerade},
    "PodInterfaceName": {
        "": _pod_interface_name,
        "VethNameForWorkload": _pod_interface_name,
        "Endpoint2IfName": _pod_interface_name,
        "GeneratePodHostVethName": _pod_interface_name,
    },
}
