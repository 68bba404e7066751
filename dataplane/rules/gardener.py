"""Gardener's validation of `spec.networking`, one function per rule, upstream's texts and order.

Source: gardener/gardener, `pkg/apis/core/validation/shoot.go` and `pkg/utils/validation/cidr`
(object validation), `plugin/pkg/shoot/validator` (overlap), `pkg/apis/core/v1beta1/defaults_shoot.go`
(mask sizes). Each function returns what it finds wrong, in upstream's order; paths are absolute.
"""

from collections.abc import Sequence
from itertools import combinations
from math import ceil, log2
from re import fullmatch

from dataplane.model.address import Family, Network, family_of
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import (
    GoLiteral,
    advice,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    quoted,
    required,
)
from dataplane.rules.gocidr import GoCIDR, parse_cidr

PROFILES = ("current", "gep21")
PODS_V4, SERVICES_V4 = "100.96.0.0/11", "100.64.0.0/13"  # v1beta1constants.Default*NetworkCIDR
NODES_V4 = "10.250.0.0/16"  # the habit of Gardener's documentation and local set-up
DEFAULT_MAX_PODS = 110


def ip_families(path: str, families: Sequence[str], *, profile: str) -> list[Problem]:
    """Check `ipFamilies`: known, no family twice; GEP-21's first step had no dual-stack."""
    problems = []
    seen = set()
    for index, family in enumerate(families):
        where = f"{path}[{index}]"
        if family not in {"IPv4", "IPv6"}:
            remedy = "write IPv4 or IPv6, in exactly this case"
            problems.append(not_supported(where, family, ("IPv4", "IPv6"), remedy=remedy))
        elif family in seen:
            problems.append(duplicate(where, family, remedy="name each family once"))
        seen.add(family)
    if profile == "gep21" and len(families) > 1:
        names = ", ".join(quoted(family) for family in families)
        problems.append(
            invalid(
                path,
                GoLiteral(f"[]core.IPFamily{{{names}}}"),
                "dual-stack networking is not supported",
                remedy="name one family, or judge by the profile `current`",
            )
        )
    return problems


def network_type(path: str, value: str | None) -> list[Problem]:
    """Check `type`, the name of the networking extension; it becomes part of a label."""
    if not value:
        detail = "networking type must be provided"
        return [required(path, detail, remedy="name the network plugin: calico or cilium")]
    if len(value) > 63 or not fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value):
        detail = "type must be a valid label name"
        remedy = "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        return [invalid(path, value, detail, remedy=remedy)]
    return []


def workerless(path: str) -> Problem:
    """Return the error for a field that needs nodes in a Shoot that has none."""
    return forbidden(
        path,
        "this field should not be set for workerless Shoot clusters",
        remedy="add spec.provider.workers, or leave this field out",
    )


def cidr(path: str, text: str) -> tuple[GoCIDR | None, list[Problem]]:
    """Read a CIDR as Go does."""
    try:
        return parse_cidr(text), []
    except ValueError as error:
        remedy = "write a CIDR such as 10.250.0.0/16 or 2001:db8:1::/48"
        return None, [invalid(path, text, str(error), remedy=remedy)]


def cidr_family(path: str, value: GoCIDR, families: Sequence[Family]) -> list[Problem]:
    """Check that a range has the single family of the cluster; dual-stack takes either."""
    if len(families) != 1 or family_of(value.network) is families[0]:
        return []
    wanted = families[0]
    return [
        invalid(
            path,
            str(value.network.network_address),
            f"must be a valid {wanted} address",
            remedy=f"write an {wanted} range, or add {wanted.other} to ipFamilies",
        )
    ]


def cidr_canonical(path: str, text: str, value: GoCIDR) -> list[Problem]:
    """Check that no host bit is set."""
    if value.canonical:
        return []
    detail = "must be valid canonical CIDR"
    return [invalid(path, text, detail, remedy=f"host bits are set; write {value.network}")]


