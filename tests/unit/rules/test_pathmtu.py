import pytest

from dataplane.model.address import Family
from dataplane.rules.pathmtu import IPV6_MIN_MTU, as_ipv6, highest_translated

FOUR, SIX = Family.IPV4, Family.IPV6


@pytest.mark.parametrize(
    ("mtu", "family", "most"),
    [
        (1500, FOUR, 1520),
        (1260, FOUR, 1280),
        (1259, FOUR, 1280),
        (68, FOUR, 1280),
        (1280, SIX, 1260),
        (1500, SIX, 1480),
    ],
)
def test_what_a_translator_may_say_at_most(mtu, family, most):
    assert highest_translated(mtu, family) == most


def test_an_ipv4_packet_is_20_octets_longer_as_ipv6():
    assert as_ipv6(1260, FOUR) == as_ipv6(IPV6_MIN_MTU, SIX) == 1280
