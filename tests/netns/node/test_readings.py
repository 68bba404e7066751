"""What is read of a namespace is what is there: sockets, sysctls, routes, and the books about them."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from dataplane.kernel import netlink, netns, process, vxlan
from dataplane.kernel.routed import routed
from dataplane.model.address import Family
from dataplane.model.seen import (
    LinkSeen,
    ListenerSeen,
    NeighbourSeen,
    NeighbourState,
    RouteSeen,
    SettingSeen,
)
from probes.node import readings, sockets, sysctls
from probes.node.addresses import addresses
from probes.node.links import links
from probes.node.neighbours import neighbours
from probes.node.routes import routes

pytestmark = pytest.mark.needs("root", "netns")

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
KINDS = {6: TCP, 17: UDP}
ANY4, ANY6 = "0.0.0.0", "::"


@pytest.fixture
def namespace(unique: str) -> Iterator[str]:
    netns.create(unique)
    try:
        process.run(["ip", "link", "set", "lo", "up"], namespace=unique)
        yield unique
    finally:
        netns.remove(unique)


def opened(address, kind, *, port=0, v6only=None, reuse=False) -> socket.socket:
    """Open a socket that waits for others, in the calling thread's namespace."""
    channel = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    if v6only is not None:
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    if reuse:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    channel.bind((address, port))
    if kind == TCP:
        channel.listen()
    return channel


@pytest.mark.parametrize(
    ("address", "v6only"),
    [
        (ANY4, None),
        ("127.0.0.1", None),
        (ANY6, False),
        (ANY6, True),
        ("::1", True),
        ("::ffff:127.0.0.1", False),
    ],
)
@pytest.mark.parametrize("protocol", KINDS)
def test_a_socket_is_seen_as_it_is_bound(namespace, protocol, address, v6only):
    with netns.call(namespace, opened, address, KINDS[protocol], v6only=v6only) as channel:
        (seen,) = netns.call(namespace, sockets.listening, "pod-a")

        assert seen == ListenerSeen(
            owner="pod-a",
            protocol=protocol,
            family=Family.IPV6 if ":" in address else Family.IPV4,
            address=ip_address(address),
            port=channel.getsockname()[1],
            v6only=v6only,
        )


def test_only_what_waits_for_others_is_seen_and_each_place_once(namespace):
    with ExitStack() as stack:

        def inside() -> list[int]:
            server = stack.enter_context(opened(ANY6, TCP, v6only=0, reuse=True))
            port = server.getsockname()[1]
            stack.enter_context(opened(ANY6, TCP, port=port, v6only=0, reuse=True))
            client = stack.enter_context(socket.socket(socket.AF_INET6, TCP))
            client.connect(("::1", port))
            asking = stack.enter_context(socket.socket(socket.AF_INET6, UDP))
            asking.connect(("::1", 53))
            stack.enter_context(socket.socket(socket.AF_INET, UDP))  # has no port yet
            return [port]

        ports = netns.call(namespace, inside)

        assert [seen.port for seen in netns.call(namespace, sockets.listening, "x")] == ports


def test_a_namespace_knows_its_own_sockets_only(namespace):
    with opened("127.0.0.1", TCP):
        assert netns.call(namespace, sockets.listening, "x") == ()


def test_forwarding_is_seen_of_every_interface(namespace):
    dotted = "with.dot"
    process.run(["ip", "link", "add", dotted, "type", "veth"], namespace=namespace)

    def write() -> None:
        (sysctls.ROOT / sysctls.CONF / "all/forwarding").write_text("1")
        (sysctls.ROOT / sysctls.CONF / dotted / "forwarding").write_text("0")

    netns.call(namespace, write)

    seen = {s.name: s.value for s in netns.call(namespace, sysctls.forwarding, "node-0")}

    for interface, value in (("all", "1"), ("default", "1"), ("lo", "1"), (dotted, "0")):
        assert seen[f"net/ipv6/conf/{interface}/forwarding"] == value
    assert Path("/proc/sys/net/ipv6/conf").exists()