def overlap(ranges: Sequence[tuple[str, str, Network]]) -> list[Problem]:
    """Check that pods, services and nodes are disjoint; admission does so only with IPv4.

    `ranges` are (path, `pod` | `service` | `node`, network), in this order of kinds. Upstream puts
    the error on the later of services, and on pods or services against the nodes.
    """
    problems = []
    for (path, kind, one), (other_path, other_kind, other) in combinations(ranges, 2):
        if kind == other_kind or one.version != other.version or not intersect(one, other):
            continue
        against_nodes = other_kind == "node"
        where, value = (path, one) if against_nodes else (other_path, other)
        problems.append(
            invalid(
                where,
                str(value),
                f"shoot {kind} network intersects with shoot {other_kind} network",
                remedy=f"{one} ({path}) and {other} ({other_path}) share addresses; move one of them",
            )
        )
    return problems


def node_mask_size(
    path: str, sizes: dict[Family, int], families: Sequence[Family]
) -> list[Problem]:
    """Check `nodeCIDRMaskSize` (IPv4 key) and `nodeCIDRMaskSizeIPv6` under `path`.

    On IPv6 single-stack clusters the plain field is the IPv6 size, until both are set.
    """
    plain, six = f"{path}.nodeCIDRMaskSize", f"{path}.nodeCIDRMaskSizeIPv6"
    problems = []
    first, second = sizes.get(Family.IPV4), sizes.get(Family.IPV6)
    only = families[0] if len(families) == 1 else None
    if second is not None:
        if only is Family.IPV4:
            detail = "nodeCIDRMaskSizeIPv6 cannot be set for IPv4 single-stack clusters"
            problems.append(forbidden(six, detail, remedy="use nodeCIDRMaskSize"))
        elif not 64 <= second <= 124:
            detail = "nodeCIDRMaskSizeIPv6 must be between 64 and 124"
            problems.append(invalid(six, second, detail, remedy="choose a length in these bounds"))
        if only is Family.IPV6 and first is not None:
            detail = "only one of nodeCIDRMaskSize or nodeCIDRMaskSizeIPv6 can be set for single-stack clusters"
            problems.append(forbidden(plain, detail, remedy="keep nodeCIDRMaskSizeIPv6"))
    if first is not None and only is Family.IPV4 and not 16 <= first <= 28:
        detail = "nodeCIDRMaskSize must be between 16 and 28"
        problems.append(invalid(plain, first, detail, remedy="choose a length in these bounds"))
    if first is not None and only is Family.IPV6 and not 64 <= first <= 124:
        detail = "nodeCIDRMaskSize must be between 64 and 124 for IPv6 single-stack clusters"
        problems.append(invalid(plain, first, detail, remedy="choose a length in these bounds"))
    return problems


def room_for_pods(path: str, size: int, family: Family, max_pods: int | None) -> list[Problem]:
    """Check that a node's block of `nodeCIDRMaskSize` has an address for each of its pods.

    Without any `maxPods` the kubelet's 110 apply; what nobody wrote down is a warning here.
    """
    addresses = (1 << max(family.bits - size, 0)) - 2
    most = DEFAULT_MAX_PODS if max_pods is None else max_pods
    if addresses >= most:
        return []
    detail = (
        "kubelet or kube-controller-manager configuration incorrect. Please adjust the "
        "nodeCIDRMaskSize to support the highest maxPod on any worker pool. The nodeCIDRMaskSize "
        f"of {size} (default: {24 if family is Family.IPV4 else 64}) only supports {addresses} IP "
        f"addresses. The highest maxPod setting is {most} (default: {DEFAULT_MAX_PODS}). Please "
        f"choose a nodeCIDRMaskSize that at least supports {most} IP addresses"
    )
    fitting = family.bits - (most + 1).bit_length()
    remedy = f"use a nodeCIDRMaskSize of {fitting} or less, or set maxPods to {max(addresses, 1)}"
    if max_pods is None:
        return [advice(path, detail, remedy=remedy, source=Source.GARDENER)]
    return [invalid(path, size, detail, remedy=remedy)]


def default_node_mask_size(max_pods: int = DEFAULT_MAX_PODS) -> int:
    """Return the default IPv4 mask: twice as many addresses as pods (SetDefaults_Shoot)."""
    return 32 - ceil(log2(2 * max_pods))


def intersect(one: Network, other: Network) -> bool:
    """Tell whether two networks share an address; networks of two families never do."""
    return (
        one.version == other.version
        and int(one[0]) <= int(other[-1])
        and int(other[0]) <= int(one[-1])
    )
