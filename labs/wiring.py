"""From a topology to what the kernel is told: sysctls, devices and netlink batches by namespace."""

import os
from collections.abc import Callable, Iterable
from ipaddress import ip_network

from dataplane.kernel import netns, vxlan
from dataplane.kernel.netlink import Batch, Peer
from dataplane.kernel.rtnetlink import NetlinkError
from dataplane.model.address import Network
from dataplane.model.errors import LabFailedError
from dataplane.model.topology import (
    Bridge,
    End,
    Link,
    Namespace,
    Route,
    Topology,
    TranslatorSpec,
    Tunnel,
)
from dataplane.rules.pathmtu import IPV6_MIN_MTU
from labs import engines
from labs.site import Site

Batches = dict[str, Batch]  # by the name of the member that they are applied in
LOOPBACK = 1
SYSCTL = "/proc/sys/net"
# What a new namespace gets before its first interface, so that `default` reaches every one of them.
# IPv4 settings are inherited from the host (net.core.devconf_inherit_init_net), so they are written
# even where the value looks like the default.
SYSCTLS = (
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/ping_group_range", "0 2147483647"),  # ICMP datagram sockets, of both families
    ("ipv4/icmp_ratelimit", "0"),  # errors come every time or never
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/addr_gen_mode", "1"),  # none: link-local addresses are the topology's
    ("ipv6/conf/default/accept_redirects", "0"),
)
FORWARDING = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")


def write_sysctls(namespace: Namespace) -> None:
    """Write a namespace's sysctls; for a thread that is inside. Writing forwarding resets others."""
    for name in FORWARDING:
        _write(name, "1" if namespace.forwarding else "0")
    for name, value in SYSCTLS:
        _write(name, value)
    # Who takes advertisements asks for them as long as none comes (RFC 7559), others never.
    _write("ipv6/conf/default/accept_ra", str(namespace.accept_ra))
    _write("ipv6/conf/default/router_solicitations", "-1" if namespace.accept_ra else "0")


def devices(topology: Topology) -> dict[str, Callable[[], None]]:
    """Return what makes translators' devices and tunnels, by namespace; for threads that are inside."""
    makers: dict[str, Callable[[], None]] = {}
    wanted: tuple[TranslatorSpec | Tunnel, ...] = (*topology.translators, *topology.tunnels)
    for namespace in {spec.namespace for spec in wanted}:
        specs = [spec for spec in wanted if spec.namespace == namespace]

        def make(specs: Iterable[TranslatorSpec | Tunnel] = specs) -> None:
            for spec in specs:
                if isinstance(spec, Tunnel):
                    _make_tunnel(spec)
                else:
                    engines.engine(spec.engine).device(spec)

        makers[namespace] = make
    return makers


def links(wanted: Iterable[Link], open_namespace: Callable[[str], int]) -> Batches:
    """Return the batches that make the veth pairs, by the namespace of their first ends.

    `open_namespace` gives a descriptor for the namespace of the second ends.
    """
    batches: Batches = {}
    for link in wanted:
        a, b = link.a, link.b
        peer = Peer(b.interface, b.index, b.mac, open_namespace(b.namespace))
        batch = batches.setdefault(a.namespace, Batch())
        mtu = max(link.mtu, IPV6_MIN_MTU)  # see `narrowed`
        batch.veth(a.interface, index=a.index, mac=a.mac, mtu=mtu, peer=peer)
    return batches


