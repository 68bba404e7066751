"""Allocators: who sets PodCIDRs, how blocks are cut, and what nodeipam's 16 bits say."""

from ipaddress import ip_network

import pytest

from dataplane.model.cloud import Allocator, PoolRule
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import InvalidInputError, Source
from dataplane.planning import allocators
from dataplane.planning.plan import plan
from dataplane.rules.nodeipam import CidrSetError
from tests.unit.planning.shoots import V4, V6, dual, four, refused, six, texts, wish

POD_RANGE = [wish("2001:db8:1::/56")]


def prefixes(made):
    return [texts(node.pod_prefixes) for node in made.nodes]


@pytest.mark.parametrize(
    ("network", "mask", "rule", "bits"),
    [
        ("2001:db8::/48", 64, PoolRule.AT_THE_LIMIT, 16),
        ("2001:db8::/48", 65, PoolRule.TOO_LARGE, 17),
        ("2001:db8::/64", 80, PoolRule.AT_THE_LIMIT, 16),
        ("2001:db8::/64", 96, PoolRule.TOO_LARGE, 32),
        ("2001:db8::/66", 112, PoolRule.TOO_LARGE, 46),
        ("2001:db8::/66", 82, PoolRule.AT_THE_LIMIT, 16),
        ("2001:db8::/96", 112, PoolRule.AT_THE_LIMIT, 16),
        ("2001:db8::/56", 64, PoolRule.FITS, 8),
        ("10.0.0.0/8", 28, PoolRule.NOT_APPLIED, 20),
    ],
)
def test_the_16_bit_rule(network, mask, rule, bits):
    pool = allocators.pool(ip_network(network), mask, Allocator.RANGE, "kube-controller-manager")
    assert (pool.rule, pool.bits) == (rule, bits)
    for other in (Allocator.CLOUD, Allocator.EXTERNAL, Allocator.CNI):
        free = allocators.pool(ip_network(network), mask, other, "x")
        assert free.rule is PoolRule.NOT_APPLIED


def test_the_rule_is_nodeipams():
    for length, mask in ((48, 65), (64, 96), (66, 112)):
        with pytest.raises(CidrSetError, match="the node CIDR size is too big"):
            allocators.ranged(ip_network(f"2001:db8::/{length}"), mask, 1, ())
    assert len(allocators.ranged(ip_network("2001:db8::/48"), 64, 3, ())) == 3


def test_ipv4_blocks_from_first_to_last():
    pods = ip_network("100.96.0.0/11")
    blocks = allocators.ranged(pods, 24, 8192, ())
    assert (str(blocks[0]), str(blocks[-1])) == ("100.96.0.0/24", "100.127.255.0/24")
    with pytest.raises(CidrSetError, match="no remaining CIDRs left"):
        allocators.ranged(pods, 24, 8193, ())


def test_blocks_in_order_leave_out_what_is_used():
    pods = ip_network("2001:db8::/64")
    used = [ip_network("2001:db8:0:0:1::/80")]
    assert texts(allocators.in_order(pods, 80, 3, used)) == [
        "2001:db8::/80",
        "2001:db8:0:0:2::/80",
        "2001:db8:0:0:3::/80",
    ]
    assert texts(allocators.in_order(pods, 112, 1, (), start=65536)) == ["2001:db8::1:0:0/112"]
    with pytest.raises(CidrSetError, match="does not fit"):
        allocators.in_order(pods, 63, 1, ())
    with pytest.raises(CidrSetError, match="no remaining"):
        allocators.in_order(ip_network("2001:db8::/126"), 128, 5, ())


@pytest.mark.parametrize(
    ("allocator", "setter", "words"),
    [
        (Allocator.RANGE, "kube-controller-manager", "(RangeAllocator) sets podCIDRs"),
        (Allocator.CLOUD, "kube-controller-manager", "that the infrastructure routes to a node"),
        (Allocator.EXTERNAL, "another controller", "not given, so taken in order"),
        (Allocator.CNI, "calico", "takes blocks of /122 by itself"),
    ],
)
def test_a_plan_says_who_sets_pod_cidrs(allocator, setter, words):
    (pool,) = plan(six(pods=POD_RANGE), allocator=allocator).pools
    assert (pool.allocator, pool.setter) == (allocator, setter)
    assert words in pool.explanation
    assert setter in pool.explanation


def test_what_the_allocators_give():
    cluster = dual(pods=POD_RANGE)
    assert prefixes(plan(cluster)) == [
        ["100.96.0.0/24", "2001:db8:1::/64"],
        ["100.96.1.0/24", "2001:db8:1:1::/64"],
    ]
    assert prefixes(plan(cluster, allocator=Allocator.CNI)) == [
        ["100.96.0.0/26", "2001:db8:1::/122"],
        ["100.96.0.64/26", "2001:db8:1::40/122"],
    ]
    assert prefixes(plan(cluster, allocator=Allocator.CLOUD)) == prefixes(plan(cluster))


