"""Unique local IPv6 unicast addresses: RFC 4193."""

from hashlib import sha1
from ipaddress import IPv6Network

UNIQUE_LOCAL = IPv6Network("fc00::/7")  # section 3.1
LOCALLY_ASSIGNED = IPv6Network("fd00::/8")  # L bit set, section 3.1


def global_id(key: bytes) -> int:
    """Return a 40 bit Global ID: the low 40 bits of SHA-1 (section 3.2.2, steps 4 and 5).

    The RFC feeds it time and EUI-64; here `key` stands for both, so that a plan can be repeated.
    """
    return int.from_bytes(sha1(key, usedforsecurity=False).digest()[-5:], "big")


def prefix(key: bytes, *, length: int = 48) -> IPv6Network:
    """Return the /48 made from `key`, or the first prefix of `length` bits in it (48 to 128)."""
    if not 48 <= length <= 128:
        raise ValueError(f"a prefix of {length} bits does not fit a unique local /48")
    top = LOCALLY_ASSIGNED.network_address.packed[0]
    return IPv6Network((top << 120 | global_id(key) << 80, length))
