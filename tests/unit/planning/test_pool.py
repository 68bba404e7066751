"""Several clusters out of one pool: IPv6 is unique, IPv4 need not be."""

from dataclasses import replace
from ipaddress import IPv6Network, ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.problem import InvalidInputError
from dataplane.planning import clouds
from dataplane.planning.plan import plan
from dataplane.planning.pool import overlaps, share
from dataplane.planning.topology import topology
from tests.unit.planning.shoots import dual, shoot, six, wish
from tests.unit.planning.test_cloud_topologies import FAMILIES, check_addresses, check_ways

POOL = IPv6Network("2001:db8:4000::/34")


def refused(cluster_list, **options):
    with pytest.raises(InvalidInputError) as caught:
        share(cluster_list, **options)
    return [problem.message for problem in caught.value.problems]


def six_networks(made):
    ranges = (*made.node_ranges, *made.pod_ranges, *made.service_ranges)
    return [network for network in ranges if network.version == 6]


@given(
    st.lists(
        st.tuples(st.sampled_from(clouds.names()), st.sampled_from(FAMILIES)),
        min_size=2,
        max_size=4,
    ),
    st.integers(0, 2),
)
def test_clusters_of_one_landscape(kinds, seed):
    clusters = [
        shoot(*families, provider=provider, name=f"shoot-{index}")
        for index, (provider, families) in enumerate(kinds)
    ]
    made = share(clusters, pools=[POOL], seed=seed)
    assert made == share(clusters, pools=[POOL], seed=seed)
    for one, two in combinations(made, 2):
        assert not any(a.overlaps(b) for a in six_networks(one) for b in six_networks(two))
        assert one.servers == two.servers
        assert one.transit.internet == two.transit.internet
    for single in made:
        check_addresses(single)
        check_ways(single)
        for network in six_networks(single):
            unique_local = ip_network("fc00::/7")
            assert network.subnet_of(POOL) or network.subnet_of(unique_local)


def test_ipv4_may_be_the_same_everywhere():
    one, two = share([dual(name="a"), dual(name="b")])
    assert one.node_ranges[0] == two.node_ranges[0] == ip_network("10.250.0.0/16")
    assert one.pods[0].addresses[0] == two.pods[0].addresses[0]
    assert one.node_ranges[1] != two.node_ranges[1]
    assert topology(one).namespaces == topology(two).namespaces


def test_written_ipv6_ranges_must_be_disjoint():
    a = six(name="a", pods=[wish("2001:db8:1::/48")])
    b = six(name="b", nodes=[wish("2001:db8:1:7::/64")])
    (message,) = refused([a, b])
    assert message == (
        'spec.networking.nodes: Invalid value: "2001:db8:1:7::/64": of b shares addresses with '
        "2001:db8:1::/48 of a; IPv6 ranges must be unique"
    )


def test_what_is_written_stands_before_what_is_chosen():
    chosen = plan(six(name="a")).node_ranges[0]
    writer = six(name="b", nodes=[wish(str(chosen))])
    first, second = share([six(name="a"), writer])
    assert second.node_ranges == (chosen,)
    assert not first.node_ranges[0].overlaps(chosen)


def test_a_pool_has_an_end():
    clusters = [six("aws", name=f"shoot-{index}") for index in range(5)]
    small = [IPv6Network("2001:db8:4000::/54")]
    made = share(clusters[:4], pools=small)
    assert {str(p.node_ranges[0]) for p in made} == {
        "2001:db8:4000::/56",
        "2001:db8:4000:100::/56",
        "2001:db8:4000:200::/56",
        "2001:db8:4000:300::/56",
    }
    assert "no /56 is left in the pool" in refused(clusters, pools=small)[0]


def test_a_name_is_taken_once():
    (message,) = refused([six(name="a"), six(name="a"), six(name="b")])
    assert message == 'metadata.name: Duplicate value: "a"'


def test_overlaps_are_found_in_any_plans():
    made = plan(six(name="a"))
    found = overlaps([made, replace(made, name="b")])
    assert [problem.field for problem in found] == [
        "spec.networking.nodes",
        "spec.networking.pods",
        "spec.networking.services",
    ]
    assert overlaps([made]) == []
