"""Node CIDRs, Service addresses and unique local prefixes."""

from ipaddress import IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.address import Family
from dataplane.model.problem import Severity
from dataplane.rules import clusterip, kubernetes, nodeipam, rfc4193
from dataplane.rules.gardener import masks
from dataplane.rules.nodeipam import CidrSet, CidrSetError


@pytest.mark.parametrize(
    ("cluster", "mask", "severity"),
    [  # the pool is mask - cluster bits: at most 16 for nodeipam, below 16 by the proposal
        ("2001:db8::/48", 64, Severity.WARNING),
        ("2001:db8::/48", 63, None),
        ("2001:db8::/48", 65, Severity.ERROR),
        ("2001:db8::/64", 80, Severity.WARNING),
        ("2001:db8::/64", 96, Severity.ERROR),
        ("2001:db8:0:0:4000::/66", 112, Severity.ERROR),
        ("2001:db8:0:0:4000::/66", 82, Severity.WARNING),
        ("2001:db8::/96", 112, Severity.WARNING),
        ("2001:db8::/56", 64, None),
        ("2001:db8::/64", 64, Severity.WARNING),  # one node
        ("2001:db8::/66", 64, Severity.ERROR),
        ("10.0.0.0/7", 24, None),
        ("10.0.0.0/8", 28, None),  # the rule is IPv6's alone
    ],
)
def test_the_sixteen_bit_rule(cluster, mask, severity):
    problems = kubernetes.node_pool("pods", ip_network(cluster, strict=False), mask)
    assert [problem.severity for problem in problems] == ([severity] if severity else [])


def test_too_large_a_pool_is_named_as_kubernetes_names_it():
    with pytest.raises(CidrSetError, match="New CIDR set failed; the node CIDR size is too big"):
        CidrSet(ip_network("2001:db8::/47"), 64)


def test_blocks_are_given_in_order_and_run_out():
    cidrs = CidrSet(ip_network("10.0.0.0/22"), 24)
    assert [str(cidrs.allocate_next()) for _ in range(4)] == [
        "10.0.0.0/24",
        "10.0.1.0/24",
        "10.0.2.0/24",
        "10.0.3.0/24",
    ]
    with pytest.raises(CidrSetError, match="no remaining CIDRs left to allocate"):
        cidrs.allocate_next()


def test_a_released_block_waits_until_the_round_is_over():
    cidrs = CidrSet(ip_network("2001:db8::/62"), 64)
    first, second = cidrs.allocate_next(), cidrs.allocate_next()
    cidrs.release(first)
    assert str(cidrs.allocate_next()) == "2001:db8:0:2::/64"
    cidrs.occupy(ip_network("2001:db8:0:3::5/128"))
    assert cidrs.allocate_next() == first
    assert cidrs.allocated == 4
    cidrs.release(second)
    assert cidrs.allocate_next() == second


def test_what_lies_outside_cannot_be_occupied():
    cidrs = CidrSet(ip_network("10.0.0.0/22"), 24)
    for other in ("10.0.4.0/24", "2001:db8::/64"):
        with pytest.raises(CidrSetError, match="out the range of cluster cidr"):
            cidrs.occupy(ip_network(other))
    cidrs.occupy(ip_network("10.0.0.0/8"))
    assert cidrs.allocated == 4


@given(st.integers(8, 24), st.integers(0, 8), st.data())
def test_a_block_is_where_its_index_says(length, bits, data):
    network = ip_network((10 << 24, length))
    index = data.draw(st.integers(0, 2**bits - 1))
    found = nodeipam.block(network, length + bits, index)
    assert list(network.subnets(prefixlen_diff=bits))[index] == found


def test_a_block_outside_is_an_error():
    with pytest.raises(IndexError):
        nodeipam.block(ip_network("10.0.0.0/24"), 25, 2)


def test_fixed_service_addresses():
    assert clusterip.api_server_address(ip_network("2001:db8:3::/48")) == ip_address(
        "2001:db8:3::1"
    )
    assert clusterip.dns_address(ip_network("100.64.0.0/13")) == ip_address("100.64.0.10")
    with pytest.raises(ValueError, match="no address number"):
        clusterip.at(ip_network("10.0.0.0/30"), 3)  # broadcast
    assert clusterip.at(ip_network("2001:db8::/126"), 3) == ip_address("2001:db8::3")


@pytest.mark.parametrize(
    ("network", "severity"),
    [
        ("2001:db8::/107", Severity.WARNING),
        ("2001:db8::/108", Severity.INFO),
        ("2001:db8::/112", None),
        ("10.0.0.0/11", Severity.WARNING),
        ("10.0.0.0/12", None),
        ("10.0.0.0/29", Severity.ERROR),
        ("2001:db8::/126", Severity.ERROR),
    ],
)
def test_service_range_sizes(network, severity):
    problems = kubernetes.service_range("services", ip_network(network, strict=False))
    assert [problem.severity for problem in problems] == ([severity] if severity else [])


def test_unique_local_prefixes():
    prefix = rfc4193.prefix(b"key")
    assert prefix.prefixlen == 48
    assert prefix.subnet_of(rfc4193.LOCALLY_ASSIGNED)
    assert prefix == rfc4193.prefix(b"key") != rfc4193.prefix(b"other")
    assert rfc4193.prefix(b"key", length=112).subnet_of(prefix)
    # SHA-1("abc") = a9993e36 4706816a ba3e2571 7850c26c 9cd0d89d (FIPS 180)
    assert rfc4193.prefix(b"abc") == IPv6Network("fd6c:9cd0:d89d::/48")
    with pytest.raises(ValueError, match="does not fit"):
        rfc4193.prefix(b"key", length=47)


@pytest.mark.parametrize(("pods", "mask"), [(110, 24), (128, 24), (129, 23), (250, 23), (260, 22)])
def test_default_node_masks_have_twice_the_room(pods, mask):
    assert masks.default_node_mask_size(pods) == mask


@pytest.mark.parametrize(
    ("size", "family", "pods", "room"),
    [
        (25, Family.IPV4, 126, None),
        (25, Family.IPV4, 127, 126),
        (26, Family.IPV4, None, 62),
        (64, Family.IPV4, 8, -1),
        (121, Family.IPV6, 127, 126),
        (64, Family.IPV6, 250, None),
    ],
)
def test_room_for_pods(size, family, pods, room):
    problems = masks.room_for_pods("mask", size, family, pods)
    if room is None:
        assert problems == []
    else:
        assert f"only supports {room} IP addresses" in problems[0].detail
        assert problems[0].severity is (Severity.WARNING if pods is None else Severity.ERROR)