def addresses(topology: Topology, members: Iterable[Namespace]) -> Batches:
    """Return the batches that bring everything up and give it addresses, neighbours and routes.

    `members` are the topology's namespaces and those that the engines want for themselves.
    """
    batches = {namespace.name: Batch() for namespace in members}
    indexes = _indexes(topology)
    for batch in batches.values():
        batch.up(LOOPBACK)
    for link in topology.links:
        batches[link.b.namespace].up(link.b.index)
        for end in (link.a, link.b):
            _add_addresses(batches[end.namespace], end)
    for bridge in topology.bridges:
        _add_bridge(batches[bridge.namespace], bridge, indexes)
    for spec in topology.translators:
        batch = batches[spec.namespace]
        batch.up(spec.index, mtu=spec.mtu)
        if spec.kind == "clat" and spec.address4 is not None:
            batch.address(spec.index, spec.address4)
    for tunnel in topology.tunnels:
        batches[tunnel.namespace].up(tunnel.index, mtu=tunnel.mtu)
    for neighbour in topology.neighbours:
        index = indexes[neighbour.namespace, neighbour.interface]
        batches[neighbour.namespace].neighbour(index, neighbour.address, neighbour.mac)
    for route in topology.routes:
        index = _index_of(route, indexes)
        destination = route.destination or _default(route)
        batches[route.namespace].route(
            index, destination, via=route.via, source=route.source, mtu=route.mtu
        )
    return batches


def narrowed(topology: Topology) -> Batches:
    """Return the batches that make links narrower than IPv6 allows; they come after all others.

    On such an interface the kernel gives IPv6 up, with addresses and routes, and takes no new
    ones: so it goes where an MTU changes on a network that works.
    """
    batches: Batches = {}
    for link in topology.links:
        for end in (link.a, link.b) if link.mtu < IPV6_MIN_MTU else ():
            batches.setdefault(end.namespace, Batch()).up(end.index, mtu=link.mtu)
    return batches


def apply(batches: Batches, site: Site, proceed: Callable[[], None]) -> None:
    """Apply the batches, each inside its namespace; `proceed()` comes before each and may raise."""
    names = {site.namespace(member): member for member in batches}

    def inside(mounted: str) -> None:
        proceed()
        try:
            batches[names[mounted]].apply()
        except NetlinkError as failure:
            raise LabFailedError(mounted, "netlink", stderr=str(failure)) from failure

    netns.call_each(names, inside)


def _make_tunnel(spec: Tunnel) -> None:
    vxlan.add(
        spec.interface,
        index=spec.index,
        mac=spec.mac,
        network=spec.network,
        port=spec.port,
        local=spec.local,
        remote=spec.remote,
    )


def _add_addresses(batch: Batch, end: End) -> None:
    for address in end.addresses:
        batch.address(end.index, address)


def _add_bridge(batch: Batch, bridge: Bridge, indexes: dict[tuple[str, str], int]) -> None:
    batch.bridge(bridge.interface, index=bridge.index, mac=bridge.mac)
    for port in bridge.ports:
        batch.port(indexes[bridge.namespace, port], bridge.index)


def _indexes(topology: Topology) -> dict[tuple[str, str], int]:
    ends = (end for link in topology.links for end in (link.a, link.b))
    indexes = {(end.namespace, end.interface): end.index for end in ends}
    indexes |= {(spec.namespace, spec.interface): spec.index for spec in topology.translators}
    indexes |= {(tunnel.namespace, tunnel.interface): tunnel.index for tunnel in topology.tunnels}
    indexes |= {(namespace.name, "lo"): LOOPBACK for namespace in topology.namespaces}
    return indexes


def _index_of(route: Route, indexes: dict[tuple[str, str], int]) -> int:
    try:
        return indexes[route.namespace, route.interface]
    except KeyError:
        raise LabFailedError(
            route.namespace,
            f"route to {route.destination or 'default'}",
            stderr=f"the topology has no interface {route.interface} there",
        ) from None


def _default(route: Route) -> Network:
    hint = route.via or route.source
    if hint is None:
        raise LabFailedError(
            route.namespace,
            f"default route through {route.interface}",
            stderr="of which family? It has neither a next hop nor a source",
        )
    return ip_network("0.0.0.0/0" if hint.version == 4 else "::/0")


def _write(name: str, value: str) -> None:
    # /proc/sys/net shows the namespace of the thread that opens a file in it.
    try:
        file = os.open(f"{SYSCTL}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, value.encode())
        finally:
            os.close(file)
    except OSError as failure:
        what = f"net.{name.replace('/', '.')} = {value}: {failure.strerror}"
        raise OSError(failure.errno, what) from failure
