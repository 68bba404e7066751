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
from dataplane.model.programs import (
    AdvertiserSpec,
    AuthoritySpec,
    BalancerSpec,
    DhcpClientSpec,
    DhcpServerSpec,
    ForwardProxySpec,
    ListenerSpec,
    ResolverSpec,
    WebSpec,
)


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
