"""OpenStack: gardener-extension-provider-openstack, `pkg/apis/openstack/validation`.

`networks.ipv6` either names a subnet pool that nodes, pods and services get their ranges from, or
gives the three ranges; given ranges go before the pool.
"""

from dataclasses import replace

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules import kubernetes, nodeipam
from dataplane.rules.fielderror import advice, invalid, required
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers import ranges
from dataplane.rules.providers.networking import (
    Networking,
    no_single_ipv6,
    nodes_required,
)

CIDRS = ("nodeCIDR", "podCIDR", "serviceCIDR")
SERVICE_PREFIX_LENGTH = 112


def networking(given: Networking) -> list[Problem]:
    """Check the networking of a Shoot on OpenStack."""
    return [*nodes_required(given, "Openstack"), *no_single_ipv6(given)]


def ipv6_required(path: str) -> Problem:
    """Return the error that a dual-stack cluster has no `networks.ipv6`."""
    detail = "must be set for dual-stack shoots"
    remedy = f"write ipv6.subnetPoolID, or ipv6.{', ipv6.'.join(CIDRS)}"
    return required(path, detail, source=Source.PROVIDER, remedy=remedy)


def ipv6(
    path: str, pool: str | None, written: dict[str, str], *, node_subnet: bool = False
) -> list[Problem]:
    """Check `networks.ipv6`; `written` has the ranges of CIDRS that are given.

    With `node_subnet` (`nodeSubnetId`) the nodes' subnet exists and needs no range.
    """
    if not written and not node_subnet:
        if pool:
            return []
        detail = "either subnetPoolID or nodeCIDR, podCIDR and serviceCIDR must be set"
        remedy = "name the subnet pool that the IPv6 ranges are taken from"
        return [required(path, detail, source=Source.PROVIDER, remedy=remedy)]
    problems = []
    found: dict[str, Range] = {}
    for key in CIDRS:
        where = f"{path}.{key}"
        if key not in written:
            if key != "nodeCIDR" or not node_subnet:
                detail = f"must be set together with {' and '.join(k for k in CIDRS if k != key)}"
                remedy = "give all three ranges, or a subnetPoolID alone"
                problems.append(required(where, detail, source=Source.PROVIDER, remedy=remedy))
            continue
        one, errors = ranges.read(where, written[key])
        problems += errors
        if one is not None:
            problems += ranges.of_family(one, Family.IPV6)
            found[key] = one
    problems += ranges.disjoint(list(found.values()))
    return problems + _advised(found)


def routed(path: str, subnet: str, router: str | None) -> list[Problem]:
    """Check that somebody's own IPv6 subnet of the nodes (`path`: nodeSubnetId) has a router.

    The provider makes no router interface there, so that it asks for the router (`docs/usage`, "Bring Your
    Own Infrastructure"; the words are not upstream's). Whether it is attached, no manifest says.
    """
    if not router:
        detail = (
            "requires networks.router.id: the subnet must have a router, and nobody attaches one"
        )
        remedy = "attach a router to the subnet, and name it in networks.router.id"
        return [invalid(path, subnet, detail, source=Source.PROVIDER, remedy=remedy)]
    detail = f"router {router} must be attached to this subnet already; nobody attaches it"
    remedy = "openstack router add subnet ROUTER SUBNET, before there is a cluster"
    return [advice(path, detail, source=Source.PROVIDER, remedy=remedy)]


def one_family(path: str, workers: Range) -> list[Problem]:
    """Warn of an IPv6 range where the nodes' IPv4 subnet belongs: a subnet has one family."""
    if workers.network.version == 4:
        return []
    detail = "a subnet is of IPv4 or of IPv6, never of both; this is the nodes' IPv4 subnet"
    remedy = "write the IPv6 range as networks.ipv6.nodeCIDR"
    return [advice(path, detail, source=Source.SEED, remedy=remedy)]


def _advised(found: dict[str, Range]) -> list[Problem]:
    """Warn of ranges that are accepted and do not become what they say, or do not work."""
    notes = []
    services, pods, nodes = found.get("serviceCIDR"), found.get("podCIDR"), found.get("nodeCIDR")
    if services and services.network.version == 6:
        length = services.network.prefixlen
        if length != SERVICE_PREFIX_LENGTH:
            detail = f"becomes a /{SERVICE_PREFIX_LENGTH}, without a word"
            remedy = f"write a /{SERVICE_PREFIX_LENGTH}"
            notes.append(advice(services.path, detail, source=Source.PROVIDER, remedy=remedy))
    if pods and pods.network.version == 6:
        mask = nodeipam.DEFAULT_MASK_SIZE[Family.IPV6]
        unfit = kubernetes.node_pool(pods.path, pods.network, mask)
        notes += [replace(problem, severity=Severity.WARNING) for problem in unfit]
    if pods and nodes and pods.network.version == nodes.network.version == 6:
        detail = (
            f"the proposal asks for a subset of {nodes.path}: a router announces attached subnets, "
            "which this is not; provider openstack makes a subnet of its own instead"
        )
        remedy = "nothing to do, if the routers upstream know the way to this range"
        severity = Severity.INFO
        notes.append(
            advice(pods.path, detail, source=Source.SEED, severity=severity, remedy=remedy)
        )
    return notes
