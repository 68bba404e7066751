"""The PROXY protocol, version 2 (doc/proxy-protocol.txt of HAProxy, section 2.2): how long it is."""

from dataplane.model.address import Family

FIXED = 16  # signature, version and command, family and protocol, length
ADDRESSES = {Family.IPV4: 12, Family.IPV6: 36}  # two addresses, two ports
SHORTEST = 16  # octets that no other difference between two copies of a short stream explains


def header_length(family: Family) -> int:
    """Return the octets of a header that tells of a TCP client of this family, without TLVs."""
    return FIXED + ADDRESSES[family]
