"""Everything around the cluster: fabric, gateway, internet, servers, translator.

Each takes the first of its candidates (documentation and benchmarking ranges, then unique local
addresses) that touches nothing of the manifest.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from dataplane.model.address import Address, Family, Network
from dataplane.model.plan import Nat64Plan, ServerPlan, TransitPlan
from dataplane.model.problem import InvalidInputError, Source
from dataplane.planning.space import Space, number
from dataplane.rules import nodeipam, rfc6052
from dataplane.rules.fielderror import invalid

ZONE = "internet.test"  # RFC 6761 section 6.2: .test never leaves the lab

_SITE = 44  # sixteen /48: fabric, gateway, internet, spare
_FIRST_SITE = IPv6Network("2001:db8:f0::/44")  # RFC 3849; GEP-21's examples use 1 to 3
_SITES = (
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),  # RFC 9637
    IPv6Network("fd00::/8"),  # RFC 4193
)
_TEST_NETS = tuple(
    IPv4Network(block)
    for block in ("198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24")  # RFC 5737
)
_SPARE_V4 = (IPv4Network("198.18.0.0/15"), IPv4Network("100.64.0.0/10"))  # RFC 2544, RFC 6598
_POOL4 = 16  # one IPv4 address per IPv6 source, with room to spare
# What no interface of a lab can carry: this host, loopback, link-local, multicast, reserved.
_UNUSABLE: tuple[Network, ...] = (
    *(
        IPv4Network(block)
        for block in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/29", "224.0.0.0/3")
    ),
    *(IPv6Network(block) for block in ("::/96", "::ffff:0:0/96", "fe80::/10", "ff00::/8")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """IPv6 surroundings: one /48 each for fabric, gateway and internet, one more for prefixes."""

    fabric: IPv6Network
    gateway: IPv6Network
    internet: IPv6Network
    prefixes: IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What stands around the cluster; `balancer` are addresses for a load balancer, one per family.

    `api_server` are those of the one in front of the API server, in the seed.
    """

    resolver: tuple[Address, ...]
    servers: tuple[ServerPlan, ...]
    transit: TransitPlan
    balancer: tuple[Address, ...]
    api_server: tuple[Address, ...]
    nat64: Nat64Plan | None


def unusable(network: Network) -> Network | None:
    """Return the reserved range that makes a network unfit for a lab, None when it is fine."""
    return next(
        (
            other
            for other in _UNUSABLE
            if other.version == network.version
            and int(other[0]) <= int(network[-1])
            and int(network[0]) <= int(other[-1])
        ),
        None,
    )


def site(space: Space, name: str) -> Site:
    """Take the IPv6 surroundings; InvalidInputError when the manifest leaves no room at all."""
    if space.is_free(_FIRST_SITE):
        space.take(_FIRST_SITE)
        found: Network | None = _FIRST_SITE
    else:
        found = space.first_of(_SITES, _SITE, start=number(name))
    if not isinstance(found, IPv6Network):
        raise _no_room(name, "IPv6")
    parts = [IPv6Network(str(nodeipam.block(found, 48, index))) for index in range(4)]
    return Site(fabric=parts[0], gateway=parts[1], internet=parts[2], prefixes=parts[3])


def surroundings(
    space: Space, site: Site, *, name: str, families: tuple[Family, ...], translating: bool
) -> Surroundings:
    """Plan what stands around the cluster; `families` are those that the fabric carries."""
    servers_net, transit_net = free_ipv4(space, name, 24), free_ipv4(space, name, 24)
    fabric: list[Address] = []
    resolver: list[Address] = []
    for family in families:
        if family is Family.IPV6:
            fabric.append(site.fabric[1])
            resolver.append(site.gateway[0x53])
        else:
            inner = free_ipv4(space, name, 24)
            fabric.append(inner[1])
            resolver.append(inner[53])
    transit = TransitPlan(
        fabric=tuple(fabric),
        edge=(site.internet[2], transit_net[2]),
        internet=(site.internet[1], transit_net[1]),
    )
    servers = (
        _server("server-v4", "v4only", servers_net[4]),
        _server("server-v6", "v6only", site.internet[0x4006]),
        _server("server-dual", "dual", site.internet[0x4046], servers_net[46]),
    )
    translator = None
    if translating:
        prefix = _prefix(space, site)
        translator = _nat64(space, site, name, prefix, transit_net[2])
    return Surroundings(
        resolver=tuple(resolver),
        servers=servers,
        transit=transit,
        balancer=(site.gateway[0x1B], transit_net[27]),
        api_server=(site.internet[0x443], servers_net[43]),
        nat64=translator,
    )


def _server(name: str, label: str, *addresses: Address) -> ServerPlan:
    return ServerPlan(name=name, dns_name=f"{label}.{ZONE}", addresses=addresses)


def _prefix(space: Space, site: Site) -> IPv6Network:
    """Return the NAT64 prefix: the first of RFC 8215's that is free, else a network-specific one."""
    # A whole /64, so that bits 64 to 71 of its first /96 are zero (RFC 6052 section 2.2).
    local = space.first_free(rfc6052.LOCAL_USE_PREFIX, 64)
    if local is not None:
        return IPv6Network((int(local[0]), 96))
    return IPv6Network((int(site.prefixes[0]), 96))


def _nat64(
    space: Space, site: Site, name: str, prefix: IPv6Network, public4: IPv4Address
) -> Nat64Plan:
    pool4 = space.first_of(_SPARE_V4, _POOL4)
    if not isinstance(pool4, IPv4Network):
        raise _no_room(name, "IPv4")
    return Nat64Plan(
        prefix=prefix,
        pool4=pool4,
        translator4=pool4[1],
        translator6=site.gateway[0x64],
        public4=public4,
    )


def free_ipv4(space: Space, name: str, length: int) -> IPv4Network:
    """Take a small IPv4 network: a documentation range, else one of the benchmarking ranges.

    InvalidInputError, about the cluster of that name, when none is left.
    """
    found = space.first_of((*_TEST_NETS, *_SPARE_V4), length)
    if isinstance(found, IPv4Network):
        return found
    raise _no_room(name, "IPv4")


def _no_room(name: str, family: str) -> InvalidInputError:
    detail = f"the ranges leave no {family} addresses for gateway and internet"
    remedy = "use smaller ranges: the lab needs documentation, benchmarking or local addresses"
    problem = invalid("spec.networking", name, detail, source=Source.SIXSCOPE, remedy=remedy)
    return InvalidInputError(name, [problem])
