"""AWS: gardener-extension-provider-aws, `pkg/apis/aws/validation`, `docs/usage/ipv6.md`."""

from collections.abc import Iterable

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules.fielderror import advice, forbidden, invalid, required
from dataplane.rules.providers import ranges
from dataplane.rules.providers.networking import (
    Networking,
    native_routing,
    nodes_required,
)

VPC_PREFIX_LENGTH = 56  # what Amazon assigns to a VPC, defaultIPv6NetmaskSize


def networking(given: Networking) -> list[Problem]:
    """Check the networking of a Shoot on AWS, the only one of the four with IPv6-only clusters."""
    problems = []
    if given.families is None or Family.IPV4 in given.families:
        problems += nodes_required(given, "AWS")
    return problems + native_routing(given)


def ranges_assigned(given: Networking, written: Iterable[str]) -> list[Problem]:
    """Warn where an IPv6-only Shoot has ranges of its own: AWS assigns them. `written` are paths."""
    if not given.single_ipv6:
        return []
    detail = "AWS assigns the IPv6 ranges of the VPC; this one is not used"
    remedy = "leave nodes, pods and services out of an IPv6-only Shoot on AWS"
    return [advice(path, detail, source=Source.PROVIDER, remedy=remedy) for path in written]


def private_nodes(given: Networking, path: str) -> list[Problem]:
    """Warn that nodes of an IPv6-only Shoot ask for IPv4 by `v4private`; `path` is that of nodes."""
    if not given.single_ipv6:
        return []
    detail = "v4private: in an IPv6-only Shoot on AWS, the nodes' subnets have IPv6 alone"
    remedy = "leave v4private out; NAT64 and DNS64 lead to servers that have IPv4 only"
    return [advice(path, detail, source=Source.SEED, remedy=remedy)]


def vpc(path: str, identifier: str | None, cidr: str | None) -> list[Problem]:
    """Check that a VPC is either an existing one or a new one, where it is given at all."""
    if identifier is None or cidr is None:
        return []
    detail = "must specify either a vpc id or a cidr"
    remedy = "keep id for a VPC that exists, cidr for a new one"
    value = {"id": identifier, "cidr": cidr}
    return [invalid(path, value, detail, source=Source.PROVIDER, remedy=remedy)]


def own_vpc(path: str, identifier: str | None, *, dual_stack: bool) -> list[Problem]:
    """Warn that an existing VPC brings its own IPv6 range, or none."""
    if identifier is None or not dual_stack:
        return []
    detail = "this VPC must have an Amazon-provided IPv6 CIDR block; nobody adds one to it"
    remedy = "assign an IPv6 CIDR block (/56) and an egress-only internet gateway to the VPC first"
    return [advice(path, detail, source=Source.SEED, remedy=remedy)]


def ipam_pool(path: str, identifier: str | None, block: str | None) -> list[Problem]:
    """Check `vpc.ipv6IpamPool`: a pinned block is an IPv6 /56 of a pool that is named."""
    if block is None:
        return []
    problems = []
    if not identifier:
        detail = "must be set when cidrBlock is set"
        remedy = "name the IPAM pool (ipam-pool-...) that the block is taken from"
        problems.append(required(f"{path}.id", detail, source=Source.PROVIDER, remedy=remedy))
    where = f"{path}.cidrBlock"
    found, errors = ranges.read(where, block)
    problems += errors
    if found is None:
        return problems
    problems += ranges.of_family(found, Family.IPV6)
    if found.network.version == 6 and found.network.prefixlen != VPC_PREFIX_LENGTH:
        detail = f"must be a /{VPC_PREFIX_LENGTH} CIDR block"
        remedy = f"a VPC takes exactly a /{VPC_PREFIX_LENGTH}"
        problems.append(invalid(where, block, detail, source=Source.PROVIDER, remedy=remedy))
    return problems


def dual_stack_update(path: str, *, new: bool, old: bool) -> list[Problem]:
    """Check that `dualStack.enabled` is not taken back; `path` is that of the field."""
    if new or not old:
        return []
    detail = 'field can\'t be changed from "true" to "false"'
    remedy = "leave it true: the VPC keeps its IPv6 range"
    return [forbidden(path, detail, source=Source.PROVIDER, remedy=remedy)]


def zones_removed(path: str, *, new: int, old: int) -> list[Problem]:
    """Check that zones are only added."""
    if new >= old:
        return []
    detail = "removing zones is not allowed"
    remedy = "keep all zones, in their order; add new ones behind them"
    return [forbidden(path, detail, source=Source.PROVIDER, remedy=remedy)]


def ingress_alone(path: str) -> Problem:
    """Say that IPv6 clients can be served without an IPv6 cluster (dual-stack ingress)."""
    detail = "IPv6 clients can reach an IPv4 cluster by dual-stack load balancers alone"
    remedy = (
        "for ingress only, set dualStack.enabled here and loadBalancerController.enabled in the "
        "controlPlaneConfig; the cluster stays IPv4 single-stack"
    )
    return advice(path, detail, source=Source.SEED, severity=Severity.INFO, remedy=remedy)
