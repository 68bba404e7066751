"""Numbers of subnets on AWS."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules import awssubnets

VPC = ip_network("2001:db8:77:1100::/56")


@given(st.integers(0, 126), st.data())
def test_a_subnet_is_where_its_number_says(length, data):
    new = data.draw(st.integers(length + 1, min(length + 12, 128)))
    index = data.draw(st.integers(0, (1 << new - length) - 1))
    base = ip_network((0x20010DB8 << 96, length), strict=False)

    found = awssubnets.cidr_subnet(str(base), new, index)

    assert found.prefixlen == new
    assert int(found[0]) - int(base[0]) == index * found.num_addresses
    assert found.subnet_of(base)


def test_ipv4_and_host_bits():
    assert str(awssubnets.cidr_subnet("10.50.9.9/16", 18, 3)) == "10.50.192.0/18"


@pytest.mark.parametrize(
    ("base", "length", "index", "error"),
    [
        ("10.50.0.0", 24, 0, "invalid CIDR address: 10.50.0.0"),
        ("010.50.0.0/16", 24, 0, "invalid CIDR address: 010.50.0.0/16"),
        ("10.50.0.0/16", 16, 0, "invalid new prefix length"),
        ("10.50.0.0/16", 8, 0, "invalid new prefix length"),
        ("10.50.0.0/16", 33, 0, "invalid new prefix length"),
        ("2001:db8::/56", 129, 0, "invalid new prefix length"),
        ("2001:db8::/56", -1, 0, "invalid new prefix length"),
        ("10.50.0.0/16", 24, 256, "index out of range"),
        ("2001:db8::/56", 64, -1, "index out of range"),
        ("2001:db8::/56", 64, 256, "index out of range"),
    ],
)
def test_no_such_subnet(base, length, index, error):
    with pytest.raises(ValueError, match=r"^") as refused:
        awssubnets.cidr_subnet(base, length, index)
    assert str(refused.value) == error


@pytest.mark.parametrize(
    ("current", "following"),
    [
        ("2001:db8:77:1100::/64", "2001:db8:77:1101::/64"),
        ("2001:db8:77:11fe::/64", "2001:db8:77:11ff::/64"),
        ("2001:db8:77:1100::5/80", "2001:db8:77:1101::5/64"),  # neither mask nor host bits matter
        ("::/64", "0:0:0:1::/64"),
    ],
)
def test_the_next_block(current, following):
    assert awssubnets.calc_next_ipv6_cidr_block(current) == following


@pytest.mark.parametrize(
    ("current", "error"),
    [
        ("2001:db8:77:11ff::/64", "already at maximum index (255) within /56 range"),
        ("2001:db8::", "failed to parse CIDR: invalid CIDR address: 2001:db8::"),
        ("10.0.0.0/16", "input CIDR is not IPv6"),
    ],
)
def test_no_next_block(current, error):
    with pytest.raises(ValueError, match=r"^") as refused:
        awssubnets.calc_next_ipv6_cidr_block(current)
    assert str(refused.value) == error


def test_a_zone_has_three_subnets_in_a_row():
    zones = awssubnets.zone_subnets(VPC, 2)

    assert [
        str(subnet) for zone in zones for subnet in (zone.workers, zone.internal, zone.public)
    ] == [f"2001:db8:77:110{number}::/64" for number in range(6)]


def test_85_zones_fill_a_vpc():
    zones = awssubnets.zone_subnets(VPC, 85)

    assert str(zones[-1].public) == "2001:db8:77:11fe::/64"
    for wrong in (86, -1):
        with pytest.raises(ValueError, match="room for 85 zones"):
            awssubnets.zone_subnets(VPC, wrong)
    with pytest.raises(ValueError, match="is no /56"):
        awssubnets.zone_subnets(ip_network("2001:db8::/48"), 1)


def test_a_conflict_moves_on_to_the_next_block():
    taken = ip_network("2001:db8:77:1101::/64")
    (zone,) = awssubnets.zone_subnets(VPC, 1, [taken])

    assert str(zone.workers) == "2001:db8:77:1100::/64"
    assert str(zone.internal) == "2001:db8:77:1102::/64"
    assert str(zone.public) == "2001:db8:77:1103::/64"


def test_a_vpc_that_is_taken_has_no_room():
    with pytest.raises(ValueError, match="already at maximum index"):
        awssubnets.zone_subnets(VPC, 1, [VPC])


def test_services_and_nodes_are_cut_from_the_workers():
    workers = ip_network("2001:db8:77:1100::/64")

    services = awssubnets.service_reservation(workers)

    assert str(services) == "2001:db8:77:1100::10:0/108"
    assert services.subnet_of(awssubnets.node_prefix(workers, 0))
    assert str(awssubnets.node_prefix(workers, 1)) == "2001:db8:77:1100:1::/80"