def test_the_cloud_allocator_has_no_limit_of_bits():
    cluster = six(pods=[wish("2001:db8:1::/48")], masks={V6: 80})
    assert "the node CIDR size is too big" in refused(cluster)[0]
    made = plan(cluster, allocator=Allocator.CLOUD)
    assert prefixes(made) == [["2001:db8:1::/80"], ["2001:db8:1:0:1::/80"]]
    assert "RangeAllocator could not do it" in made.pools[0].explanation


def test_custom_is_the_network_plugins():
    cluster = dual(pods=[wish("custom")])
    made = plan(cluster)
    assert [pool.setter for pool in made.pools] == ["kube-controller-manager", "calico"]
    assert made.pools[1].mask_size == 122


def test_the_prefix_of_the_node_is_the_clouds():
    nodes, pods = [wish("v6global", size=64, node_prefix=96)], [wish("v6fromNode")]
    cluster = six(nodes=nodes, pods=pods)
    assert plan(cluster).pools[0].allocator is Allocator.CLOUD
    assert plan(cluster, allocator=Allocator.EXTERNAL).pools[0].setter == "another controller"
    for allocator in (Allocator.RANGE, Allocator.CNI):
        (message,) = refused(cluster, allocator=allocator)
        assert f"the allocator {allocator} does not know the prefix of a node" in message


def external(*cidrs):
    return Infrastructure(pod_cidrs=tuple(tuple(ip_network(text) for text in own) for own in cidrs))


def test_pod_cidrs_of_another_controller_are_taken_as_they_are():
    given = external(["2001:db8:1:7::/64"], ["2001:db8:1:3::/72"])
    made = plan(six(pods=POD_RANGE), allocator=Allocator.EXTERNAL, infrastructure=given)
    assert prefixes(made) == [["2001:db8:1:7::/64"], ["2001:db8:1:3::/72"]]
    assert "they are given, and only checked" in made.pools[0].explanation


@pytest.mark.parametrize(
    ("cidrs", "message"),
    [
        ([["2001:db8:1::/64"]], "PodCIDRs of 1 nodes are given, for 2 nodes"),
        ([["2001:db8:1::/64"], []], "node-1 has 0 IPv6 CIDRs, not one"),
        ([["2001:db8:1::/64"], ["2001:db8:2::/64"]], "node-1: must be a subset of the pod range"),
        ([["2001:db8:1::/64"], ["2001:db8:1::/80"]], "shares addresses with 2001:db8:1::/64"),
        (
            [["2001:db8:1::/64", "10.0.0.0/24"], ["2001:db8:1:1::/64"]],
            "the pods have no IPv4 range",
        ),
    ],
)
def test_pod_cidrs_of_another_controller_are_checked(cidrs, message):
    found = refused(
        six(pods=POD_RANGE), allocator=Allocator.EXTERNAL, infrastructure=external(*cidrs)
    )
    assert any(message in text for text in found), found


def test_pod_cidrs_stay_away_from_services_and_nodes():
    cluster = six(pods=POD_RANGE, services=[wish("2001:db8:1:5::/112")])
    given = external(["2001:db8:1:5::/64"], ["2001:db8:1:6::/64"])
    found = refused(cluster, allocator=Allocator.EXTERNAL, infrastructure=given)
    assert "node-0: shares addresses with 2001:db8:1:5::/112, in use already" in found[0]


def test_given_pod_cidrs_need_the_allocator_that_checks_them():
    given = external(["2001:db8:1::/64"], ["2001:db8:1:1::/64"])
    (message,) = refused(six(pods=POD_RANGE), infrastructure=given)
    assert "PodCIDRs are given, but the allocator is range" in message


def test_range_allocators_errors_are_kubernetes():
    with pytest.raises(InvalidInputError) as caught:
        plan(six(pods=[wish("2001:db8:1::/63")]), nodes=3)
    (problem,) = caught.value.problems
    assert problem.source is Source.KUBERNETES
    assert "there are no remaining CIDRs left to allocate in the accepted range" in problem.message


def test_a_pool_of_16_bits_is_advised_against():
    made = plan(six(pods=[wish("2001:db8:1::/48")]))
    (advice,) = made.advice
    assert advice.source is Source.SEED
    assert "is a pool of 16 bits, the most that nodeipam takes" in advice.message
    assert plan(six(pods=[wish("2001:db8:1::/49")])).advice == ()
    assert plan(four()).pools[0].family is V4
