"""Cluster to Plan: every address of the cluster and its surroundings. Same input, same plan."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

from dataplane.model.address import Family, family_of
from dataplane.model.cloud import Allocator
from dataplane.model.cluster import Cluster
from dataplane.model.infrastructure import NOTHING_GIVEN, Infrastructure
from dataplane.model.ingress import IngressWish
from dataplane.model.plan import (
    ClatPlacement,
    ClatPlan,
    DefaultRoutes,
    Exposure,
    Nat64Placement,
    Neighbours,
    NodeAddresses,
    Plan,
)
from dataplane.model.problem import InvalidInputError, Problem, Source
from dataplane.planning import budget, clouds, flags, leases, names, resolved
from dataplane.planning.egress import egress as egress_of
from dataplane.planning.ingress import ingress as ingress_of
from dataplane.planning.nodenat64 import on_nodes
from dataplane.planning.policies import policies_of
from dataplane.planning.space import Space
from dataplane.planning.surroundings import Site, site, surroundings, unusable
from dataplane.planning.workload import nodes_of, proxy_of, services_of
from dataplane.rules import rfc6052
from dataplane.rules.fielderror import forbidden, invalid, not_supported, required

CLAT_ADDRESS4 = IPv4Address("192.0.0.2")  # RFC 7335: the host's side of 192.0.0.0/29
CLAT_TRANSLATOR4 = IPv4Address("192.0.0.1")
UNEXPOSED = Exposure()
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
    nat64_place: Nat64Placement | None = Nat64Placement.GATEWAY,
    nat64_prefix: IPv6Network | None = None,
    model: str | None = None,
    allocator: Allocator | None = None,
    infrastructure: Infrastructure = NOTHING_GIVEN,
    ingress: IngressWish | None = None,
    exposure: Exposure = UNEXPOSED,
    neighbours: Neighbours = "permanent",
    default_routes: DefaultRoutes = "static",
    egress_proxy: bool = False,
    node_addresses: NodeAddresses = "static",
) -> Plan:
    """Return the plan of a cluster with that many nodes and pods.

    NAT64, DNS64 and 464XLAT are planned where pods have no IPv4. `nat64_place` tells where NAT64
    sits; with None there is none of the three. `nat64_prefix` replaces the default, which is 64:ff9b:1::/96 (RFC 8215) or, where the manifest uses that itself, a
    network-specific one. `model` is a cloud model (`clouds.names()`), that of the manifest's
    provider by default; `allocator` cuts the pod ranges, by default as keywords and model have it;
    `infrastructure` is what is known beforehand, and goes before what the manifest says of it;
    `ingress` asks for load balancers with both families before the cluster.
    `exposure` is how the echo Service is open to clients outside.
    `egress_proxy` puts a forward proxy with both families beside it.
    `neighbours` and `default_routes` tell what the IPv6 links leave to RFC 4861, `node_addresses` whether
    nodes lease theirs in IPv6 (RFC 8415). Then their default routes are advertised: DHCPv6 has none.
    InvalidInputError lists the ranges that cannot serve.
    """
    _check(cluster, nodes, pods, model)
    if nat64_prefix is not None:
        _check_prefix(cluster.name, nat64_prefix)
    infrastructure = infrastructure.over(cluster.infrastructure)
    space = _space(cluster, infrastructure)
    if nat64_prefix is not None:
        space.take(nat64_prefix)
    landscape = infrastructure.landscape or cluster.name
    around = site(space, landscape)
    request = clouds.Request(
        cluster=cluster,
        nodes=nodes,
        seed=seed,
        space=space,
        allocator=allocator,
        infrastructure=infrastructure,
    )
    addressing = clouds.model(model or cluster.provider).assign(request)
    for network in infrastructure.occupied:
        if network.version == 4:  # IPv4 ranges may be everybody's, but not the surroundings', too
            space.take(network)
    carried = tuple(
        family
        for family in _ordered(cluster)
        if any(family_of(net) is family for net in addressing.node_ranges + addressing.pod_ranges)
    )
    without_ipv4 = all(wish.family is Family.IPV6 for wish in cluster.pods)
    has_nat64 = without_ipv4 and nat64_place is not None
    outside = surroundings(space, around, name=landscape, families=carried, translating=has_nat64)
    nat64 = outside.nat64
    if nat64 is not None and nat64_prefix is not None:
        nat64 = replace(nat64, prefix=nat64_prefix)
    clat_plan = None
    if nat64 is not None and clat is not None:
        _check_clat(cluster, clat)
        clat_plan = ClatPlan(placement=clat, address4=CLAT_ADDRESS4, translator4=CLAT_TRANSLATOR4)
    node_plans = nodes_of(cluster, addressing, pods=pods, clat=clat_plan)
    if nat64_place is Nat64Placement.NODE:
        nat64 = on_nodes(cluster.name, nat64, node_plans)
    services, dns = services_of(
        cluster,
        addressing.service_ranges,
        node_plans,
        exposure=exposure,
        balancer=outside.balancer,
    )
    made = Plan(
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
        cloud=addressing.cloud,
        pools=addressing.pools,
        budgets=budget.budgets(addressing.vm_prefix, flat=infrastructure.flat),
        resolved=resolved.resolve(cluster, addressing),
        advice=addressing.advice,
        proxy=proxy_of(addressing.pod_ranges, mode=cluster.proxy_mode),
        dns_records=names.api_server(cluster, outside.api_server),
        neighbours=neighbours,
        default_routes=default_routes,
        policies=policies_of(cluster),
        blocked=cluster.blocked,
    )
    if made.policies and (ingress is not None or egress_proxy or exposure != UNEXPOSED):
        raise InvalidInputError(cluster.name, [_unexposed()])
    if node_addresses == "leased":
        made = replace(made, leases=leases.leases(made), default_routes="advertised")
    made = _with_ways(made, (space, around), ingress=ingress, egress_proxy=egress_proxy)
    return replace(made, components=flags.components(made))


def _with_ways(
    made: Plan, room: tuple[Space, Site], *, ingress: IngressWish | None, egress_proxy: bool
) -> Plan:
    """Return a plan with its ways in and out that are no routers: balancers and a proxy."""
    space, around = room
    if ingress is not None and made.cloud.routers:
        detail = "is not built where a cloud has a router for each subnet"
        remedy = "leave it out, or choose another cloud model (`cloud`)"
        problem = invalid("ingress", "", detail, source=Source.SIXSCOPE, remedy=remedy)
        raise InvalidInputError(made.name, [problem])
    if ingress is not None:
        made = replace(made, ingress=ingress_of(made, ingress, space, around))
    if egress_proxy:
        made = replace(made, egress=egress_of(made, space, around))
    return made


def _space(cluster: Cluster, infrastructure: Infrastructure) -> Space:
    """Return the space in which everything is already taken that somebody has decided."""
    space = Space()
    for wish in (*cluster.nodes, *cluster.pods, *cluster.services):
        if wish.network is not None:
            space.take(wish.network)
    if infrastructure.prefix is not None:
        space.take(infrastructure.prefix)
    for network in infrastructure.occupied:
        if network.version == 6:
            space.take(network)
    return space


def _check(cluster: Cluster, nodes: int, pods: int, model: str | None) -> None:
    problems: list[Problem] = []
    if model is not None and model not in clouds.names():
        remedy = "choose one of these, or leave it to spec.provider.type"
        source = Source.SIXSCOPE
        problem = not_supported("cloud", model, clouds.names(), source=source, remedy=remedy)
        problems.append(problem)
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


def _unexposed() -> Problem:
    """Refuse ways in and proxies beside policies: whose packets they pass on is not a policy's to say."""
    detail = "policies are not judged for what comes in from outside, or goes out by a proxy"
    remedy = "leave out either the NetworkPolicies, or ingress, the proxy and the Service's type"
    return forbidden("policy", detail, source=Source.SIXSCOPE, remedy=remedy)


def _ordered(cluster: Cluster) -> tuple[Family, ...]:
    """Return both families, the cluster's own first and in its order."""
    return tuple(dict.fromkeys((*cluster.families, *Family)))
