"""Plans: allocation, surroundings that give way, and ranges that cannot serve."""

from ipaddress import IPv6Network, ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings

from dataplane.model.address import Family
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.plan import ClatPlacement
from dataplane.model.problem import InvalidInputError
from dataplane.planning import clouds
from dataplane.planning.plan import plan
from dataplane.planning.workload import pod_name
from dataplane.rules import rfc4193
from tests.unit.planning.clusters import clusters, networking
from tests.unit.planning.test_topology import OPTIONS, possible

V4, V6 = Family.IPV4, Family.IPV6


def six(nodes="2001:db8:2::/48", pods="2001:db8:1::/48", services="2001:db8:3::/112", **more):
    return networking(
        type="calico", nodes=nodes, pods=pods, services=services, ipFamilies="[IPv6]", **more
    )


def refused(cluster, **options):
    with pytest.raises(InvalidInputError) as caught:
        plan(cluster, **options)
    return [problem.message for problem in caught.value.problems]


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_every_address_is_somebodys_alone(cluster, options):
    made = possible(cluster, options)
    addresses = [a for node in made.nodes for a in node.addresses]
    addresses += [a for pod in made.pods for a in pod.addresses]
    clat = [pod.clat_address for pod in made.pods if pod.clat_address]
    in_pod = made.clat is not None and made.clat.placement is ClatPlacement.POD
    addresses += clat if in_pod else set(clat)
    addresses += [a for service in made.services for a in service.addresses]
    addresses += [*made.dns_addresses, *made.resolver]
    addresses += [a for server in made.servers for a in server.addresses]
    transit = made.transit
    addresses += [*transit.fabric, *transit.edge, *transit.internet]
    if made.nat64:
        addresses += [made.nat64.translator4, made.nat64.translator6]
        assert not any(a in made.nat64.prefix for a in addresses)
        assert made.nat64.public4 in transit.edge
    assert len(set(addresses)) == len(addresses)
    ranges = (*made.node_ranges, *made.pod_ranges, *made.service_ranges)
    outside = [*made.resolver, *transit.fabric, *transit.edge, *transit.internet]
    outside += [a for server in made.servers for a in server.addresses]
    assert not any(address in network for address in outside for network in ranges)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_every_address_is_where_it_belongs(cluster, options):
    made = possible(cluster, options)
    prefixes = [prefix for node in made.nodes for prefix in node.pod_prefixes]
    for one in prefixes:
        assert sum(one.version == other.version and one.overlaps(other) for other in prefixes) == 1
        assert any(one.version == r.version and one.subnet_of(r) for r in made.pod_ranges)
    for node in made.nodes:
        for address in node.addresses:
            assert any(address in network for network in made.node_ranges)
            assert not any(address in prefix for prefix in prefixes)
        for pod in node.pods:
            assert pod.node == node.name
            assert len(pod.addresses) == len(node.pod_prefixes)
            for address, prefix in zip(pod.addresses, node.pod_prefixes, strict=True):
                assert address in prefix
                assert int(address) - int(prefix[0]) >= 2
                assert node.clat_prefix is None or address not in node.clat_prefix
                assert address.version == 6 or address != prefix[-1]
            assert (pod.clat_address is not None) is (made.clat is not None and pod.actor)
            assert pod.clat_address is None or pod.clat_address in node.clat_prefix
    for service in made.services:
        for address, network in zip(service.addresses, made.service_ranges, strict=True):
            assert address in network
    assert len(made.pods) == options["pods"]
    assert len(made.actors) == sum(min(2, len(node.pods)) for node in made.nodes[:2])
    assert (made.nat64 is None) is (V4 in made.families)


def test_pod_names():
    names = [pod_name(index) for index in (0, 25, 26, 27, 51, 52, 701, 702)]
    assert names == [f"pod-{x}" for x in ("a", "z", "aa", "ab", "az", "ba", "zz", "aaa")]


def test_pods_are_dealt_in_blocks():
    made = plan(six(), nodes=3, pods=7)
    dealt = [[pod.name[4:] for pod in node.pods] for node in made.nodes]
    assert dealt == [["a", "b", "c"], ["d", "e"], ["f", "g"]]
    assert [pod.name for pod in made.actors] == ["pod-a", "pod-b", "pod-d", "pod-e"]


def test_the_documented_offsets():
    made = plan(six())
    node = made.nodes[1]
    assert [str(p) for p in node.pod_prefixes] == ["2001:db8:1:1::/64"]
    assert str(node.clat_prefix) == "2001:db8:1:1:c000::/66"
    assert [str(pod.addresses[0]) for pod in node.pods] == ["2001:db8:1:1::2", "2001:db8:1:1::3"]
    assert str(node.pods[0].clat_address) == "2001:db8:1:1:c000::2"
    assert made.dns_addresses == (ip_address("2001:db8:3::a"),)
    on_node = plan(six(), clat=ClatPlacement.NODE)
    assert str(on_node.nodes[1].pods[0].clat_address) == "2001:db8:1:1:c000::1"


def test_the_default_nat64_prefix_is_the_local_use_one_and_gives_way_to_the_manifest():
    assert plan(six()).nat64.prefix == ip_network("64:ff9b:1::/96")
    taken = plan(six(services="64:ff9b:1::/48")).nat64.prefix
    assert not taken.overlaps(ip_network("64:ff9b:1::/48"))


def test_a_chosen_nat64_prefix():
    chosen = IPv6Network("2001:db8:64::/96")
    made = plan(six(), nat64_prefix=chosen)
    assert made.nat64.prefix == chosen
    assert "RFC 6052 section 3.1" in refused(six(), nat64_prefix=IPv6Network("64:ff9b::/96"))[0]
    assert "length must be one of" in refused(six(), nat64_prefix=IPv6Network("2001:db8::/80"))[0]
    local = IPv6Network("64:ff9b:1:2::/96")
    assert plan(six(), nat64_prefix=local).nat64.prefix == local


