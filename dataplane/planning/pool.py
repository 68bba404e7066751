"""Several clusters in one landscape: IPv6 ranges out of one pool, each address there only once.

"Enable IPv4 & IPv6 Dualstack Support": IPv6 CIDRs are unique, so that nothing needs NAT, and come
without anybody choosing them; IPv4 CIDRs may be the same in every cluster. The surroundings (fabric,
gateway, internet) are the same for all, so that one lab can hold them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv6Network
from itertools import combinations

from dataplane.model.address import Network
from dataplane.model.cluster import Cluster
from dataplane.model.infrastructure import NOTHING_GIVEN, Infrastructure
from dataplane.model.plan import Plan
from dataplane.model.problem import InvalidInputError, Problem, Source
from dataplane.planning.plan import plan
from dataplane.rules.fielderror import duplicate, invalid
from dataplane.rules.gardener import cidrs

Maker = Callable[[Cluster, Infrastructure], Plan]
LANDSCAPE = "landscape"
KINDS = ("nodes", "pods", "services")


def share(  # noqa: PLR0913 - what shapes every plan of the landscape, each with its default
    clusters: Sequence[Cluster],
    *,
    pools: Sequence[IPv6Network] = (),
    nodes: int = 2,
    pods: int = 4,
    seed: int = 0,
    model: str | None = None,
    infrastructure: Infrastructure = NOTHING_GIVEN,
) -> tuple[Plan, ...]:
    """Return a plan per cluster; InvalidInputError when two of them would share an IPv6 address.

    Ranges that manifests write stand first, whatever the order; what they leave open is taken from
    `pools` in the order of `clusters`, without touching any of them.
    """

    def make(cluster: Cluster, given: Infrastructure) -> Plan:
        return plan(cluster, nodes=nodes, pods=pods, seed=seed, model=model, infrastructure=given)

    given = replace(infrastructure, pools=tuple(pools) or infrastructure.pools)
    return apart([(cluster, make) for cluster in clusters], given)


def apart(
    wanted: Sequence[tuple[Cluster, Maker]], infrastructure: Infrastructure
) -> tuple[Plan, ...]:
    """Return a plan per cluster, made by its maker with the others' ranges out of the way.

    Errors are those of `share`.
    """
    clusters = [cluster for cluster, _ in wanted]
    _check(clusters)
    made: list[Plan] = []
    for cluster, make in wanted:
        written = [n for other in clusters if other is not cluster for n in _written(other)]
        taken = [network for other in made for network in _ranges(other) if network.version == 6]
        given = replace(
            infrastructure,
            occupied=(*infrastructure.occupied, *written, *taken),
            landscape=infrastructure.landscape or LANDSCAPE,
        )
        made.append(make(cluster, given))
    problems = overlaps(made)
    if problems:
        raise InvalidInputError(LANDSCAPE, problems)
    return tuple(made)


def overlaps(plans: Sequence[Plan]) -> list[Problem]:
    """Return every IPv6 range of a plan that shares addresses with one of another plan."""
    return [
        _shared(two.name, f"spec.networking.{kind}", network, one.name, other)
        for one, two in combinations(plans, 2)
        for kind, networks in _by_kind(two)
        for network in dict.fromkeys(networks)
        for other in dict.fromkeys(_ranges(one))
        if network.version == 6 and cidrs.intersect(network, other)
    ]


def _check(clusters: Sequence[Cluster]) -> None:
    """Check what manifests have written, before anything is planned."""
    names = [cluster.name for cluster in clusters]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    remedy = "give each cluster a name of its own"
    problems = [
        duplicate("metadata.name", name, source=Source.SIXSCOPE, remedy=remedy) for name in twice
    ]
    for one, two in combinations(clusters, 2):
        for kind in KINDS:
            for wish in getattr(two, kind):
                problems += [
                    _shared(two.name, f"spec.networking.{kind}", wish.network, one.name, other)
                    for other in _written(one)
                    if wish.network is not None
                    and wish.network.version == 6
                    and cidrs.intersect(wish.network, other)
                ]
    if problems:
        raise InvalidInputError(LANDSCAPE, problems)


def _shared(name: str, path: str, network: Network, owner: str, other: Network) -> Problem:
    detail = f"of {name} shares addresses with {other} of {owner}; IPv6 ranges must be unique"
    remedy = "choose another range, or write v6global and let the pool find one"
    return invalid(path, str(network), detail, source=Source.SEED, remedy=remedy)


def _written(cluster: Cluster) -> list[Network]:
    """Return the CIDRs of a manifest, each once."""
    wishes = (*cluster.nodes, *cluster.pods, *cluster.services)
    return list(dict.fromkeys(wish.network for wish in wishes if wish.network is not None))


def _by_kind(made: Plan) -> tuple[tuple[str, tuple[Network, ...]], ...]:
    return tuple(zip(KINDS, (made.node_ranges, made.pod_ranges, made.service_ranges), strict=True))


def _ranges(made: Plan) -> tuple[Network, ...]:
    """Return the ranges of a plan, and what its cloud has set aside for it."""
    subnets = tuple(subnet.network for subnet in made.cloud.subnets)
    return (*made.node_ranges, *made.pod_ranges, *made.service_ranges, *subnets)
