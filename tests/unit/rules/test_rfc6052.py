"""RFC 6052: the examples of section 2.4, the u octet, the well-known prefix."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules import rfc6052

EXAMPLE = IPv4Address("192.0.2.33")
EXAMPLES = [  # RFC 6052 section 2.4, tables 2 and 3
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
]


@pytest.mark.parametrize(("prefix", "address"), EXAMPLES)
def test_examples_of_the_rfc(prefix, address):
    assert rfc6052.embed(IPv6Network(prefix), EXAMPLE) == IPv6Address(address)
    assert rfc6052.extract(IPv6Network(prefix), IPv6Address(address)) == EXAMPLE


@given(
    st.sampled_from(rfc6052.PREFIX_LENGTHS), st.integers(0, 2**128 - 1), st.integers(0, 2**32 - 1)
)
def test_what_is_embedded_comes_out(length, number, value):
    prefix = IPv6Network((number & ~(0xFF << 56), length), strict=False)
    embedded = rfc6052.embed(prefix, IPv4Address(value))
    assert embedded in prefix
    assert embedded.packed[8] == 0
    assert rfc6052.extract(prefix, embedded) == IPv4Address(value)


def test_a_suffix_is_ignored_on_receipt():
    address = IPv6Address("2001:db8:122:344:c0:2:21ff:ffff")
    assert rfc6052.extract(IPv6Network("2001:db8:122:344::/64"), address) == EXAMPLE


@pytest.mark.parametrize("length", [0, 31, 33, 63, 65, 80, 95, 97, 128])
def test_other_lengths_are_refused(length):
    with pytest.raises(ValueError, match="length must be one of"):
        rfc6052.check_prefix(IPv6Network((0, length)))


def test_the_u_octet_must_be_zero():
    with pytest.raises(ValueError, match="bits 64 to 71"):
        rfc6052.check_prefix(IPv6Network("2001:db8:0:0:100::/96"))
    with pytest.raises(ValueError, match="bits 64 to 71"):
        rfc6052.extract(IPv6Network("2001:db8::/32"), IPv6Address("2001:db8:c000:221:100::"))


def test_an_address_outside_is_refused():
    with pytest.raises(ValueError, match="is not inside"):
        rfc6052.extract(rfc6052.WELL_KNOWN_PREFIX, IPv6Address("64:ff9b:1::1"))


@pytest.mark.parametrize(
    ("address", "reachable"),
    [
        ("8.8.8.8", True),
        ("192.0.2.33", False),
        ("198.51.100.4", False),
        ("203.0.113.1", False),
        ("10.0.0.1", False),
        ("172.31.255.255", False),
        ("172.32.0.0", True),
        ("100.64.0.1", False),
        ("198.18.0.1", False),
        ("192.0.0.170", False),
        ("192.0.0.9", True),
        ("192.88.99.1", True),
        ("240.0.0.1", False),
        ("224.0.0.1", False),
    ],
)
def test_the_well_known_prefix_carries_global_addresses_only(address, reachable):
    value = IPv4Address(address)
    assert rfc6052.is_global(value) is reachable
    assert rfc6052.may_represent(rfc6052.WELL_KNOWN_PREFIX, value) is reachable
    assert rfc6052.may_represent(IPv6Network("64:ff9b:1::/96"), value)
