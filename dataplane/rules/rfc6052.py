"""IPv4-embedded IPv6 addresses: RFC 6052, with the local-use prefix of RFC 8215.

All six prefix lengths of section 2.2, bits 64 to 71 ("u") and the suffix always zero, and the
restriction of the well-known prefix in section 3.1.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

WELL_KNOWN_PREFIX = IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1
LOCAL_USE_PREFIX = IPv6Network("64:ff9b:1::/48")  # RFC 8215 section 3
PREFIX_LENGTHS = (32, 40, 48, 56, 64, 96)  # RFC 6052 section 2.2

# Not globally reachable, from the IANA IPv4 special-purpose registry (RFC 6890 section 2.2.2 and
# its updates). Written down here, because `IPv4Address.is_global` differs between Pythons.
_NOT_GLOBAL = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_WITHIN = tuple(
    IPv4Network(block)
    for block in ("192.0.0.9/32", "192.0.0.10/32")  # RFC 7723, RFC 8155
)


def check_prefix(prefix: IPv6Network) -> None:
    """Raise ValueError when a translator must not be given this prefix (section 2.2)."""
    if prefix.prefixlen not in PREFIX_LENGTHS:
        lengths = ", ".join(f"/{length}" for length in PREFIX_LENGTHS)
        raise ValueError(f"{prefix} is no NAT64 prefix: its length must be one of {lengths}")
    if prefix.network_address.packed[8]:
        raise ValueError(f"{prefix} is no NAT64 prefix: bits 64 to 71 must be zero")


def embed(prefix: IPv6Network, address: IPv4Address) -> IPv6Address:
    """Return the IPv6 address that stands for `address` under `prefix` (section 2.3)."""
    check_prefix(prefix)
    octets = bytearray(prefix.network_address.packed)
    for position, octet in zip(_positions(prefix.prefixlen), address.packed, strict=True):
        octets[position] = octet
    return IPv6Address(bytes(octets))


def extract(prefix: IPv6Network, address: IPv6Address) -> IPv4Address:
    """Return the IPv4 address inside `address` (section 2.3); the suffix is ignored (2.2).

    ValueError when the address is outside the prefix or its bits 64 to 71 are not zero.
    """
    check_prefix(prefix)
    if address not in prefix:
        raise ValueError(f"{address} is not inside {prefix}")
    octets = address.packed
    if octets[8]:
        raise ValueError(f"{address}: bits 64 to 71 must be zero")
    return IPv4Address(bytes(octets[position] for position in _positions(prefix.prefixlen)))


def is_global(address: IPv4Address) -> bool:
    """Tell whether an IPv4 address is globally reachable (RFC 6890, IANA's registry)."""
    if any(address in block for block in _GLOBAL_WITHIN):
        return True
    return not any(address in block for block in _NOT_GLOBAL)


def may_represent(prefix: IPv6Network, address: IPv4Address) -> bool:
    """Tell whether `prefix` may stand for `address`.

    The well-known prefix must not represent non-global IPv4 addresses (section 3.1); network
    specific prefixes and 64:ff9b:1::/48 may (RFC 8215 section 4).
    """
    return prefix != WELL_KNOWN_PREFIX or is_global(address)


def _positions(length: int) -> tuple[int, ...]:
    """Return the octets that hold the IPv4 address: after the prefix, skipping octet 8."""
    first = length // 8
    return tuple(octet for octet in range(first, 16) if octet != 8)[:4]