def test_routes_are_seen_once_per_next_hop_and_only_where_they_lead(namespace):
    for words in (
        "link add one type veth peer name two",
        "link set one up",
        "link set two up",
        "address add 192.0.2.1/24 dev one",
        "address add 2001:db8::1/64 dev one nodad",
        "route add 198.51.100.0/24 via 192.0.2.9",
        "-6 route add 2001:db8:1::/48 via 2001:db8::9",
        "-6 route add 2001:db8:2::/48 dev two",
        "route add 203.0.113.0/24 nexthop via 192.0.2.8 dev one nexthop via 192.0.2.7 dev one",
        "-6 route add 2001:db8:3::/48 nexthop via fe80::8 dev one nexthop via fe80::7 dev two",
        "route add blackhole 198.18.0.0/15",
        "-6 route add unreachable 2001:db8:4::/48",
    ):
        process.run(["ip", *words.split()], namespace=namespace)

    seen = netns.call(namespace, routes, "fabric")

    def route(destination: str, via: str | None, interface: str) -> RouteSeen:
        return RouteSeen(
            owner="fabric",
            destination=ip_network(destination),
            via=None if via is None else ip_address(via),
            interface=interface,
        )

    ours = {r for r in seen if not r.destination.is_link_local}
    assert ours == {
        route("192.0.2.0/24", None, "one"),
        route("2001:db8::/64", None, "one"),
        route("198.51.100.0/24", "192.0.2.9", "one"),
        route("2001:db8:1::/48", "2001:db8::9", "one"),
        route("2001:db8:2::/48", None, "two"),
        route("203.0.113.0/24", "192.0.2.8", "one"),
        route("203.0.113.0/24", "192.0.2.7", "one"),
        route("2001:db8:3::/48", "fe80::8", "one"),
        route("2001:db8:3::/48", "fe80::7", "two"),
    }


def test_readings_keep_books(namespace):
    where = {"node-0": namespace}
    with netns.call(namespace, opened, ANY6, TCP, v6only=1):
        read = readings.read(hosts=where, nodes=where, routers={})

    assert [seen.owner for seen in read.listeners] == ["node-0"]
    assert {type(seen) for seen in read.settings} == {SettingSeen}
    assert {seen.owner for seen in read.routes} <= {"node-0"}
    books = {(r.probe, r.where, r.hook): (r.counted, r.recorded, r.blind) for r in read.reports}
    assert books == {
        ("sockets", "node-0", "sock_diag"): (1, 1, None),
        ("sysctls", "node-0", "procfs"): (len(read.settings), len(read.settings), None),
        ("routes", "node-0", "rtnetlink"): (len(read.routes), len(read.routes), None),
        ("links", "node-0", "rtnetlink"): (0, 0, None),
        ("neighbours", "node-0", "rtnetlink"): (0, 0, None),
        ("addresses", "node-0", "rtnetlink"): (0, 0, None),
    }


def test_what_cannot_be_read_is_blind_and_not_nothing(namespace, monkeypatch):
    monkeypatch.setattr(sysctls, "CONF", "net/ipv6/conf-of-a-kernel-without-ipv6")

    read = readings.read(hosts={}, nodes={"node-0": namespace}, routers={})

    (report,) = (r for r in read.reports if r.probe == "sysctls")
    assert read.settings == ()
    assert "conf-of-a-kernel-without-ipv6" in (report.blind or "")


