"""Programs that serve in a lab, as a specification: name servers, balancers, proxies, routers, DHCPv6.

Each names the namespace it runs in and what it serves there, and nothing of how it is run.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from dataplane.model.address import Address, Family
from dataplane.model.stimulus import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A DNS record of the lab's authoritative zones: owner name, type (A, AAAA, PTR) and value."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvertiserSpec:
    """A router that advertises itself on `interfaces` (RFC 4861 section 6.2).

    `lifetime` is how long it may be the default router, in s. `learners` are the namespaces that are
    on these links and take what it says. With `managed` it says that addresses and the rest come by
    DHCPv6 (flags M and O, section 4.2). Nobody makes addresses of its `prefixes`, or takes them for
    on-link (flags A and L are off, section 4.6.2).
    """

    namespace: str
    interfaces: tuple[str, ...]
    learners: tuple[str, ...]
    lifetime: int = 30
    managed: bool = False
    prefixes: tuple[IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoritySpec:
    """The authoritative name server; `zones` are apex names that `records` fall into."""

    namespace: str
    listen: tuple[Address, ...]
    zones: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerSpec:
    """A load balancer of layer 4: what comes to `listen` is connected to one of `backends` in turn.

    With `send_proxy` every connection to a backend begins with a header of the PROXY protocol,
    version 2. A connection that is silent for `idle` seconds is given up, on both sides.
    """

    namespace: str
    listen: tuple[Endpoint, ...]
    backends: tuple[Endpoint, ...]
    send_proxy: bool
    idle: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpClientSpec:
    """A DHCPv6 client, which gives what it leases to `interface` as a host address."""

    namespace: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpServerSpec:
    """A DHCPv6 server on the link of `interface` (RFC 8415), whose only use its namespace is.

    `address` is its own, in `subnet`. `first` to `last` is what it leases to anybody, `reserved` what it
    leases to the client of a hardware address (by its DUID-LL, section 11.4). One that is `preferred`
    is taken by clients at once (preference 255, section 21.8).
    """

    namespace: str
    interface: str
    index: int
    address: IPv6Address
    subnet: IPv6Network
    first: IPv6Address
    last: IPv6Address
    reserved: tuple[tuple[str, IPv6Address], ...] = ()
    preferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardProxySpec:
    """A forward proxy: whoever comes to `listen` (one port) is connected to whom it names."""

    namespace: str
    listen: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSpec:
    """An echo service (TCP: HTTP, UDP: datagram echo) on addresses of a namespace."""

    namespace: str
    addresses: tuple[Address, ...]
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverSpec:
    """The recursive resolver, with DNS64 (RFC 6147) when `dns64` names a prefix.

    `translate_all` has it pass over AAAA records that there are, against RFC 6147 section 5.1.1;
    `mapped` are the IPv4 addresses that it makes records of, None for all of them.
    """

    namespace: str
    server: str
    listen: tuple[Address, ...]
    upstream: Address
    zones: tuple[str, ...]
    dns64: IPv6Network | None
    translate_all: bool = False
    mapped: IPv4Network | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSpec:
    """A web server in a pod that says whom it takes for its client.

    With `accept_proxy` it takes that from the header of the PROXY protocol, and a connection without
    one for broken. `families` are those that it listens for, on every address.
    """

    namespace: str
    port: int
    families: tuple[Family, ...]
    accept_proxy: bool
