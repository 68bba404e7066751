"""The node mask sizes of kube-controller-manager: `shoot.go`, and `defaults_shoot.go`."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice, forbidden, invalid
from dataplane.rules.gardener.ipfamilies import single

DEFAULT_MAX_PODS = 110
DEFAULT_V6 = 64
PLAIN, SIX = "nodeCIDRMaskSize", "nodeCIDRMaskSizeIPv6"
_NO_MASK = 32  # what Go makes of a logarithm that is no number


@dataclass(frozen=True, slots=True, kw_only=True)
class Masks:
    """`nodeCIDRMaskSize` and `nodeCIDRMaskSizeIPv6` under `path`, None where they are not set.

    Of an IPv6 single-stack cluster the plain one may be the IPv6 size.
    """

    path: str
    plain: int | None = None
    six: int | None = None


def check(masks: Masks, families: Sequence[str], *, profile: str = "current") -> list[Problem]:
    """Check the bounds of both sizes, and that they fit the families (ValidateKubeControllerManager).

    GEP-21's first step knew the plain one alone, and bounds for IPv4 single-stack clusters only.
    """
    plain, six = f"{masks.path}.{PLAIN}", f"{masks.path}.{SIX}"
    problems = []
    only_v4, only_v6 = single(families, Family.IPV4), single(families, Family.IPV6)
    today = profile != "gep21"
    if today and only_v6 and masks.plain is not None and masks.six is not None:
        detail = f"only one of {PLAIN} or {SIX} can be set for single-stack clusters"
        problems.append(forbidden(plain, detail, remedy=f"keep {SIX}"))
    if masks.plain is not None:
        if today and only_v6 and not 64 <= masks.plain <= 124:
            bounds = "between 64 and 124 for IPv6 single-stack clusters"
            problems.append(_out_of_bounds(plain, PLAIN, masks.plain, bounds))
        if only_v4 and not 16 <= masks.plain <= 28:
            problems.append(_out_of_bounds(plain, PLAIN, masks.plain, "between 16 and 28"))
    if today and masks.six is not None:
        if only_v4:
            detail = f"{SIX} cannot be set for IPv4 single-stack clusters"
            problems.append(forbidden(six, detail, remedy=f"use {PLAIN}"))
        elif not 64 <= masks.six <= 124:
            problems.append(_out_of_bounds(six, SIX, masks.six, "between 64 and 124"))
    return problems


def _out_of_bounds(path: str, name: str, size: int, bounds: str) -> Problem:
    return invalid(path, size, f"{name} must be {bounds}", remedy="choose a length in these bounds")


def room_for_pods(path: str, size: int, family: Family, max_pods: int | None) -> list[Problem]:
    """Check that a node's block of `nodeCIDRMaskSize` has an address for each of its pods.

    Without any `maxPods` the kubelet's 110 apply; where it is not known, that is a warning.
    """
    if size < 0:  # as good as endless, and nothing to compute
        return []
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


def highest(kubelet: int | None, workers: Sequence[int | None], *, default: int) -> int:
    """Return the most pods of any node: `kubelet` replaces the default, a worker only raises it."""
    most = default if kubelet is None else kubelet
    return max([most, *(pods for pods in workers if pods is not None)])


def default_node_mask_size(max_pods: int = DEFAULT_MAX_PODS) -> int:
    """Return the default IPv4 mask: twice as many addresses as pods (SetDefaults_Shoot)."""
    return _NO_MASK - ceil(log2(2 * max_pods)) if max_pods > 0 else _NO_MASK


def defaulted(masks: Masks, families: Sequence[str], max_pods: int, *, profile: str) -> Masks:
    """Return the sizes as SetDefaults_Shoot leaves them; `max_pods` has its own default in it.

    GEP-21's first step knew the plain one alone, and set it whatever the families are.
    """
    plain, six = masks.plain, masks.six
    first_step, dual = profile == "gep21", len(families) == 2
    if single(families, Family.IPV6):
        if plain is None and (six is None or first_step):
            plain = DEFAULT_V6
    elif plain is None and (first_step or dual or single(families, Family.IPV4)):
        plain = default_node_mask_size(max_pods)
    if dual and six is None:
        six = DEFAULT_V6
    return Masks(path=masks.path, plain=plain, six=None if first_step else six)
