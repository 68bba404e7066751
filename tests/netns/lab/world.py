"""A small topology, built by hand: two nodes, pods, a gateway with NAT64, three servers.

It owes nothing to the planner, so a mistake there cannot hide a mistake in the lab.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import count

from dataplane.model.programs import AuthoritySpec, ListenerSpec, Record, ResolverSpec
from dataplane.model.topology import (
    End,
    Link,
    MasqueradeSpec,
    Namespace,
    Neighbour,
    Role,
    Route,
    ServiceRule,
    Topology,
    TranslatorSpec,
)

PREFIX = IPv6Network("64:ff9b:1::/96")
POOL4 = IPv4Network("198.18.0.0/16")
GW_FABRIC = ip_address("2001:db8:f1::53")
V4, DUAL4 = ip_address("198.51.100.4"), ip_address("198.51.100.46")
V6, DUAL6 = ip_address("2001:db8:f2::4006"), ip_address("2001:db8:f2::4046")
SERVICE6 = ip_address("fd00:5e::64")
DNS6 = ip_address("fd00:5e::a")
UP, DOWN = ip_address("fe80::1"), ip_address("fe80::2")
UP4, DOWN4 = ip_address("169.254.1.1"), ip_address("169.254.1.2")


LISTENING = 4  # pods that have a listener, and are endpoints of the service
ZONES = ("internet.test", "svc.cluster.local")
RECORDS = (
    Record(name="v4only.internet.test", type="A", value=str(V4)),
    Record(name="v6only.internet.test", type="AAAA", value=str(V6)),
    Record(name="dual.internet.test", type="A", value=str(DUAL4)),
    Record(name="dual.internet.test", type="AAAA", value=str(DUAL6)),
    Record(name="web.default.svc.cluster.local", type="AAAA", value=str(SERVICE6)),
)


@dataclass
class Draft:
    namespaces: list = field(default_factory=list)
    links: list = field(default_factory=list)
    routes: list = field(default_factory=list)
    neighbours: list = field(default_factory=list)
    translators: list = field(default_factory=list)
    listeners: list = field(default_factory=list)
    numbers: count = field(default_factory=lambda: count(100))

    def wire(self, above, below, upper_addresses=(), lower_addresses=()):
        """A link with link-local addresses on both sides and permanent neighbours."""
        (upper, upper_if), (lower, lower_if) = above, below
        ends = []
        for namespace, interface, addresses, local in (
            (upper, upper_if, upper_addresses, UP),
            (lower, lower_if, lower_addresses, DOWN),
        ):
            index = next(self.numbers)
            own = tuple(map(ip_address, addresses))
            mac = f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}"
            ends.append(
                End(
                    namespace=namespace,
                    interface=interface,
                    index=index,
                    mac=mac,
                    addresses=(local, *own),
                )
            )
        a, b = ends
        self.links.append(Link(a=a, b=b))
        for end, other in ((a, b), (b, a)):
            for address in (UP, UP4) if other is a else (DOWN, DOWN4):
                self.neighbours.append(
                    Neighbour(
                        namespace=end.namespace,
                        interface=end.interface,
                        address=address,
                        mac=other.mac,
                    )
                )

    def route(self, namespace, interface, destination, *, via=None, source=None):
        self.routes.append(
            Route(
                namespace=namespace,
                interface=interface,
                via=via,
                destination=None if destination is None else ip_network(destination),
                source=None if source is None else ip_address(source),
            )
        )

    def host(self, above, name, *addresses):
        """A server of its own behind a router."""
        self.namespaces.append(Namespace(name=name, role=Role.SERVER))
        self.wire((above, name), (name, "eth0"), [], addresses)
        for address in addresses:
            six = address.version == 6
            self.route(above, name, address, via=DOWN if six else DOWN4)
            self.route(name, "eth0", None, via=UP if six else UP4, source=address)


def pod_address(node: int, number: int) -> IPv6Address:
    return IPv6Address(f"2001:db8:c0:{node:x}::{number + 2:x}")


def world(*, pods=3, nodes=2, clat="pod", server="bind", dns64=True, clats=1) -> Topology:
    """Pods pod-0 ... on nodes in turn; the first `clats` of them have a CLAT (unless None)."""
    d = Draft()
    surroundings(d)
    for node in range(nodes):
        add_node(d, node)
    endpoints = tuple(
        add_pod(d, number, number % nodes, clat=clat is not None and number < clats)
        for number in range(pods)
    )
    nat64(d)
    authority = ip_address("2001:db8:f2::53")
    d.host("internet", "dns", authority)
    return Topology(
        namespaces=tuple(d.namespaces),
        links=tuple(d.links),
        routes=tuple(d.routes),
        neighbours=tuple(d.neighbours),
        services=(
            ServiceRule(
                name="default/web",
                address=SERVICE6,
                port=80,
                endpoints=endpoints[:LISTENING],
                target_port=8080,
            ),
            ServiceRule(
                name="kube-system/kube-dns",
                address=DNS6,
                port=53,
                endpoints=(GW_FABRIC,),
                target_port=53,
            ),
        ),
        translators=tuple(d.translators),
        masquerades=(MasqueradeSpec(namespace="gateway", interface="edge0", sources=(POOL4,)),),
        authority=AuthoritySpec(namespace="dns", listen=(authority,), zones=ZONES, records=RECORDS),
        resolver=ResolverSpec(
            namespace="gateway",
            server=server,
            listen=(GW_FABRIC,),
            upstream=authority,
            zones=ZONES,
            dns64=PREFIX if dns64 else None,
        ),
        listeners=tuple(d.listeners),
        taps=(),
    )


def surroundings(d: Draft) -> None:
    """Fabric, gateway, internet and three servers."""
    for name, role in (
        ("fabric", Role.FABRIC),
        ("gateway", Role.GATEWAY),
        ("internet", Role.INTERNET),
    ):
        d.namespaces.append(Namespace(name=name, role=role, forwarding=True))
    d.wire(("gateway", "fabric0"), ("fabric", "up0"), [GW_FABRIC], ["2001:db8:f1::1"])
    d.route("fabric", "up0", None, via=UP)
    d.route("gateway", "fabric0", "2001:db8:f1::1/128", via=DOWN)
    d.route("gateway", "fabric0", "2001:db8:c0::/48", via=DOWN)
    d.wire(
        ("internet", "gw0"),
        ("gateway", "edge0"),
        ["198.51.100.1", "2001:db8:f2::1"],
        ["203.0.113.2", "2001:db8:f2::2"],
    )
    d.route("gateway", "edge0", None, via=UP)
    d.route("gateway", "edge0", None, via=UP4, source="203.0.113.2")
    d.route("internet", "gw0", "203.0.113.2/32", via=DOWN4)
    for inside in ("2001:db8:c0::/48", "2001:db8:f2::2/128", "2001:db8:f1::/48"):
        d.route("internet", "gw0", inside, via=DOWN)
    for name, addresses in (
        ("server-v4", (V4,)),
        ("server-v6", (V6,)),
        ("server-dual", (DUAL6, DUAL4)),
    ):
        d.host("internet", name, *addresses)
        d.listeners.append(ListenerSpec(namespace=name, addresses=addresses, port=8080))


def add_node(d: Draft, node: int) -> None:
    """A node with its pod prefix routed to it."""
    name, address = f"node-{node}", f"2001:db8:c0:f::{node + 1:x}"
    d.namespaces.append(Namespace(name=name, role=Role.NODE, forwarding=True))
    d.wire(("fabric", f"node{node}"), (name, "eth0"), [], [address])
    d.route(name, "eth0", None, via=UP)
    d.route("fabric", f"node{node}", f"2001:db8:c0:{node:x}::/64", via=DOWN)
    d.route("fabric", f"node{node}", f"{address}/128", via=DOWN)


def add_pod(d: Draft, number: int, node: int, *, clat: bool) -> IPv6Address:
    """A pod, perhaps with a CLAT inside; returns its address."""
    name, side, address = f"pod-{number}", f"v{number}", pod_address(node, number)
    d.namespaces.append(Namespace(name=name, role=Role.POD, forwarding=clat))
    d.wire((f"node-{node}", side), (name, "eth0"), [], [address])
    d.route(name, "eth0", None, via=UP)
    d.route(f"node-{node}", side, address, via=DOWN)
    if number < LISTENING:
        d.listeners.append(ListenerSpec(namespace=name, addresses=(address,), port=8080))
    if clat:
        clat6 = IPv6Address(f"2001:db8:c0:{node:x}:c::{number + 2:x}")
        d.route(f"node-{node}", side, clat6, via=DOWN)
        d.translators.append(
            TranslatorSpec(
                namespace=name,
                kind="clat",
                engine="tayga",
                interface="clat",
                index=next(d.numbers),
                prefix=PREFIX,
                translator4=IPv4Address("192.0.0.1"),
                address4=IPv4Address("192.0.0.2"),
                address6=clat6,
                mtu=1472,
            )
        )
        d.route(name, "clat", None, source="192.0.0.2")
        d.route(name, "clat", clat6)
    return address


def nat64(d: Draft) -> None:
    """A stateful translator at the gateway."""
    d.translators.append(
        TranslatorSpec(
            namespace="gateway",
            kind="nat64",
            engine="tayga",
            interface="nat64",
            index=next(d.numbers),
            prefix=PREFIX,
            translator4=IPv4Address("198.18.0.1"),
            translator6=IPv6Address("2001:db8:f1::64"),
            pool4=POOL4,
        )
    )
    d.route("gateway", "nat64", PREFIX)
    d.route("gateway", "nat64", POOL4)
