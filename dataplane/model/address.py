"""Addresses and address families, under the names Kubernetes uses for them."""

from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Family(StrEnum):
    """An IP family as written in `ipFamilies` (Kubernetes Service API)."""

    IPV4 = "IPv4"
    IPV6 = "IPv6"

    @property
    def other(self) -> "Family":
        """Return the family that this one is not."""
        return Family.IPV4 if self is Family.IPV6 else Family.IPV6

    @property
    def bits(self) -> int:
        """Return the length of an address of this family, in bits."""
        return 32 if self is Family.IPV4 else 128


def family_of(value: Address | Network) -> Family:
    """Return the family of an address or a network."""
    return Family.IPV4 if value.version == 4 else Family.IPV6
