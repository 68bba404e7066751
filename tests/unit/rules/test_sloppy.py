"""Leading zeros are decoration, where Kubernetes has always taken them for that."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules.gocidr import parse_cidr
from dataplane.rules.sloppy import mask_length, parse_sloppy_address, parse_sloppy_cidr


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("010.000.0.00/08", "10.0.0.0/8"),
        ("0/0", None),
        ("10.0.0.0", None),
        ("10.0.0.256/8", None),
        ("2001:0db8::00/032", "2001:db8::/32"),
        ("2001:000db8::/32", "2001:db8::/32"),
        ("::00.000.00.0/96", "::/96"),
        ("2001:1db80::/32", None),
        ("fe80::%eth0/64", None),
        ("0x0a.0.0.0/8", None),
        (" 10.0.0.0/8", None),
    ],
)
def test_it_takes_zeros_and_nothing_else(text, network):
    if network is None:
        with pytest.raises(ValueError, match="invalid CIDR address: ") as refused:
            parse_sloppy_cidr(text)
        assert str(refused.value) == f"invalid CIDR address: {text}"
    else:
        assert parse_sloppy_cidr(text).network == ip_network(network)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.integers(0, 3))
def test_decorated_addresses_are_the_same(address, zeros):
    sign = "." if address.version == 4 else ":"
    decorated = sign.join("0" * zeros + part if part else "" for part in str(address).split(sign))
    assert parse_sloppy_address(decorated) == ip_address(address)


@given(st.text(alphabet="0123456789abcdef:./%x ", max_size=24))
def test_what_go_takes_it_takes_the_same_way(text):
    try:
        strict = parse_cidr(text)
    except ValueError:
        return
    assert parse_sloppy_cidr(text) == strict


@pytest.mark.parametrize(
    ("text", "length"),
    [("10.0.0.0/8", 8), ("::ffff:10.0.0.0/104", 104), ("::/0", 0), (f"::/{'0' * 9000}64", 64)],
)
def test_a_mask_is_as_long_as_it_is_written(text, length):
    assert mask_length(text) == length
