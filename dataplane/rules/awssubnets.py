"""How gardener-extension-provider-aws numbers the subnets of a VPC's IPv6 block.

Source: `pkg/controller/infrastructure/infraflow/reconcile.go` (cidrSubnet, calcNextIPv6CidrBlock);
error texts are upstream's. A VPC has a /56: zone z has its workers in /64 number 3z, internal load
balancers in 3z+1, public ones in 3z+2. The Services are a reservation of a /108 in a worker subnet,
the second one: number 0 has the subnet's own addresses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from dataplane.model.address import Network
from dataplane.rules.gocidr import parse_address, parse_cidr

VPC = 56
SUBNET = 64
NODE = 80  # the prefix that is delegated to a node
SERVICES = 108
SUBNETS_PER_ZONE = 3
MOST_ZONES = (1 << SUBNET - VPC) // SUBNETS_PER_ZONE
_OCTET = 7  # of an address: where the number of a /64 in a /56 stands
_LAST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSubnets:
    """The three /64 of an availability zone."""

    workers: IPv6Network
    internal: IPv6Network
    public: IPv6Network


def cidr_subnet(base: str, new_prefix_length: int, index: int) -> Network:
    """Return the `index`-th subnet of a CIDR (cidrSubnet); ValueError when there is none.

    A subnet of the same length counts as none.
    """
    network = parse_cidr(base).network
    if not network.prefixlen < new_prefix_length <= network.max_prefixlen:
        raise ValueError("invalid new prefix length")
    if not 0 <= index < 1 << new_prefix_length - network.prefixlen:
        raise ValueError("index out of range")
    start = int(network.network_address) + (index << network.max_prefixlen - new_prefix_length)
    if isinstance(network, IPv4Network):
        return IPv4Network((start, new_prefix_length))
    return IPv6Network((start, new_prefix_length))


def calc_next_ipv6_cidr_block(current: str) -> str:
    """Return the next /64 of the same /56 (calcNextIPv6CidrBlock); ValueError behind the last one.

    Whatever the length of `current`, the answer has a /64, and the host bits that `current` has.
    """
    try:
        parse_cidr(current)
    except ValueError as error:
        raise ValueError(f"failed to parse CIDR: {error}") from error
    address = parse_address(current.partition("/")[0])
    if not isinstance(address, IPv6Address):
        raise ValueError("input CIDR is not IPv6")  # noqa: TRY004 - upstream's words for a text
    octets = bytearray(address.packed)
    if octets[_OCTET] >= _LAST:
        raise ValueError("already at maximum index (255) within /56 range")
    octets[_OCTET] += 1
    return f"{IPv6Address(bytes(octets))}/{SUBNET}"


def zone_subnets(
    vpc: IPv6Network, zones: int, occupied: Sequence[IPv6Network] = ()
) -> tuple[ZoneSubnets, ...]:
    """Return the subnets of the zones, zone by zone; ValueError when the /56 has no room.

    Each subnet has its number, or the next one that nothing in `occupied` and no earlier subnet
    touches.
    """
    if vpc.prefixlen != VPC:
        raise ValueError(f"{vpc} is no /{VPC}: a VPC has one for IPv6")
    if not 0 <= zones <= MOST_ZONES:
        raise ValueError(f"a /{VPC} has room for {MOST_ZONES} zones, not for {zones}")
    taken = list(occupied)
    found = []
    for number in range(SUBNETS_PER_ZONE * zones):
        block = str(cidr_subnet(str(vpc), SUBNET, number))
        while any(IPv6Network(block).overlaps(other) for other in taken):
            block = calc_next_ipv6_cidr_block(block)
        found.append(IPv6Network(block))
        taken.append(found[-1])
    return tuple(
        ZoneSubnets(workers=workers, internal=internal, public=public)
        for workers, internal, public in zip(found[::3], found[1::3], found[2::3], strict=True)
    )


def service_reservation(workers: IPv6Network) -> IPv6Network:
    """Return the range of the Services, a CIDR reservation in a worker subnet."""
    found = cidr_subnet(str(workers), SERVICES, 1)
    if not isinstance(found, IPv6Network):
        raise TypeError(f"{workers} is no IPv6 subnet")
    return found


def node_prefix(workers: IPv6Network, index: int) -> IPv6Network:
    """Return the `index`-th /80 of a worker subnet; number 0 holds addresses and Services already."""
    found = cidr_subnet(str(workers), NODE, index)
    if not isinstance(found, IPv6Network):
        raise TypeError(f"{workers} is no IPv6 subnet")
    return found
