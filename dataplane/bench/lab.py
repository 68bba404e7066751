"""How long a lab takes to come up, as a ratio to `ip -batch` doing the same netlink work.

Ours is the whole lab: claim, namespaces, sysctls, links, addresses, routes, neighbours, devices, nftables,
listeners, translators, DNS servers, until it is ready. Theirs is iproute2 with nothing but the
namespaces and the netlink requests, in its fastest form: one process that adds all namespaces, then
one per namespace with everything in a batch.
"""

import asyncio
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

from dataplane.bench.ratio import PAIRS, Row, interleaved, row
from dataplane.kernel import netns, process
from dataplane.model.address import Address, Family
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.topology import Link, Route, Topology
from dataplane.planning.plan import plan
from dataplane.planning.topology import topology
from labs.build import Lab
from labs.site import RUNS

GOAL = 1.5


def rows(*, pairs: int = PAIRS) -> tuple[Row, ...]:
    """Measure; needs root and a minute or two."""
    return (
        _row("100-pod lab up / ip -batch", _topology(100), pairs),
        _row("500-pod lab up / ip -batch", _topology(500), pairs),
    )


def up(wanted: Topology) -> float:
    """Build a lab and take it down; return the seconds until it was up."""

    async def measured() -> float:
        run = f"bench-{secrets.token_hex(3)}"
        begin = time.perf_counter()
        async with Lab(wanted, run=run, directory=RUNS / run):
            return time.perf_counter() - begin

    return asyncio.run(measured())


def up_by_ip(wanted: Topology) -> float:
    """Do the same netlink work with `ip -batch` and undo it; return the seconds."""
    ip = process.find("ip", package="iproute2")
    prefix = f"sx-bench-{secrets.token_hex(3)}-"
    names = [prefix + namespace.name for namespace in wanted.namespaces]
    with tempfile.TemporaryDirectory() as directory:
        files = {}
        for namespace, lines in batches(wanted, prefix).items():
            files[namespace] = Path(directory) / namespace
            files[namespace].write_text("\n".join([*lines, ""]))
        first = Path(directory) / "namespaces"
        first.write_text("".join(f"netns add {name}\n" for name in names))
        try:
            begin = time.perf_counter()
            subprocess.run([ip, "-batch", str(first)], check=True)
            for namespace, file in files.items():
                subprocess.run([ip, "-n", namespace, "-batch", str(file)], check=True)
            return time.perf_counter() - begin
        finally:
            for name in names:
                netns.remove(name)


def batches(wanted: Topology, prefix: str) -> dict[str, list[str]]:
    """Return a topology's links, addresses, neighbours and routes as lines for `ip -batch`."""
    lines: dict[str, list[str]] = {prefix + n.name: ["link set lo up"] for n in wanted.namespaces}
    for link in wanted.links:
        lines[prefix + link.a.namespace].append(_link(link, prefix))
    for link in wanted.links:
        lines[prefix + link.b.namespace].append(f"link set {link.b.interface} up")
        for end in (link.a, link.b):
            lines[prefix + end.namespace] += [
                _address(address, end.interface) for address in end.addresses
            ]
    for spec in wanted.translators:
        lines[prefix + spec.namespace] += [
            f"tuntap add dev {spec.interface} mode tun",
            f"link set {spec.interface} mtu {spec.mtu} up",
        ]
        if spec.address4 is not None:
            lines[prefix + spec.namespace].append(_address(spec.address4, spec.interface))
    for neighbour in wanted.neighbours:
        lines[prefix + neighbour.namespace].append(
            f"neighbour add {neighbour.address} lladdr {neighbour.mac} nud permanent"
            f" dev {neighbour.interface}"
        )
    for route in wanted.routes:
        lines[prefix + route.namespace].append(_route(route))
    return lines


def _row(name: str, wanted: Topology, pairs: int) -> Row:
    return row(name, interleaved(_of(up, wanted), _of(up_by_ip, wanted), pairs=pairs), goal=GOAL)


def _of(measure: Callable[[Topology], float], wanted: Topology) -> Callable[[], float]:
    return lambda: measure(wanted)


def _topology(pods: int) -> Topology:
    wishes = [
        RangeWish(family=Family.IPV6, strategy=Strategy.CIDR, network=network)
        for network in map(IPv6Network, ("2001:db8:10::/64", "2001:db8:1::/48", "2001:db8:3::/108"))
    ]
    nodes, pods_wish, services = wishes
    cluster = Cluster(
        name="bench",
        families=(Family.IPV6,),
        nodes=(nodes,),
        pods=(pods_wish,),
        services=(services,),
    )
    return topology(plan(cluster, nodes=2, pods=pods))


def _link(link: Link, prefix: str) -> str:
    a, b = link.a, link.b
    return (
        f"link add {a.interface} index {a.index} address {a.mac} mtu {link.mtu} up type veth"
        f" peer name {b.interface} index {b.index} address {b.mac} mtu {link.mtu}"
        f" netns {prefix}{b.namespace}"
    )


def _address(address: Address, interface: str) -> str:
    length = 64 if address.version == 6 and address.is_link_local else address.max_prefixlen
    nodad = " nodad" if address.version == 6 else ""
    return f"address add {address}/{length} dev {interface}{nodad}"


def _route(route: Route) -> str:
    hint = route.via or route.source
    version = (route.destination or hint or IPv6Address(0)).version
    destination = route.destination or ("0.0.0.0/0" if version == 4 else "::/0")
    via = f" via {route.via} onlink" if route.via else ""
    source = f" src {route.source}" if route.source else ""
    return f"route add {destination}{via} dev {route.interface}{source} proto static"
