"""A plan: every range and every address of the cluster and its surroundings. Same input, same plan."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.cloud import BitBudget, CloudPlan, PodPool, RoutePlan
from dataplane.model.components import Component, Resolved
from dataplane.model.egress import EgressPlan
from dataplane.model.ingress import IngressPlan
from dataplane.model.policy import Policy
from dataplane.model.problem import Problem
from dataplane.model.proxy import ProxyPlan

Neighbours = Literal["permanent", "resolved"]
DefaultRoutes = Literal["static", "advertised"]
NodeAddresses = Literal["static", "leased"]


class ClatPlacement(StrEnum):
    """Where the stateless half of 464XLAT sits (RFC 6877 section 6)."""

    POD = "pod"
    NODE = "node"


class Nat64Placement(StrEnum):
    """Where the stateful half sits: at the gateway for all, or on each node for its own pods."""

    GATEWAY = "gateway"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlan:
    """A pod: its name, its addresses (primary family first) and, with 464XLAT, its CLAT address.

    An `actor` takes part in stimuli; the other pods are built and stay idle, without a process.
    """

    name: str
    node: str
    addresses: tuple[Address, ...]
    clat_address: IPv6Address | None = None
    actor: bool = False

    def address(self, family: Family) -> Address | None:
        """Return the pod's address of that family, None when it has none."""
        return next((a for a in self.addresses if family_of(a) is family), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """A node: its addresses and the pod prefixes that are routed to it, at most one per family.

    `clat_prefix` is the part of the IPv6 pod prefix that CLAT addresses are taken from.
    """

    name: str
    addresses: tuple[Address, ...]
    pod_prefixes: tuple[Network, ...]
    pods: tuple[PodPlan, ...]
    clat_prefix: IPv6Network | None = None

    def address(self, family: Family) -> Address | None:
        """Return the node's address of that family, None when it has none."""
        return next((a for a in self.addresses if family_of(a) is family), None)


ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]
TrafficPolicy = Literal["Cluster", "Local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How the echo Service is open to clients outside: `type` and `externalTrafficPolicy`."""

    type: ServiceType = "ClusterIP"
    external_traffic_policy: TrafficPolicy = "Cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """A service; `endpoints` are pod names, `port` and `target_port` TCP and UDP alike.

    `addresses` are its clusterIPs. `node_port` is open on every node, None for type ClusterIP;
    `load_balancer` are the addresses of its balancer (VIPs), which every node translates, too.
    """

    name: str
    namespace: str
    addresses: tuple[Address, ...]
    port: int
    target_port: int
    endpoints: tuple[str, ...]
    type: ServiceType = "ClusterIP"
    external_traffic_policy: TrafficPolicy = "Cluster"
    node_port: int | None = None
    load_balancer: tuple[Address, ...] = ()

    @property
    def dns_name(self) -> str:
        """Return the service's name in the cluster domain."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """A server in the lab's internet: addresses in documentation ranges, and its DNS name."""

    name: str
    dns_name: str
    addresses: tuple[Address, ...]
    port: int = 8080

    def address(self, family: Family) -> Address | None:
        """Return the server's address of that family, None when it has none."""
        return next((a for a in self.addresses if family_of(a) is family), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecordPlan:
    """A DNSRecord object of the API server's name: `object_name` is its own, `name` the DNS name.

    There is one for each family (`record_type` A or AAAA), and each is called differently.
    """

    object_name: str
    name: str
    record_type: Literal["A", "AAAA"]
    values: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNat64Plan:
    """The translator of one node: its pool, its own addresses, and what the pool is hidden behind.

    `source4` is the node's IPv4 address: what is translated leaves the node with it.
    """

    node: str
    pool4: IPv4Network
    translator4: IPv4Address
    translator6: IPv6Address
    source4: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Nat64Plan:
    """The stateful translator at the gateway (RFC 6146) and its prefix (RFC 6052 section 2).

    `pool4` holds the IPv4 addresses that IPv6 sources are mapped to inside the gateway, before
    they are masqueraded behind `public4`. With `nodes`, each of them translates what its own pods
    send, from a part of `pool4`, and the gateway has no translator.
    """

    prefix: IPv6Network
    pool4: IPv4Network
    translator4: IPv4Address
    translator6: IPv6Address
    public4: IPv4Address
    nodes: tuple[NodeNat64Plan, ...] = ()

    def on_node(self, name: str) -> NodeNat64Plan | None:
        """Return the translator of a node, None where it has none."""
        return next((each for each in self.nodes if each.node == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClatPlan:
    """464XLAT: the address that applications see (RFC 7335) and the translator's own one."""

    placement: ClatPlacement
    address4: IPv4Address
    translator4: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitPlan:
    """The routers around the cluster: the addresses that each one answers from, IPv6 and IPv4.

    `fabric` is the fabric's side towards the gateway, `edge` the gateway's towards the internet,
    `internet` the internet's towards the gateway (the authoritative name server listens there).
    The gateway's side towards the fabric is `Plan.resolver`.
    """

    fabric: tuple[Address, ...] = ()
    edge: tuple[Address, ...] = ()
    internet: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasePlan:
    """DHCPv6 (RFC 8415) on the network of the nodes: one server, which leases what the plan has for them.

    `pool` is the allocation pool, the part of `subnet` that it may serve. `address` is the server's own,
    out of the pool; it speaks to its clients from `link_local`.
    """

    server: str
    link_local: IPv6Address
    address: IPv6Address
    subnet: IPv6Network
    pool: IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourPlan:
    """Another cluster of the same landscape: nodes with pods, no Services and no way out of its own.

    Its IPv6 ranges are its own and IPv6 is routed between the two without translation; its IPv4
    ranges may be the same as here, so IPv4 stays inside. `router` is the one that its nodes are
    below, and `address` that router's, where the gateway finds it.
    """

    name: str
    router: str
    address: IPv6Address
    node_ranges: tuple[Network, ...]
    pod_ranges: tuple[Network, ...]
    nodes: tuple[NodePlan, ...]

    @property
    def pods(self) -> tuple[PodPlan, ...]:
        """Return all pods, node by node."""
        return tuple(pod for node in self.nodes for pod in node.pods)

    @property
    def actors(self) -> tuple[PodPlan, ...]:
        """Return the pods that take part in stimuli."""
        return tuple(pod for pod in self.pods if pod.actor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole cluster with its gateway and its internet.

    Every tuple is in a fixed order; nothing in here depends on the machine, the clock or a random
    source other than `seed`. Ranges are primary family first. `pools` are the pod ranges again, with
    who hands out their parts; `advice` is what nobody refuses and still deserves a word. `proxy` is
    None where nobody knows how kube-proxy is configured, `ingress` where nobody comes from outside,
    `egress` where nobody goes out by a proxy.
    What is said of nodes and pods is about this cluster; the `neighbour` has its own, with names of
    their own. `dns_records` are those of the API server, which itself is no part of a lab. `neighbours` tells whether nodes and pods
    resolve the next hop of their IPv6 links or have it as a permanent entry, `default_routes` whether
    nodes have their IPv6 default route written down or from router advertisements (RFC 4861).
    `policies` are the NetworkPolicies of the pods' namespace, those that Gardener makes of `blocked`
    (the Seed's `blockCIDRs`) among them. `leases` is None where the nodes' IPv6 addresses are written
    down, too.
    """

    name: str
    families: tuple[Family, ...]
    node_ranges: tuple[Network, ...]
    pod_ranges: tuple[Network, ...]
    service_ranges: tuple[Network, ...]
    nodes: tuple[NodePlan, ...]
    services: tuple[ServicePlan, ...]
    dns_addresses: tuple[Address, ...]
    resolver: tuple[Address, ...]
    servers: tuple[ServerPlan, ...]
    nat64: Nat64Plan | None = None
    clat: ClatPlan | None = None
    transit: TransitPlan = TransitPlan()
    engine: str = "tayga"
    dns64_server: str = "bind"
    cni: str = "calico"
    provider: str = "local"
    seed: int = 0
    cloud: CloudPlan = field(default_factory=CloudPlan)
    pools: tuple[PodPool, ...] = ()
    components: tuple[Component, ...] = ()
    budgets: tuple[BitBudget, ...] = ()
    resolved: Resolved | None = None
    advice: tuple[Problem, ...] = ()
    proxy: ProxyPlan | None = None
    neighbour: NeighbourPlan | None = None
    ingress: IngressPlan | None = None
    egress: EgressPlan | None = None
    dns_records: tuple[DnsRecordPlan, ...] = ()
    neighbours: Neighbours = "permanent"
    default_routes: DefaultRoutes = "static"
    policies: tuple[Policy, ...] = ()
    blocked: tuple[Network, ...] = ()
    leases: LeasePlan | None = None

    @property
    def pods(self) -> tuple[PodPlan, ...]:
        """Return all pods, node by node."""
        return tuple(pod for node in self.nodes for pod in node.pods)

    @property
    def actors(self) -> tuple[PodPlan, ...]:
        """Return the pods that take part in stimuli."""
        return tuple(pod for pod in self.pods if pod.actor)

    @property
    def strangers(self) -> frozenset[str]:
        """Return the names of the neighbour's nodes and pods: nothing here is promised of them."""
        if self.neighbour is None:
            return frozenset()
        nodes, pods = self.neighbour.nodes, self.neighbour.pods
        return frozenset([node.name for node in nodes] + [pod.name for pod in pods])

    @property
    def service_routes(self) -> tuple[RoutePlan, ...]:
        """Return the routes that lead from outside to Services, by way of a node."""
        ranges = set(self.service_ranges)
        return tuple(r for r in self.cloud.routes if r.via is not None and r.destination in ranges)

    def pod(self, name: str) -> PodPlan:
        """Return the pod of that name, also a neighbour's; KeyError when there is none."""
        for pod in (*self.pods, *(self.neighbour.pods if self.neighbour else ())):
            if pod.name == name:
                return pod
        raise KeyError(name)

    def node(self, name: str) -> NodePlan:
        """Return the node of that name, also a neighbour's; KeyError when there is none."""
        for node in (*self.nodes, *(self.neighbour.nodes if self.neighbour else ())):
            if node.name == name:
                return node
        raise KeyError(name)

    def server(self, name: str) -> ServerPlan:
        """Return the internet server of that name; KeyError when the plan has none."""
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)
