"""Cluster to Plan: every address of the cluster and its surroundings. Same input, same plan."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import count
from string import ascii_lowercase

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.cluster import Cluster
from dataplane.model.plan import ClatPlacement, ClatPlan, NodePlan, Plan, PodPlan, ServicePlan
from dataplane.model.problem import InvalidInputError, Problem, Source
from dataplane.planning import clouds
from dataplane.planning.space import Space
from dataplane.planning.surroundings import site, surroundings, unusable
from dataplane.rules import clusterip, nodeipam, rfc6052
from dataplane.rules.fielderror import invalid, required

CLAT_ADDRESS4 = IPv4Address("192.0.0.2")  # RFC 7335: the host's side of 192.0.0.0/29
CLAT_TRANSLATOR4 = IPv4Address("192.0.0.1")
ACTORS_PER_NODE = ACTOR_NODES = 2
FIRST_POD = 2  # of a node's prefix; the first address is the node's own
SERVICE_OFFSETS = (100, 11)  # past what Kubernetes and Gardener reserve
MOST_NODES, MOST_PODS = 1000, 5000  # far beyond any lab; a typing error must not eat the memory


def plan(  # noqa: PLR0913 - the options of `run` and `plan`, each with its default
    cluster: Cluster,
    *,
    nodes: int = 2,
    pods: int = 4,
    seed: int = 0,
    engine: str = "tayga",
    dns64: str = "bind",
    clat: ClatPlacement | None = ClatPlacement.POD,
    nat64_prefix: IPv6Network | None = None,
) -> Plan:
    """Return the plan of a cluster with that many nodes and pods.

    NAT64, DNS64 and 464XLAT are planned where pods have no IPv4. `nat64_prefix` replaces the
    default, which is 64:ff9b:1::/96 (RFC 8215) or, where the manifest uses that itself, a
    network-specific one. InvalidInputError lists the ranges that cannot serve.
    """
    _check(cluster, nodes, pods)
    if nat64_prefix is not None:
        _check_prefix(cluster.name, nat64_prefix)
    space = Space()
    for wish in (*cluster.nodes, *cluster.pods, *cluster.services):
        if wish.network is not None:
            space.take(wish.network)
    if nat64_prefix is not None:
        space.take(nat64_prefix)
    around = site(space, cluster.name)
    request = clouds.Request(cluster=cluster, nodes=nodes, seed=seed, space=space)
    addressing = clouds.model(cluster.provider).assign(request)
    carried = tuple(
        family
        for family in _ordered(cluster)
        if any(family_of(net) is family for net in addressing.node_ranges + addressing.pod_ranges)
    )
    has_nat64 = all(wish.family is Family.IPV6 for wish in cluster.pods)
    outside = surroundings(
        space, around, name=cluster.name, families=carried, translating=has_nat64
    )
    nat64 = outside.nat64
    if nat64 is not None and nat64_prefix is not None:
        nat64 = replace(nat64, prefix=nat64_prefix)
    clat_plan = None
    if nat64 is not None and clat is not None:
        _check_clat(cluster, clat)
        clat_plan = ClatPlan(placement=clat, address4=CLAT_ADDRESS4, translator4=CLAT_TRANSLATOR4)
    node_plans = _nodes(cluster, addressing, pods=pods, clat=clat_plan)
    services, dns = _services(cluster, addressing.service_ranges, node_plans)
    return Plan(
        name=cluster.name,
        families=cluster.families,
        node_ranges=addressing.node_ranges,
        pod_ranges=addressing.pod_ranges,
        service_ranges=addressing.service_ranges,
        nodes=node_plans,
        services=services,
        dns_addresses=dns,
        resolver=outside.resolver,
        servers=outside.servers,
        nat64=nat64,
        clat=clat_plan,
        transit=outside.transit,
        engine=engine,
        dns64_server=dns64,
        cni=cluster.cni,
        provider=cluster.provider,
        seed=seed,
    )


def pod_name(index: int) -> str:
    """Return the name of pod number `index`: pod-a to pod-z, pod-aa, ..."""
    letters = ""
    number = index + 1
    while number:
        number, digit = divmod(number - 1, len(ascii_lowercase))
        letters = ascii_lowercase[digit] + letters
    return f"pod-{letters}"


def _check(cluster: Cluster, nodes: int, pods: int) -> None:
    problems: list[Problem] = []
    for name, value, most in (("nodes", nodes, MOST_NODES), ("pods", pods, MOST_PODS)):
        if not 1 <= value <= most:
            detail = f"must be between 1 and {most}"
            remedy = f"ask for another number of {name}"
            problems.append(invalid(name, value, detail, source=Source.SIXSCOPE, remedy=remedy))
    if not cluster.nodes or not cluster.pods:
        detail = "a workerless Shoot has no dataplane to plan"
        remedy = "add spec.provider.workers and the ranges of nodes and pods"
        problems.append(
            required("spec.provider.workers", detail, source=Source.SIXSCOPE, remedy=remedy)
        )
    for kind in ("nodes", "pods", "services"):
        for wish in getattr(cluster, kind):
            reserved = unusable(wish.network) if wish.network is not None else None
            if reserved is not None:
                detail = f"shares addresses with {reserved}, which no interface can carry"
                remedy = "use a range of unicast addresses that are free to assign"
                path = f"spec.networking.{kind}"
                shown = str(wish.network)
                problems.append(invalid(path, shown, detail, source=Source.SIXSCOPE, remedy=remedy))
    if problems:
        raise InvalidInputError(cluster.name, problems)


def _check_prefix(name: str, prefix: IPv6Network) -> None:
    try:
        rfc6052.check_prefix(prefix)
    except ValueError as error:
        detail = str(error)
    else:
        if prefix == rfc6052.WELL_KNOWN_PREFIX:
            detail = "must not carry the documentation addresses of a lab (RFC 6052 section 3.1)"
        else:
            return
    remedy = "use a /96 such as 64:ff9b:1::/96 (RFC 8215) or 2001:db8:64::/96"
    source = Source.SIXSCOPE
    problem = invalid("nat64_prefix", str(prefix), detail, source=source, remedy=remedy)
    raise InvalidInputError(name, [problem])


def _check_clat(cluster: Cluster, clat: ClatPlacement) -> None:
    """Refuse a CLAT where native IPv4 is: a host has the one or the other (RFC 6877 section 6)."""
    if clat is ClatPlacement.NODE and any(wish.family is Family.IPV4 for wish in cluster.nodes):
        detail = "a CLAT on nodes that have IPv4 of their own would take their default route"
        remedy = "put the CLAT into the pods, or take IPv4 from the nodes"
        source = Source.SIXSCOPE
        problem = invalid("clat", str(clat), detail, source=source, remedy=remedy)
        raise InvalidInputError(cluster.name, [problem])


def _ordered(cluster: Cluster) -> tuple[Family, ...]:
    """Return both families, the cluster's own first and in its order."""
    return tuple(dict.fromkeys((*cluster.families, *Family)))


