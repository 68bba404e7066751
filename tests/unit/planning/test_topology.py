"""Topologies: every packet finds its way on paper, and nothing ever has to be asked for."""

from dataclasses import replace
from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from dataplane.model.address import family_of
from dataplane.model.plan import ClatPlacement
from dataplane.model.problem import InvalidInputError
from dataplane.model.topology import Point, Role
from dataplane.planning.plan import plan
from dataplane.planning.topology import POD_IPV4, topology
from dataplane.planning.wiring import interface_name
from dataplane.rules import rfc6052
from tests.unit.planning.clusters import clusters, networking
from tests.unit.planning.forwarding import Paper, is_host_route

OPTIONS = st.fixed_dictionaries(
    {
        "nodes": st.integers(1, 5),
        "pods": st.integers(1, 12),
        "seed": st.integers(0, 3),
        "engine": st.sampled_from(["tayga", "none"]),
        "clat": st.sampled_from([None, *ClatPlacement]),
    }
)
SIX = {
    "type": "calico",
    "nodes": "v6global/64+prefix/96",
    "pods": "v6fromNode",
    "services": "v6global",
}
DUAL = {
    "type": "calico",
    "nodes": "v4private,v6global",
    "pods": "v4private,v6global",
    "services": "v4private,v6private",
}


def possible(cluster, options):
    """Return the plan, or drop the example when its ranges are (rightly) refused."""
    try:
        return plan(cluster, **options)
    except InvalidInputError as error:
        problems = error.problems
    assert problems
    assert all(problem.remedy and problem.message for problem in problems)
    return reject()