def test_surroundings_give_way_to_the_manifest():
    made = plan(six(pods="2001:db8::/48", nodes="2001:db8:f0::/44", services="64:ff9b:1::/112"))
    assert made.resolver[0] not in ip_network("2001:db8:f0::/44")
    everything = Cluster(
        name="greedy",
        families=(V6,),
        nodes=(RangeWish(family=V6, strategy=Strategy.CIDR, network=ip_network("2001:db8::/32")),),
        pods=(RangeWish(family=V6, strategy=Strategy.CIDR, network=ip_network("3fff::/20")),),
        services=(RangeWish(family=V6, strategy=Strategy.V6_PRIVATE, size=48),),
        node_mask_size={V6: 36},
    )
    made = plan(everything)
    assert made.resolver[0] in rfc4193.LOCALLY_ASSIGNED
    four = networking(nodes="198.51.100.0/24", pods="203.0.0.0/16", services="192.0.2.0/24")
    made = plan(four)
    assert made.servers[0].addresses[0] in ip_network("198.18.0.0/15")


def test_nodes_pods_and_services_may_share_a_range_in_ipv6():
    made = plan(six(nodes="2001:db8::/56", pods="2001:db8::/56", services="2001:db8::10:0/108"))
    assert [str(node.pod_prefixes[0]) for node in made.nodes] == [
        "2001:db8:0:1::/64",
        "2001:db8:0:2::/64",
    ]
    inside = plan(six(nodes="2001:db8::/64", pods="2001:db8:1::/56", services="2001:db8::/122"))
    assert [str(node.addresses[0]) for node in inside.nodes] == ["2001:db8::40", "2001:db8::41"]


def test_keyword_ranges_depend_on_name_and_seed():
    cluster = networking(nodes="v6global/64+prefix/96", pods="v6fromNode", services="v6private")
    ranges = {plan(cluster, seed=seed).node_ranges for seed in range(5)}
    assert len(ranges) == 5
    assert all(n.subnet_of(ip_network("2001:db8::/32")) for (n,) in ranges)
    made = plan(cluster)
    assert made.pod_ranges == made.node_ranges
    assert {p.prefixlen for node in made.nodes for p in node.pod_prefixes} == {96}
    assert made.service_ranges[0].prefixlen == 112
    assert made.service_ranges[0].subnet_of(rfc4193.LOCALLY_ASSIGNED)


def test_a_part_of_the_nodes_prefix():
    cluster = networking(nodes="v6global/64+prefix/80", pods="v6fromNode/112", services="v6global")
    made = plan(cluster, nodes=3)
    for index, node in enumerate(made.nodes):
        (prefix,) = node.pod_prefixes
        assert prefix.prefixlen == 112
        start = int(prefix[0]) - int(made.node_ranges[0][0])
        assert start == (index + 1) << 48


def test_nodes_alone_with_ipv4_keep_the_translator():
    cluster = networking(
        type="calico",
        ipFamilies="[IPv6]",
        nodes="v4private,v6global",
        pods="v6global/56",
        services="v6global",
    )
    made = plan(cluster)
    assert made.nat64 is not None
    assert made.nodes[0].address(V4) is not None
    assert made.pods[0].address(V4) is None
    assert "would take their default route" in refused(cluster, clat=ClatPlacement.NODE)[0]


@pytest.mark.parametrize(
    ("cluster", "options", "message"),
    [
        (six(pods="2001:db8:1::/64"), {}, "there are no remaining CIDRs left to allocate"),
        (six(nodes="2001:db8:2::/123"), {"nodes": 20}, "no room for 20 node addresses"),
        (six(nodes="2001:db8:3::/120"), {}, "beside the Services (2001:db8:3::/112)"),
        (six(services="2001:db8:1::/48"), {}, "no pod prefix is left: the Services have"),
        (six(), {"nodes": 0}, "must be between 1 and 1000"),
        (six(), {"pods": 0}, "must be between 1 and 5000"),
        (
            networking(nodes="10.1.0.0/16", pods="10.2.0.0/16", services="10.3.0.0/16"),
            {"nodes": 1, "pods": 254},
            "has room for 253 pods, not for 254",
        ),
        (
            six(nodes="fe80::/64"),
            {},
            "shares addresses with fe80::/10, which no interface can carry",
        ),
        (six(pods="::/48"), {}, "shares addresses with ::/96"),
        (
            networking(nodes="127.0.0.0/16", pods="10.2.0.0/16", services="10.3.0.0/16"),
            {},
            "shares addresses with 127.0.0.0/8",
        ),
        (
            networking(nodes="v6global/64+prefix/66", pods="v6fromNode", services="v6global"),
            {"nodes": 4},
            "there are no remaining CIDRs left to allocate",
        ),
    ],
)
def test_ranges_that_cannot_serve(cluster, options, message):
    found = refused(cluster, **options)
    assert message in found[0]
    assert found[0].startswith(("spec.networking.", "nodes: ", "pods: "))


def test_all_refusals_come_at_once():
    assert len(refused(six(nodes="fe80::/64", pods="ff00::/48"), nodes=0)) == 3


def test_a_workerless_shoot_has_no_dataplane():
    cluster = Cluster(name="w", families=(V4,), nodes=(), pods=(), services=())
    assert "a workerless Shoot has no dataplane" in refused(cluster)[0]


def test_a_cloud_without_a_model_is_planned_as_local():
    assert "local" in clouds.names()
    assert clouds.model("no-such-cloud") is clouds.model("local")
