"""Gardener's own address translations, which no check may complain about."""

from ipaddress import ip_address

import pytest

from dataplane.rules.gardener import translations
from dataplane.rules.gardener.reserved import RESERVED


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("240.0.0.1", "apiserver-proxy"),
        ("241.10.0.1", "vpn"),
        ("244.255.0.1", "vpn"),
        ("fd8f:6d53:b97a:1::17", "vpn"),
        ("169.254.20.10", "node-local-dns"),
        ("fd30:1319:f1e:230b::1", "node-local-dns"),
        ("169.254.169.254", "metadata"),
    ],
)
def test_a_flow_is_recognised_by_either_address(address, name):
    foreign = ip_address("2001:db8::1")

    assert translations.healthy(ip_address(address), foreign).name == name
    assert translations.healthy(foreign, ip_address(address)).name == name


@pytest.mark.parametrize(
    "address", ["245.0.0.1", "239.0.0.1", "169.254.20.11", "fd30:1319:f1e:230b::2", "10.0.0.1"]
)
def test_neighbours_are_no_excuse(address):
    assert translations.healthy(ip_address(address)) is None
    assert translations.healthy() is None


def test_what_gardener_reserves_is_covered():
    covered = {network for one in translations.HEALTHY for network in one.networks}

    assert {own.network for own in RESERVED} <= covered
    assert all(one.reason and one.component for one in translations.HEALTHY)
