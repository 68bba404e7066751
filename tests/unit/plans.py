"""Plans for tests whose addresses can be written down, and the taps that a topology gives them."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import count

from dataplane.model.address import Family
from dataplane.model.cloud import RoutePlan
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.plan import (
    ClatPlacement,
    Nat64Placement,
    Nat64Plan,
    NeighbourPlan,
    NodePlan,
    Plan,
    PodPlan,
    ServerPlan,
)
from dataplane.model.topology import Point, Tap
from dataplane.planning.plan import plan as make_plan

NAT64 = Nat64Plan(
    prefix=IPv6Network("64:ff9b:1::/96"),
    pool4=IPv4Network("198.18.0.0/16"),
    translator4=IPv4Address("198.18.0.1"),
    translator6=IPv6Address("2001:db8:f1::64"),
    public4=IPv4Address("203.0.113.2"),
)
SERVERS = (
    ServerPlan(
        name="server-v4",
        dns_name="v4only.internet.test",
        addresses=(IPv4Address("198.51.100.4"),),
    ),
    ServerPlan(
        name="server-v6",
        dns_name="v6only.internet.test",
        addresses=(IPv6Address("2001:db8:f2::4006"),),
    ),
    ServerPlan(
        name="server-dual",
        dns_name="dual.internet.test",
        addresses=(IPv6Address("2001:db8:f2::4046"), IPv4Address("198.51.100.46")),
    ),
)


def six_only(**options) -> Plan:
    """Return the plan of an IPv6-only cluster with NAT64, DNS64 and 464XLAT."""
    plan = make_plan(_cluster("six-only", Family.IPV6), **options)
    return replace(plan, servers=SERVERS, nat64=NAT64)


def node_nat64(**options) -> Plan:
    """Return the plan of an IPv6-only cluster whose nodes have IPv4, and a NAT64 each."""
    cluster = _cluster("node-nat64", Family.IPV6)
    both = _cluster("node-nat64", Family.IPV6, Family.IPV4)
    plan = make_plan(replace(cluster, nodes=both.nodes), nat64_place=Nat64Placement.NODE, **options)
    nodes = tuple(
        replace(each, pool4=part, translator4=part[1])
        for each, part in zip(plan.nat64.nodes, NAT64.pool4.subnets(1), strict=True)
    )
    return replace(plan, servers=SERVERS, nat64=replace(NAT64, nodes=nodes))


def dual_stack(first: Family = Family.IPV4, **options) -> Plan:
    """Return the plan of a dual-stack cluster."""
    return replace(
        make_plan(_cluster("dual-stack", first, first.other), **options), servers=SERVERS
    )


def with_neighbour(plan: Plan) -> Plan:
    """Return a plan with a second cluster beside it, which has IPv4 addresses of the first one."""
    fours = [a for a in (plan.nodes[0].addresses[-1:] + plan.pods[0].addresses) if a.version == 4]
    four = tuple(fours[:1])
    pod = PodPlan(
        name="other-pod-a",
        node="other-node-0",
        addresses=(IPv6Address("2001:db8:a:1::2"), *four),
        actor=True,
    )
    node = NodePlan(
        name="other-node-0",
        addresses=(IPv6Address("2001:db8:9::10"),),
        pod_prefixes=(IPv6Network("2001:db8:a:1::/64"),),
        pods=(pod,),
    )
    neighbour = NeighbourPlan(
        name="other",
        router="other-fabric",
        address=IPv6Address("2001:db8:f0::2"),
        node_ranges=(IPv6Network("2001:db8:9::/64"),),
        pod_ranges=(IPv6Network("2001:db8:a::/48"),),
        nodes=(node,),
    )
    return replace(plan, neighbour=neighbour)


def routed(plan: Plan) -> Plan:
    """Return a plan whose IPv6 Services the fabric leads to the first node, on purpose."""
    node = plan.nodes[0].address(Family.IPV6)
    routes = tuple(
        RoutePlan(table="fabric", destination=network, target="any node (ECMP)", via=node)
        for network in plan.service_ranges
        if network.version == 6
    )
    return replace(plan, cloud=replace(plan.cloud, routes=routes))


def _cluster(name: str, *families: Family) -> Cluster:
    def wishes(four: str, six: str) -> tuple[RangeWish, ...]:
        text = {Family.IPV4: IPv4Network(four), Family.IPV6: IPv6Network(six)}
        return tuple(
            RangeWish(family=family, strategy=Strategy.CIDR, network=text[family])
            for family in families
        )

    return Cluster(
        name=name,
        families=families,
        nodes=wishes("10.0.2.0/24", "2001:db8:1::/48"),
        pods=wishes("10.1.0.0/16", "2001:db8:2::/48"),
        services=wishes("10.0.3.0/24", "2001:db8:3::/48"),
    )


def taps_of(plan: Plan, *, without_clat: Iterable[str] = ()) -> tuple[Tap, ...]:
    """Return the taps of a plan, as a topology has them."""
    index = count(1000)
    taps = []

    def tap(name: str, point: Point, owner: str, namespace: str, layer: int = 2) -> None:
        taps.append(
            Tap(
                name=name,
                namespace=namespace,
                interface=point.value,
                index=next(index),
                point=point,
                owner=owner,
                leaving_is_ingress=point is Point.POD,
                layer=layer,
            )
        )

    if plan.nat64 and not plan.nat64.nodes:
        tap("gateway-nat64", Point.TRANSLATOR, "gateway", "gateway", 3)
    tap("gateway-edge", Point.EDGE, "gateway", "gateway")
    in_pod = plan.clat is not None and plan.clat.placement is ClatPlacement.POD
    neighbours = plan.neighbour.nodes if plan.neighbour else ()
    for node in (*plan.nodes, *neighbours):
        tap(node.name, Point.UPLINK, node.name, node.name)
        if plan.nat64 and plan.nat64.on_node(node.name):
            tap(f"{node.name}-nat64", Point.TRANSLATOR, node.name, node.name, 3)
        if plan.clat and not in_pod:
            tap(f"{node.name}-clat", Point.CLAT, node.name, node.name, 3)
        for pod in node.pods:
            tap(pod.name, Point.POD, pod.name, node.name)
            if in_pod and pod.clat_address and pod.name not in set(without_clat):
                tap(f"{pod.name}-clat", Point.CLAT, pod.name, pod.name, 3)
    return tuple(taps)
