"""Addresses and CIDRs as Kubernetes has always read them: `k8s.io/utils/net`, the Sloppy functions.

They are Go's before 1.17, which took leading zeros for decoration: `010.0.0.0/8` is 10.0.0.0/8.
Fields that are older than that still have to accept it.
"""

from re import compile as regex

from dataplane.model.address import Address
from dataplane.rules.gocidr import GoCIDR, parse_address, parse_cidr

_DECORATION = regex(r"(?<![0-9A-Fa-f])0+(?=[0-9A-Fa-f])")


def parse_sloppy_address(text: str) -> Address:
    """Return the address as `ParseIPSloppy` reads it; ValueError otherwise."""
    return parse_address(_DECORATION.sub("", text))


def parse_sloppy_cidr(text: str) -> GoCIDR:
    """Return the CIDR as `ParseCIDRSloppy` reads it; ValueError with Go's own words otherwise."""
    address, slash, mask = text.partition("/")
    try:
        return parse_cidr(_DECORATION.sub("", address) + slash + mask)
    except ValueError:
        raise ValueError(f"invalid CIDR address: {text}") from None


def mask_length(text: str) -> int:
    """Return the length of a CIDR's mask as it is written, which net.IPMask.Size() returns.

    It differs from the network's where that is IPv4-mapped: `::ffff:10.0.0.0/104` has 104, not 8.
    """
    return int(text.rpartition("/")[2].lstrip("0") or "0")
