"""What Go takes for a CIDR and what it does not, where Python's ipaddress would differ."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules.gocidr import parse_cidr


@pytest.mark.parametrize(
    ("text", "network", "canonical"),
    [
        ("10.250.0.0/16", "10.250.0.0/16", True),
        ("10.250.0.1/16", "10.250.0.0/16", False),
        ("10.0.0.0/08", "10.0.0.0/8", True),
        ("10.0.0.0/00000000000000000008", "10.0.0.0/8", True),
        ("0.0.0.0/0", "0.0.0.0/0", True),
        ("2001:db8:1::/48", "2001:db8:1::/48", True),
        ("2001:DB8::4000:0:0:0/66", "2001:db8:0:0:4000::/66", True),
        ("2001:db8::1/64", "2001:db8::/64", False),
        ("::/0", "::/0", True),
        ("64:ff9b::192.0.2.33/96", "64:ff9b::/96", False),
        ("1:2:3:4:5:6:7::/128", "1:2:3:4:5:6:7:0/128", True),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8", True),
        ("::ffff:10.0.0.1/104", "10.0.0.0/8", False),
        ("::ffff:10.0.0.0/64", "::/64", False),
    ],
)
def test_go_takes(text, network, canonical):
    value = parse_cidr(text)
    assert str(value.network) == str(ip_network(network))
    assert value.canonical is canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.0/8/8",
        "10.0.0.0/16777216",
        "10.0.0.0/255.0.0.0",
        "10.0.0/8",
        "10.0.0.0.0/8",
        "10..0.0/8",
        "010.0.0.0/8",
        "10.0.0.256/8",
        "0x0a.0.0.0/8",
        "\uff11\uff10.0.0.0/8",
        "10.0.0.0/\uff18",
        "2001:db8::/129",
        "2001:db8::/64%eth0",
        "fe80::%eth0/64",
        "fe80::%/64",
        "2001:db8::1::/64",
        "2001:db8:::/64",
        ":::/64",
        ":1::/64",
        "1::2:/64",
        "12345::/64",
        "g::/64",
        "1:2:3:4:5:6:7/64",
        "1:2:3:4:5:6:7:8:9/64",
        "::1:2:3:4:5:6:7:8/64",
        "1:2:3:4:5:6:7:1.2.3.4/64",
        "1.2.3.4::/64",
        "1:1.2.3.4::/64",
        "::1.2.3/64",
        "::01.2.3.4/64",
        "v6global/64",
        "100.0.0.0/24,2001:DB8::/66",
    ],
)
def test_go_refuses(text):
    with pytest.raises(ValueError, match=r"^invalid CIDR address: ") as caught:
        parse_cidr(text)
    assert str(caught.value) == f"invalid CIDR address: {text}"


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_every_ipv6_network_survives(number, length):
    network = IPv6Network((number, length), strict=False)
    value = parse_cidr(f"{IPv6Address(number).exploded}/{length}")
    if isinstance(value.network, IPv6Network):
        assert value.network == network
    else:  # IPv4-mapped
        assert network.network_address.ipv4_mapped == value.network.network_address
    assert parse_cidr(str(network)).canonical


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_every_ipv4_network_survives(number, length):
    network = IPv4Network((number, length), strict=False)
    assert parse_cidr(str(network)).network == network


@given(st.text(alphabet="0123456789abcdefABCDEF:./%, ", max_size=50))
def test_any_text_is_a_network_or_a_refusal(text):
    try:
        value = parse_cidr(text)
    except ValueError as error:
        value, refusal = None, str(error)
    else:
        refusal = ""
    assert (value is None and refusal == f"invalid CIDR address: {text}") or (
        value.address in value.network
    )