def pairs(made):
    """Yield (from, to) of everything that must be reachable natively."""
    hosts = [(p.name, a) for p in made.pods for a in p.addresses]
    hosts += [(n.name, a) for n in made.nodes for a in n.addresses]
    for name, address in hosts:
        for other, target in hosts:
            if name != other and target.version == address.version:
                yield name, other, target
        for target in made.resolver:
            if target.version == address.version:
                yield name, "gateway", target
        for server in made.servers:
            for target in server.addresses:
                if target.version == address.version:
                    yield name, server.name, target
                    if target.version == 6:
                        yield server.name, name, address


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_every_packet_finds_its_way(cluster, options):
    made = possible(cluster, options)
    paper = Paper(topology(made))
    for start, end, target in pairs(made):
        assert paper.way(start, target)[-1] == end, (start, end, target)
    if made.nat64 is not None:
        translator = ("gateway", "nat64")
        for pod in made.pods:
            for server in made.servers:
                for address in server.addresses:
                    if address.version == 4:
                        mapped = rfc6052.embed(made.nat64.prefix, address)
                        assert paper.way(pod.name, mapped)[-1] == translator
                        assert paper.way("gateway", address)[-1] == server.name
        assert paper.way("gateway", made.nat64.pool4[300])[-1] == translator
        assert paper.way("internet", made.nat64.public4)[-1] == "gateway"
        assert paper.way(made.pods[0].name, made.nat64.translator6)[-1] in ("gateway", translator)
    for address in (*made.transit.fabric, *made.resolver):
        if address.version == 6:
            assert paper.way("server-v6", address)[-1] in {"gateway", "fabric"}


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_nothing_is_resolved_and_nothing_is_told_twice(cluster, options):
    made = possible(cluster, options)
    built = topology(made)
    ends = [end for link in built.links for end in (link.a, link.b)]
    indexes = [end.index for end in ends] + [spec.index for spec in built.translators]
    assert len(set(indexes)) == len(indexes)
    assert min(indexes) >= 1000
    assert len({end.mac for end in ends}) == len(ends)
    assert all(int(end.mac[:2], 16) & 3 == 2 for end in ends)
    assert all(0 < len(end.interface) <= 15 for end in ends)
    places = [(end.namespace, end.interface) for end in ends]
    places += [(spec.namespace, spec.interface) for spec in built.translators]
    assert len(set(places)) == len(places)
    assert {namespace for namespace, _ in places} == {n.name for n in built.namespaces}
    devices = {(spec.namespace, spec.interface) for spec in built.translators}
    known = {(n.namespace, n.interface, n.address) for n in built.neighbours}
    for route in built.routes:
        place = (route.namespace, route.interface)
        assert place in places
        if route.via is not None:
            assert (*place, route.via) in known
        elif place not in devices:
            assert is_host_route(route)
            assert (*place, route.destination[0]) in known
    keys = [(r.namespace, r.destination or family_of(r.via)) for r in built.routes]
    assert len(set(keys)) == len(keys), "two routes for one destination"
    assert len(known) == len(built.neighbours)
    owned = [a for end in ends for a in end.addresses if not a.is_link_local or a.version == 4]
    owned = [a for a in owned if not (a.version == 4 and a in POD_IPV4)]
    assert len(set(owned)) == len(owned)
    services = {rule.address for rule in built.services}
    assert services.isdisjoint(owned)
    tapped = {(tap.namespace, tap.interface): tap.index for tap in built.taps}
    numbered = dict(zip(places, indexes, strict=True))
    assert all(numbered[place] == index for place, index in tapped.items())
    assert len({tap.name for tap in built.taps}) == len(built.taps)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_the_same_input_gives_the_same_topology(cluster, options):
    made = possible(cluster, options)
    again = plan(cluster, **options)
    assert again == made
    assert topology(again) == topology(made)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_ipv6_only_means_no_ipv4_inside(cluster, options):
    made = possible(cluster, options)
    assume(all(network.version == 6 for network in made.node_ranges + made.pod_ranges))
    built = topology(made)
    outside = {"gateway", "internet", *(server.name for server in made.servers)}
    clat = {spec.namespace for spec in built.translators if spec.kind == "clat"}
    on_node = made.clat is not None and made.clat.placement is ClatPlacement.NODE
    behind = {p.name for p in made.actors} | {p.node for p in made.actors} if on_node else set()
    for link in built.links:
        for end in (link.a, link.b):
            if end.namespace not in outside | behind:
                assert all(a.version == 6 for a in end.addresses), end
    for route in built.routes:
        version = (route.destination[0] if route.destination else route.via).version
        if version == 4 and route.namespace not in outside | behind:
            assert route.interface == "clat"
            assert route.namespace in clat


def test_the_links_of_a_small_cluster():
    made = plan(networking(**SIX), nodes=2, pods=4)
    built = topology(made)
    ways = [
        (link.a.namespace, link.a.interface, link.b.namespace, link.b.interface)
        for link in built.links
    ]
    assert ways == [
        ("internet", "server-v4", "server-v4", "eth0"),
        ("internet", "server-v6", "server-v6", "eth0"),
        ("internet", "server-dual", "server-dual", "eth0"),
        ("internet", "gateway", "gateway", "edge"),
        ("gateway", "fabric", "fabric", "gateway"),
        ("fabric", "node-0", "node-0", "uplink"),
        ("node-0", "pod-a", "pod-a", "eth0"),
        ("node-0", "pod-b", "pod-b", "eth0"),
        ("fabric", "node-1", "node-1", "uplink"),
        ("node-1", "pod-c", "pod-c", "eth0"),
        ("node-1", "pod-d", "pod-d", "eth0"),
    ]
    routers = {n.name for n in built.namespaces if n.forwarding and n.role is not Role.POD}
    assert routers == {"internet", "gateway", "fabric", "node-0", "node-1"}