@pytest.mark.parametrize(
    ("local", "remote"), [("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "192.0.2.2")]
)
def test_a_tunnel_is_made_as_told(namespace, local, remote):
    def make() -> None:
        vxlan.add(
            "tunnel",
            index=77,
            mac="02:53:00:00:00:4d",
            network=4096,
            port=8472,
            local=ip_address(local),
            remote=ip_address(remote),
        )

    netns.call(namespace, make)

    (link,) = (x for x in netns.call(namespace, netlink.links) if x["name"] == "tunnel")
    assert (link["index"], link["kind"], link["mac"]) == (77, "vxlan", "02:53:00:00:00:4d")
    shown = process.run(["ip", "-d", "link", "show", "tunnel"], namespace=namespace)
    for words in (f"remote {remote}", f"local {local}", "id 4096", "dstport 8472"):
        assert words in shown
    with pytest.raises(OSError, match=r"link add tunnel \(vxlan\): File exists"):
        netns.call(namespace, make)


def test_an_interface_is_read_with_what_it_takes(namespace):
    assert netns.call(namespace, links, "pod-a") == ()

    process.run(
        ["ip", "link", "add", "eth0", "mtu", "1400", "type", "veth", "peer", "name", "eth1"],
        namespace=namespace,
    )

    assert set(netns.call(namespace, links, "pod-a")) == {
        LinkSeen(owner="pod-a", interface="eth0", mtu=1400),
        LinkSeen(owner="pod-a", interface="eth1", mtu=1500),
    }


def test_addresses_are_read_with_how_long_they_stay(namespace):
    for words in (
        "link set lo up",
        "link add one type veth peer name two",
        "link set one up",
        "-6 addr add 2001:db8::1/128 dev one nodad valid_lft 3600 preferred_lft 1800",
        "-6 addr add 2001:db8::2/64 dev one nodad",
        "addr add 192.0.2.1/24 dev one",
    ):
        process.run(["ip", *words.split()], namespace=namespace)

    seen = {
        (str(own.address), own.length): own
        for own in netns.call(namespace, addresses, "node-0")
        if not own.address.is_link_local
    }

    assert seen.keys() == {("2001:db8::1", 128), ("2001:db8::2", 64), ("192.0.2.1", 24)}
    assert {(own.owner, own.interface) for own in seen.values()} == {("node-0", "one")}
    leased = seen.pop(("2001:db8::1", 128))
    assert 3000 < leased.valid <= 3600
    assert {own.valid for own in seen.values()} == {None}


def test_neighbours_are_seen_with_what_became_of_them(namespace):
    mac = "02:53:00:00:00:01"
    for words in (
        "link add one type veth peer name two",
        "link set one up",
        "link set two up",
        f"-6 neigh add fe80::1 lladdr {mac} dev one nud permanent",
        f"-6 neigh add fe80::2 lladdr {mac} dev one nud noarp",
        f"-6 neigh add fe80::3 lladdr {mac} dev one nud reachable",
        f"-6 neigh add fe80::4 lladdr {mac} dev one nud stale",
        "-6 neigh add fe80::5 dev one nud failed",
        f"neigh add 192.0.2.1 lladdr {mac} dev one nud stale",
    ):
        process.run(["ip", *words.split()], namespace=namespace)

    seen = {n.address: n for n in netns.call(namespace, neighbours, "node-0")}

    def neighbour(address: str, state: NeighbourState, mac: str | None = mac) -> NeighbourSeen:
        own = ip_address(address)
        return NeighbourSeen(owner="node-0", interface="one", address=own, state=state, mac=mac)

    wanted = (
        neighbour("fe80::3", NeighbourState.REACHABLE),
        neighbour("fe80::4", NeighbourState.STALE),
        neighbour("fe80::5", NeighbourState.FAILED, None),
        neighbour("192.0.2.1", NeighbourState.STALE),
    )
    assert {ip_address(f"fe80::{n}") for n in (1, 2)}.isdisjoint(seen)
    assert [seen.get(one.address) for one in wanted] == list(wanted)


async def test_who_waits_for_a_route_goes_on_when_it_comes(namespace):
    def ip(words: str) -> None:
        process.run(["ip", *words.split()], namespace=namespace)

    for words in ("link add one type veth peer name two", "link set one up", "link set two up"):
        ip(words)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await routed(namespace, "::/0")
    came: list[str] = []

    async def wait() -> None:
        await routed(namespace, "::/0")
        came.append("default")

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(wait())
        await asyncio.to_thread(ip, "-6 route add 2001:db8::/32 dev one")
        assert came == []
        await asyncio.to_thread(ip, "-6 route add default via fe80::1 dev one")

    assert came == ["default"]
    async with asyncio.timeout(30):
        await routed(namespace, "::/0")  # what is there already is not waited for
