"""CIDRs as Gardener checks them: `pkg/utils/validation/cidr`."""

from collections.abc import Sequence
from dataclasses import dataclass

from dataplane.model.address import Family, Network, family_of
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import invalid
from dataplane.rules.gocidr import GoCIDR, parse_cidr


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A CIDR that could be read, at its path; `text` is how it is written."""

    path: str
    text: str
    value: GoCIDR

    @property
    def network(self) -> Network:
        """Return the network, IPv4 where it is IPv4-mapped."""
        return self.value.network

    @property
    def family(self) -> Family:
        """Return the family that Go finds: IPv4-mapped is IPv4."""
        return family_of(self.value.network)


def parse(path: str, text: str) -> tuple[GoCIDR | None, list[Problem]]:
    """Read a CIDR as Go does."""
    try:
        return parse_cidr(text), []
    except ValueError as error:
        remedy = "write a CIDR such as 10.250.0.0/16 or 2001:db8:1::/48"
        return None, [invalid(path, text, str(error), remedy=remedy)]


def family(path: str, value: GoCIDR, families: Sequence[Family]) -> list[Problem]:
    """Check that a range has the single family of the cluster; dual-stack takes either."""
    if len(families) != 1 or family_of(value.network) is families[0]:
        return []
    wanted = families[0]
    return [
        invalid(
            path,
            str(value.network.network_address),
            f"must be a valid {wanted} address",
            remedy=f"write an {wanted} range, or add {wanted.other} to ipFamilies",
        )
    ]


def canonical(path: str, text: str, value: GoCIDR) -> list[Problem]:
    """Check that no host bit is set."""
    if value.canonical:
        return []
    detail = "must be valid canonical CIDR"
    return [invalid(path, text, detail, remedy=f"host bits are set; write {value.network}")]


def intersect(one: Network, other: Network) -> bool:
    """Tell whether two networks share an address; networks of two families never do."""
    if one.version != other.version:
        return False
    host_bits = one.max_prefixlen - min(one.prefixlen, other.prefixlen)  # of the larger network
    return int(one.network_address) >> host_bits == int(other.network_address) >> host_bits