def test_what_is_watched():
    built = topology(plan(networking(**SIX), nodes=2, pods=5))
    taps = {tap.name: tap for tap in built.taps}
    assert [taps[n].point for n in ("pod-e", "node-0", "gateway-nat64", "gateway-edge")] == [
        Point.POD,
        Point.UPLINK,
        Point.TRANSLATOR,
        Point.EDGE,
    ]
    assert (taps["pod-a"].namespace, taps["pod-a"].owner) == ("node-0", "pod-a")
    assert {name for name, tap in taps.items() if tap.leaving_is_ingress} == {
        f"pod-{letter}" for letter in "abcde"
    }
    assert {name for name, tap in taps.items() if tap.layer == 3} == {
        "gateway-nat64",
        *(f"pod-{letter}-clat" for letter in "abde"),  # c is idle: the third of node-0
    }
    assert taps["pod-d-clat"].owner == taps["pod-d-clat"].namespace == "pod-d"


def test_a_clat_in_the_pod():
    made = plan(networking(**SIX))
    built = topology(made)
    pod = made.pod("pod-a")
    (clat,) = [spec for spec in built.translators if spec.namespace == "pod-a"]
    assert (clat.kind, clat.address6, clat.prefix) == ("clat", pod.clat_address, made.nat64.prefix)
    (default,) = [r for r in built.routes if r.namespace == "pod-a" and r.source]
    assert (str(default.destination), default.interface) == ("0.0.0.0/0", "clat")
    assert default.source == IPv4Address("192.0.0.2")
    paper = Paper(built)
    assert paper.way("server-v6", pod.clat_address)[-1] == "pod-a"
    assert paper.way("pod-a", made.server("server-v4").addresses[0])[-1] == ("pod-a", "clat")
    assert next(n for n in built.namespaces if n.name == "pod-a").forwarding


def test_a_clat_on_the_node():
    made = plan(networking(**SIX), clat=ClatPlacement.NODE)
    built = topology(made)
    clats = [spec for spec in built.translators if spec.kind == "clat"]
    assert [spec.namespace for spec in clats] == ["node-0", "node-1"]
    assert {pod.clat_address for pod in made.node("node-0").pods} == {clats[0].address6}
    masquerades = {(m.namespace, m.interface): m.sources for m in built.masquerades}
    assert masquerades["node-0", "clat"] == (POD_IPV4,)
    paper = Paper(built)
    literal = made.server("server-v4").addresses[0]
    assert paper.way("pod-b", literal) == ["pod-b", "node-0", ("node-0", "clat")]
    assert all(address.version == 6 for pod in made.pods for address in pod.addresses)
    assert not any(n.forwarding for n in built.namespaces if n.role is Role.POD)


def test_without_a_clat():
    built = topology(plan(networking(**SIX), clat=None))
    assert [spec.kind for spec in built.translators] == ["nat64"]
    assert {tap.point for tap in built.taps} == {
        Point.POD,
        Point.UPLINK,
        Point.TRANSLATOR,
        Point.EDGE,
    }


def test_dual_stack_has_no_translator_but_a_masquerade():
    made = plan(networking(**DUAL))
    built = topology(made)
    assert built.translators == ()
    assert built.resolver.dns64 is None
    assert len(built.resolver.listen) == 2
    (masquerade,) = built.masquerades
    assert (masquerade.namespace, masquerade.interface) == ("gateway", "edge")
    ranges = {n for n in (*made.node_ranges, *made.pod_ranges) if n.version == 4}
    assert set(masquerade.sources) == ranges
    paper = Paper(built)
    for node_range in ranges:
        assert paper.way("internet", node_range[9])[-1] is None  # IPv4 stays inside