def _nodes(
    cluster: Cluster, addressing: clouds.Addressing, *, pods: int, clat: ClatPlan | None
) -> tuple[NodePlan, ...]:
    total = len(addressing.node_addresses)
    names = (pod_name(index) for index in count())
    problems: list[Problem] = []
    plans = []
    for index in range(total):
        share = pods // total + (index < pods % total)
        prefixes = addressing.pod_prefixes[index]
        clat_prefix = None
        if clat is not None:
            clat_prefix = next(_last_quarter(p) for p in prefixes if isinstance(p, IPv6Network))
        if index == 0:  # the fullest node; the others have the same room
            problems += _room(prefixes, share, with_clat=clat is not None)
        if problems:
            raise InvalidInputError(cluster.name, problems)
        plans.append(
            NodePlan(
                name=f"node-{index}",
                addresses=addressing.node_addresses[index],
                pod_prefixes=prefixes,
                clat_prefix=clat_prefix,
                pods=tuple(
                    _pod(next(names), index, place, prefixes, (clat, clat_prefix))
                    for place in range(share)
                ),
            )
        )
    return tuple(plans)


def _room(prefixes: tuple[Network, ...], pods: int, *, with_clat: bool) -> list[Problem]:
    """Check that a node's prefixes hold its pods, beside gateway, broadcast and CLAT quarter."""
    problems = []
    for prefix in prefixes:
        room = prefix.num_addresses - FIRST_POD - (prefix.version == 4)
        if with_clat and prefix.version == 6:
            room = prefix.num_addresses * 3 // 4 - FIRST_POD
        if pods > room:
            detail = (
                f"a node's pod prefix {prefix} has room for {max(room, 0)} pods, not for {pods}"
            )
            remedy = "use more nodes, fewer pods, or a shorter node mask"
            problems.append(
                invalid(
                    "spec.networking.pods",
                    str(prefix),
                    detail,
                    source=Source.SIXSCOPE,
                    remedy=remedy,
                )
            )
    return problems


def _pod(
    name: str,
    node: int,
    place: int,
    prefixes: tuple[Network, ...],
    clat: tuple[ClatPlan | None, IPv6Network | None],
) -> PodPlan:
    actor = node < ACTOR_NODES and place < ACTORS_PER_NODE
    clat_plan, clat_prefix = clat
    clat_address = None
    if actor and clat_plan is not None and clat_prefix is not None:
        own = FIRST_POD + place if clat_plan.placement is ClatPlacement.POD else 1
        clat_address = clat_prefix[own]
    return PodPlan(
        name=name,
        node=f"node-{node}",
        addresses=tuple(_nth(prefix, FIRST_POD + place) for prefix in prefixes),
        clat_address=clat_address,
        actor=actor,
    )


def _nth(network: Network, offset: int) -> Address:
    value = int(network.network_address) + offset
    return IPv4Address(value) if isinstance(network, IPv4Network) else IPv6Address(value)


def _last_quarter(prefix: IPv6Network) -> IPv6Network:
    quarter = nodeipam.block(prefix, prefix.prefixlen + 2, 3)
    return IPv6Network((int(quarter.network_address), quarter.prefixlen))


def _services(
    cluster: Cluster, ranges: tuple[Network, ...], nodes: tuple[NodePlan, ...]
) -> tuple[tuple[ServicePlan, ...], tuple[Address, ...]]:
    """Return the echo Service and the addresses of the cluster DNS."""
    problems = []
    dns: list[Address] = []
    echo: list[Address] = []
    for network in ranges:
        try:
            dns.append(clusterip.dns_address(network))
            offset = next(n for n in SERVICE_OFFSETS if n < network.num_addresses - 1)
            echo.append(clusterip.at(network, offset))
        except (ValueError, StopIteration):
            detail = "too small for the cluster DNS and one Service"
            path = "spec.networking.services"
            remedy = "use a shorter prefix: 16 addresses are the least"
            problems.append(
                invalid(path, str(network), detail, source=Source.KUBERNETES, remedy=remedy)
            )
    if problems:
        raise InvalidInputError(cluster.name, problems)
    service = ServicePlan(
        name="echo",
        namespace="default",
        addresses=tuple(echo),
        port=80,
        target_port=8080,
        endpoints=tuple(pod.name for node in nodes for pod in node.pods if pod.actor),
    )
    return (service,), tuple(dns)
