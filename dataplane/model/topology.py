"""A topology: namespaces, links, routes and servers as a specification. No file descriptor in it.

Names are the plan's (`pod-a`, `node-0`, `fabric`, `gateway`, `internet`, `server-dual`); the live
lab prefixes them with the run's name. Interface indexes are unique in the whole topology, because
a probe tells its taps apart by index alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dataplane.model.address import Address, Family, Network
from dataplane.model.policy import Direction, PolicyProtocol
from dataplane.model.stimulus import Endpoint


class Role(StrEnum):
    """What a namespace stands for."""

    POD = "pod"
    NODE = "node"
    FABRIC = "fabric"
    SEGMENT = "segment"
    GATEWAY = "gateway"
    INTERNET = "internet"
    SERVER = "server"
    BALANCER = "balancer"
    PROXY = "proxy"
    CLIENT = "client"
    DHCP = "dhcp"


class Point(StrEnum):
    """Where on a packet's way an interface lies."""

    POD = "pod"
    CLAT = "clat"
    UPLINK = "uplink"
    TRANSLATOR = "translator"
    EDGE = "edge"
    BALANCER = "balancer"
    PROXY = "proxy"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """An interface that is watched.

    `owner` is the pod, node or gateway whose traffic passes here. `leaving_is_ingress` is true
    where a packet that leaves the owner is an ingress packet of the interface (the host side of a
    pod's veth). `layer` is 2 for devices with an Ethernet header, 3 for TUN devices.
    """

    name: str
    namespace: str
    interface: str
    index: int
    point: Point
    owner: str
    leaving_is_ingress: bool
    layer: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    """A network namespace; `forwarding` switches the forwarding sysctls of both families on.

    `foreign` is what belongs to another cluster: it has no Services of this one, and no kernel of
    it is asked for anything.
    `accept_ra` is what its interfaces come up with: 0, 1, or 2 to take router advertisements even
    where it forwards (Documentation/networking/ip-sysctl.rst).
    """

    name: str
    role: Role
    forwarding: bool = False
    foreign: bool = False
    accept_ra: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a veth pair. `addresses` are host addresses, assigned as /32 and /128."""

    namespace: str
    interface: str
    index: int
    mac: str
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A veth pair between two namespaces; `mtu` in octets."""

    a: End
    b: End
    mtu: int = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge over interfaces of its namespace (`ports`): the hosts behind them share a link."""

    namespace: str
    interface: str
    index: int
    mac: str
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route; `destination` None is the default route of `via`'s family.

    `mtu` (octets at L3) is what a path takes that is narrower than the link it begins with.
    """

    namespace: str
    interface: str
    via: Address | None = None
    destination: Network | None = None
    source: Address | None = None
    mtu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A permanent neighbour entry: nothing to resolve, nothing that fills the host's table."""

    namespace: str
    interface: str
    address: Address
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRule:
    """A Service on every node: destination NAT to one of `endpoints`, shaped as kube-proxy's.

    `address` is its clusterIP, `homes` the node of each endpoint (empty where none of them is a pod).
    `node_port` and `load_balancer` are its ways in from outside, which lead to endpoints of the same
    node only where `local` (externalTrafficPolicy Local).
    """

    name: str
    address: Address
    port: int
    endpoints: tuple[Address, ...]
    target_port: int
    homes: tuple[str, ...] = ()
    node_port: int | None = None
    load_balancer: tuple[Address, ...] = ()
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySpec:
    """kube-proxy on one node: the shape of its rules, what it hides, and where it takes NodePorts.

    Packets count as those of pods when they come from `local_cidrs` (one per family at most) or in by
    `local_interface` (a trailing `*` stands for any ending); with neither, nothing tells pods.
    `addresses` are the node's own.
    """

    namespace: str
    mode: str = "nftables"
    masquerade_all: bool = False
    local_cidrs: tuple[Network, ...] = ()
    local_interface: str = ""
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One end of a VXLAN tunnel (RFC 7348): what is routed to `interface` leaves encapsulated.

    `local` and `remote` are the outer addresses, `network` is the VNI, `port` the UDP port of both
    ends, `mtu` that of what is inside.
    """

    namespace: str
    interface: str
    index: int
    mac: str
    local: Address
    remote: Address
    network: int
    port: int = 4789
    mtu: int = 1430


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatorSpec:
    """A translator device in a namespace: NAT64 at the gateway or CLAT in a pod or on a node.

    For `nat64`, `pool4` is the dynamic pool; for `clat`, `address4` is mapped to `address6` one to
    one and `pool4` is None. The device is a layer 3 interface called `interface`.
    """

    namespace: str
    kind: str
    engine: str
    interface: str
    index: int
    prefix: IPv6Network
    translator4: IPv4Address
    translator6: IPv6Address | None = None
    pool4: IPv4Network | None = None
    address4: IPv4Address | None = None
    address6: IPv6Address | None = None
    mtu: int = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A DNS record of the lab's authoritative zones: owner name, type (A, AAAA, PTR) and value."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoritySpec:
    """The authoritative name server; `zones` are apex names that `records` fall into."""

    namespace: str
    listen: tuple[Address, ...]
    zones: tuple[str, ...]
    records: tuple[Record, ...]


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
class ListenerSpec:
    """An echo service (TCP: HTTP, UDP: datagram echo) on addresses of a namespace."""

    namespace: str
    addresses: tuple[Address, ...]
    port: int


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
class ForwardProxySpec:
    """A forward proxy: whoever comes to `listen` (one port) is connected to whom it names."""

    namespace: str
    listen: tuple[Endpoint, ...]


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
class DhcpClientSpec:
    """A DHCPv6 client, which gives what it leases to `interface` as a host address."""

    namespace: str
    interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MasqueradeSpec:
    """IPv4 source NAT at the gateway's edge: `sources` leave through `interface` as its address."""

    namespace: str
    interface: str
    sources: tuple[IPv4Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFilter:
    """What a policy lets through: the other end's `network` without `exceptions`, None for everybody.

    `protocol` None stands for all of them, `first` None for all ports.
    """

    network: Network | None = None
    exceptions: tuple[Network, ...] = ()
    protocol: PolicyProtocol | None = None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    """A pod that is isolated in a direction, at its interface on a node: all but `allowed` is dropped.

    `families` are those that the node enforces this for.
    """

    namespace: str
    interface: str
    direction: Direction
    allowed: tuple[PolicyFilter, ...]
    families: tuple[Family, ...] = tuple(Family)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """An nftables ruleset (`nft -f` syntax) that is loaded into a namespace after everything else."""

    namespace: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Everything that the lab builds, in the order in which it is built."""

    namespaces: tuple[Namespace, ...]
    links: tuple[Link, ...]
    routes: tuple[Route, ...]
    neighbours: tuple[Neighbour, ...]
    services: tuple[ServiceRule, ...]
    translators: tuple[TranslatorSpec, ...]
    masquerades: tuple[MasqueradeSpec, ...]
    authority: AuthoritySpec
    resolver: ResolverSpec
    listeners: tuple[ListenerSpec, ...]
    taps: tuple[Tap, ...]
    rulesets: tuple[Ruleset, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    proxies: tuple[ProxySpec, ...] = ()
    balancers: tuple[BalancerSpec, ...] = ()
    webs: tuple[WebSpec, ...] = ()
    advertisers: tuple[AdvertiserSpec, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    policies: tuple[PolicySpec, ...] = ()
    forward_proxies: tuple[ForwardProxySpec, ...] = ()
    dhcp_servers: tuple[DhcpServerSpec, ...] = ()
    dhcp_clients: tuple[DhcpClientSpec, ...] = ()