def test_names_and_servers():
    made = plan(networking(**SIX))
    built = topology(made)
    names = {(r.name, r.type): r.value for r in built.authority.records}
    assert names["v4only.internet.test", "A"] == "198.51.100.4"
    assert ("v4only.internet.test", "AAAA") not in names
    assert ("v6only.internet.test", "A") not in names
    assert ip_address(names["echo.default.svc.cluster.local", "AAAA"]) in made.service_ranges[0]
    literals = [r.value for r in built.authority.records if r.name == "ipv4only.arpa"]
    assert literals == ["192.0.0.170", "192.0.0.171"]
    assert all(r.name.endswith(built.authority.zones) for r in built.authority.records)
    assert built.resolver.upstream in built.authority.listen
    assert built.resolver.dns64 == made.nat64.prefix
    assert {spec.namespace for spec in built.listeners} == {
        *(pod.name for pod in made.actors),
        "server-v4",
        "server-v6",
        "server-dual",
    }
    rules = {rule.name: rule for rule in built.services}
    assert rules["kube-system/kube-dns"].endpoints == made.resolver
    assert rules["kube-system/kube-dns"].address == made.dns_addresses[0]
    assert rules["default/echo"].endpoints == tuple(p.addresses[0] for p in made.actors)
    assert (rules["default/echo"].port, rules["default/echo"].target_port) == (80, 8080)


@pytest.mark.parametrize("name", ["pod-a", "x" * 15, "x" * 16, "ü" * 40])
def test_interface_names_fit_the_kernel(name):
    made = interface_name(name)
    assert 0 < len(made) <= 15
    assert (made == name) is (len(name) <= 15)
    assert interface_name(name) != interface_name(name + "y" * 16)


def test_many_pods():
    made = plan(networking(**SIX), nodes=10, pods=500)
    built = topology(made)
    assert len(built.namespaces) == 500 + 10 + 6
    assert len([tap for tap in built.taps if tap.point is Point.POD]) == 500
    assert len(built.translators) == 5
    paper = Paper(built)
    assert paper.way("pod-a", made.pods[-1].addresses[0])[-1] == made.pods[-1].name
    assert made.pods[-1].name == "pod-sf"


def test_lower_ends_resolve_their_router_where_the_plan_says_so():
    made = plan(networking(**DUAL), nodes=2, pods=3, neighbours="resolved")

    permanent, resolved = (
        topology(replace(made, neighbours=how)) for how in ("permanent", "resolved")
    )

    lower = {(link.b.namespace, link.b.interface) for link in permanent.links}
    asking = {node.name for node in made.nodes} | {pod.name for pod in made.pods}
    gone = set(permanent.neighbours) - set(resolved.neighbours)
    assert set(resolved.neighbours) < set(permanent.neighbours)
    assert {(n.namespace, n.interface) for n in gone} == {e for e in lower if e[0] in asking}
    assert {n.address for n in gone} == {ip_address("fe80::1")}
    assert (resolved.links, resolved.routes) == (permanent.links, permanent.routes)
    assert resolved.advertisers == ()


def test_nodes_learn_their_ipv6_default_route_where_the_plan_says_so():
    made = plan(networking(**DUAL), nodes=2, pods=3)

    static, learned = (
        topology(replace(made, default_routes=how)) for how in ("static", "advertised")
    )

    nodes = tuple(node.name for node in made.nodes)
    gone = set(static.routes) - set(learned.routes)
    assert {(r.namespace, r.destination, str(r.via)) for r in gone} == {
        (name, None, "fe80::1") for name in nodes
    }
    assert {n.name: n.accept_ra for n in learned.namespaces if n.accept_ra} == dict.fromkeys(
        nodes, 2
    )
    assert {n.accept_ra for n in static.namespaces} == {0}
    (advertiser,) = learned.advertisers
    assert (advertiser.namespace, advertiser.learners) == ("fabric", nodes)
    ends = {(link.a.namespace, link.a.interface) for link in learned.links}
    assert {("fabric", interface) for interface in advertiser.interfaces} <= ends


def test_a_cluster_without_ipv6_leaves_nothing_to_advertise():
    four = {
        "type": "calico",
        "nodes": "10.0.0.0/24",
        "pods": "10.1.0.0/16",
        "services": "10.2.0.0/16",
    }
    made = plan(networking(**four), neighbours="resolved", default_routes="advertised")

    built = topology(made)

    assert built.advertisers == ()
    assert built.neighbours == topology(plan(networking(**four))).neighbours
