"""How long a packet may be: RFC 8200 section 5, and what translation adds (RFC 7915 sections 4, 5).

All lengths are octets at L3, with the IP header. An IPv6 header is 20 octets longer than the IPv4
header that it stands for, and 28 where the packet gets a Fragment header.
"""

from dataplane.model.address import Family

IPV6_MIN_MTU = 1280
"""What every link takes that carries IPv6 (RFC 8200 section 5)."""

HEADER_DIFFERENCE = 20


def as_ipv6(length: int, family: Family) -> int:
    """Return how long a packet of that family is as IPv6, without a Fragment header."""
    return length if family is Family.IPV6 else length + HEADER_DIFFERENCE


def highest_translated(mtu: int, family: Family) -> int:
    """Return the highest MTU that a translator may make of one that a `family` router reported.

    To IPv6 that is 20 more, and never less than what every link takes: a translator fragments then
    (RFC 7915 section 4.2). To IPv4 it is 20 less (section 5.2).
    """
    if family is Family.IPV4:
        return max(IPV6_MIN_MTU, mtu + HEADER_DIFFERENCE)
    return mtu - HEADER_DIFFERENCE
