"""rtnetlink: links, addresses, routes and neighbours of one namespace, written as batches.

pyroute2's message classes do the encoding and decoding. Its sockets do the listening (`carrier`),
but not the building: `netns=` forks a process for every socket it opens in a namespace (4-6 ms
each), and a round trip per request would take a lab of 100 pods past twice the time of
`ip -batch`. A batch is therefore one blob per 30 kB, sent through one plain netlink socket that
was opened by a thread inside the namespace, with every acknowledgement read.
"""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from dataplane.kernel import netns
from dataplane.kernel.rtnetlink import (
    NLM_F_REQUEST,
    NLMSG_ERROR,
    NetlinkError,
    link_events,
    read_acknowledgements,
    route_socket,
)
from dataplane.model.address import Address, Network

# include/uapi/linux/rtnetlink.h, netlink.h, neighbour.h, if_addr.h, if.h
RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
RTM_GETQDISC = 38
NLM_F_ACK, NLM_F_DUMP = 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLMSG_DONE = 3
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
RTNH_F_ONLINK, RTAX_MTU = 4, 2
NUD_PERMANENT, IFA_F_NODAD = 0x80, 0x02
IFF_UP = 1
IF_RA_RCVD, IF_RA_MANAGED = 0x20, 0x40  # include/net/if_inet6.h, in IFLA_INET6_FLAGS
INFINITY = 0xFFFFFFFF  # a lifetime, in s (linux/if_addr.h: struct ifa_cacheinfo)

CHUNK = 30_000  # octets per write; the kernel takes one skb, whose linear part stays small
ROUND = 128  # acknowledgements in flight; more could overflow the default receive buffer


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a veth pair: its namespace is an open descriptor."""

    interface: str
    index: int
    mac: str
    namespace: int


class Batch:
    """Requests for one namespace, encoded as they are added and sent in their order."""

    def __init__(self) -> None:
        self._requests: list[tuple[bytes, str]] = []

    def __len__(self) -> int:
        return len(self._requests)

    def veth(self, interface: str, *, index: int, mac: str, mtu: int, peer: Peer) -> None:
        """Add a veth pair with given interface indexes; `mtu` in octets.

        This end comes up, the other one has to be set up from its own namespace (`up`): a veth
        cannot be opened before its pair is complete (ENOTCONN).
        """
        other = {
            "index": peer.index,
            "attrs": [
                ("IFLA_IFNAME", peer.interface),
                ("IFLA_ADDRESS", peer.mac),
                ("IFLA_MTU", mtu),
                ("IFLA_NET_NS_FD", peer.namespace),
            ],
        }
        data = {"attrs": [("VETH_INFO_PEER", other)]}
        info = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}
        message = ifinfmsg()
        message["index"] = index
        message["flags"] = message["change"] = IFF_UP
        message["attrs"] = [
            ("IFLA_IFNAME", interface),
            ("IFLA_ADDRESS", mac),
            ("IFLA_MTU", mtu),
            ("IFLA_LINKINFO", info),
        ]
        self._add(message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, f"link add {interface}")

    def bridge(self, interface: str, *, index: int, mac: str) -> None:
        """Add a bridge, which comes up; it has no spanning tree and learns who is where."""
        message = ifinfmsg()
        message["index"] = index
        message["flags"] = message["change"] = IFF_UP
        message["attrs"] = [
            ("IFLA_IFNAME", interface),
            ("IFLA_ADDRESS", mac),
            ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}),
        ]
        what = f"link add {interface} type bridge"
        self._add(message, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, what)

    def port(self, index: int, bridge: int) -> None:
        """Make an interface a port of a bridge in the same namespace."""
        message = ifinfmsg()
        message["index"] = index
        message["attrs"] = [("IFLA_MASTER", bridge)]
        self._add(message, RTM_NEWLINK, 0, f"link set {index} master {bridge}")

    def up(self, index: int, *, mtu: int | None = None) -> None:
        """Set an interface up, and its MTU (octets) when one is given."""
        message = ifinfmsg()
        message["index"] = index
        message["flags"] = message["change"] = IFF_UP
        message["attrs"] = [] if mtu is None else [("IFLA_MTU", mtu)]
        self._add(message, RTM_NEWLINK, 0, f"link set {index} up")

    def address(self, index: int, address: Address, *, length: int | None = None) -> None:
        """Add an address, by default as a host address; link-local ones get their /64.

        Duplicate address detection is skipped: an address that is tentative for a second would
        lose the first packet.
        """
        if length is None:
            length = 64 if address.is_link_local and address.version == 6 else address.max_prefixlen
        message = ifaddrmsg()
        message["family"] = _family(address)
        message["prefixlen"] = length
        message["index"] = index
        message["flags"] = IFA_F_NODAD if address.version == 6 else 0
        text = str(address)
        message["attrs"] = [("IFA_ADDRESS", text), ("IFA_LOCAL", text)]
        what = f"address add {text}/{length} dev {index}"
        self._add(message, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, what)

    def route(
        self,
        index: int,
        destination: Network,
        *,
        via: Address | None = None,
        source: Address | None = None,
        mtu: int | None = None,
    ) -> None:
        """Add or replace a route; a next hop is on-link whatever the prefixes say, `mtu` is locked."""
        message = rtmsg()
        message["family"] = _family(destination)
        message["dst_len"] = destination.prefixlen
        message.update(table=RT_TABLE_MAIN, proto=RTPROT_STATIC, type=RTN_UNICAST)
        plain4 = destination.version == 4 and via is None
        message["scope"] = RT_SCOPE_LINK if plain4 else RT_SCOPE_UNIVERSE
        attributes: list[tuple[str, Any]] = [("RTA_OIF", index)]
        if destination.prefixlen:
            attributes.append(("RTA_DST", str(destination.network_address)))
        if via is not None:
            message["flags"] = RTNH_F_ONLINK
            if via.version == destination.version:
                attributes.append(("RTA_GATEWAY", str(via)))
            else:
                attributes.append(("RTA_VIA", {"family": _family(via), "addr": str(via)}))
        if source is not None:
            attributes.append(("RTA_PREFSRC", str(source)))
        if mtu is not None:  # locked, because only then it counts for what is forwarded
            metrics = [("RTAX_LOCK", 1 << RTAX_MTU), ("RTAX_MTU", mtu)]
            attributes.append(("RTA_METRICS", {"attrs": metrics}))
        message["attrs"] = attributes
        what = f"route add {destination} via {via} dev {index}"
        self._add(message, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, what)

    def neighbour(self, index: int, address: Address, mac: str) -> None:
        """Add a permanent neighbour entry, which the host's neighbour limits do not count."""
        message = ndmsg()
        message["family"] = _family(address)
        message["ifindex"] = index
        message["state"] = NUD_PERMANENT
        message["attrs"] = [("NDA_DST", str(address)), ("NDA_LLADDR", mac)]
        what = f"neighbour add {address} dev {index}"
        self._add(message, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, what)

    def apply(self) -> None:
        """Send the requests in the calling thread's namespace; NetlinkError at the first refusal."""
        if not self._requests:
            return
        with route_socket() as channel:
            sequence = 0
            for blob, whats in self._chunks():
                channel.sendall(blob)
                read_acknowledgements(channel, whats, sequence)
                sequence += len(whats)

    def _chunks(self) -> Iterator[tuple[bytes, list[str]]]:
        blob = bytearray()
        whats: list[str] = []
        for sequence, (message, what) in enumerate(self._requests):
            if whats and (len(blob) + len(message) > CHUNK or len(whats) == ROUND):
                yield bytes(blob), whats
                blob, whats = bytearray(), []
            offset = len(blob)
            blob += message
            struct.pack_into("=I", blob, offset + 8, sequence)
            whats.append(what)
        yield bytes(blob), whats

    def _add(self, message: Any, kind: int, flags: int, what: str) -> None:  # noqa: ANN401 - pyroute2 has no types
        message["header"]["type"] = kind
        message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
        message.encode()
        self._requests.append((bytes(message.data), what))


def links() -> list[dict[str, Any]]:
    """List the links of the calling thread's namespace.

    Each is {"index", "name", "mac", "up", "mtu", "kind", "carrier", "peer", "nsid", "master", "managed"};
    `peer` is the index of a veth's other end in that end's namespace, `nsid` what that one is called here,
    `master` the index of the bridge that it is a port of, `managed` the flag M of the router
    advertisement that was taken last (RFC 4861 section 4.2), None where none was.
    """
    return [_link(message) for message in _dump(RTM_GETLINK, ifinfmsg())]


def link(index: int) -> dict[str, Any]:
    """Return one link of the calling thread's namespace as `links` does; NetlinkError without it."""
    request = ifinfmsg()
    request["index"] = index
    (message,) = _ask(RTM_GETLINK, request, NLM_F_REQUEST)
    return _link(message)


def addresses() -> list[tuple[int, str]]:
    """List (interface index, "address/length") of the calling thread's namespace."""
    return [(index, address) for index, address, _ in lifetimes()]


def lifetimes() -> list[tuple[int, str, int | None]]:
    """List (interface index, "address/length", valid lifetime in s) of the calling thread's namespace.

    The lifetime is None where the address stays for ever.
    """
    found = []
    for message in _dump(RTM_GETADDR, ifaddrmsg()):
        valid = (message.get_attr("IFA_CACHEINFO") or {}).get("ifa_valid", INFINITY)
        address = f"{_local(message)}/{message['prefixlen']}"
        found.append((message["index"], address, None if valid == INFINITY else valid))
    return found


def routes() -> list[tuple[str, str | None, int | None]]:
    """List (destination, next hop, interface index) of the main table's unicast routes, both families.

    A route with several next hops is listed once for each of them.
    """
    result = []
    for family in (socket.AF_INET, socket.AF_INET6):
        request = rtmsg()
        request["family"] = family
        for message in _dump(RTM_GETROUTE, request):
            if message["table"] != RT_TABLE_MAIN or message["type"] != RTN_UNICAST:
                continue
            unset = "0.0.0.0" if family == socket.AF_INET else "::"  # noqa: S104 - a route, not a socket
            to = f"{message.get_attr('RTA_DST') or unset}/{message['dst_len']}"
            for hop in message.get_attr("RTA_MULTIPATH") or [message]:
                via = hop.get_attr("RTA_GATEWAY") or (hop.get_attr("RTA_VIA") or {}).get("addr")
                result.append((to, via, hop.get_attr("RTA_OIF") or hop.get("oif")))
    return result


def neighbours() -> list[tuple[int, str, str | None, int]]:
    """List (interface index, address, hardware address, state) of the calling thread's namespace."""
    return [
        (
            message["ifindex"],
            message.get_attr("NDA_DST"),
            message.get_attr("NDA_LLADDR"),
            message["state"],
        )
        for message in _dump(RTM_GETNEIGH, ndmsg())
    ]


def qdiscs() -> list[tuple[int, str, int]]:
    """List (interface index, kind, handle) of the queueing disciplines that carry a handle."""
    return [
        (message["index"], message.get_attr("TCA_KIND"), message["handle"])
        for message in _dump(RTM_GETQDISC, tcmsg())
        if message["handle"]
    ]


async def carrier(where: str, interface: str, *, seconds: float) -> None:
    """Wait until an interface has a carrier: a TUN device has one once somebody reads it.

    TimeoutError after `seconds`. `where` is the name of a namespace.
    """
    channel = netns.call(where, link_events)
    with channel:
        route = AsyncIPRoute(use_socket=channel)
        try:
            async with asyncio.timeout(seconds):
                now = netns.call(where, links)
                if any(link["name"] == interface and link["carrier"] for link in now):
                    return
                while True:
                    async for message in route.get():
                        if (
                            message.get("event") == "RTM_NEWLINK"
                            and message.get_attr("IFLA_IFNAME") == interface
                            and message.get_attr("IFLA_CARRIER")
                        ):
                            return
        finally:
            route.close()


def _dump(kind: int, request: nlmsg) -> list[Any]:
    return _ask(kind, request, NLM_F_REQUEST | NLM_F_DUMP)


def _ask(kind: int, request: nlmsg, flags: int) -> list[Any]:
    """Return what the kernel answers: one message, or as many as there are to a dump."""
    request["header"]["type"] = kind
    request["header"]["flags"] = flags
    request["header"]["sequence_number"] = 1
    request.encode()
    marshal = MarshalRtnl()
    found: list[Any] = []
    with route_socket() as channel:
        channel.sendall(request.data)
        while True:
            for message in marshal.parse(channel.recv(1 << 17), 1):
                header: Mapping[str, Any] = message["header"]
                if header["type"] == NLMSG_DONE:
                    return found
                if header["type"] == NLMSG_ERROR:
                    code = getattr(header.get("error"), "code", errno.EIO)
                    raise NetlinkError(code, f"request {kind}: {os.strerror(code)}")
                found.append(message)
                if not flags & NLM_F_DUMP:
                    return found


def _link(message: Any) -> dict[str, Any]:  # noqa: ANN401 - pyroute2 has no types
    return {
        "index": message["index"],
        "name": message.get_attr("IFLA_IFNAME"),
        "mac": message.get_attr("IFLA_ADDRESS"),
        "up": bool(message["flags"] & IFF_UP),
        "mtu": message.get_attr("IFLA_MTU"),
        "kind": _kind(message),
        "carrier": bool(message.get_attr("IFLA_CARRIER")),
        "peer": message.get_attr("IFLA_LINK"),
        "nsid": message.get_attr("IFLA_LINK_NETNSID"),
        "master": message.get_attr("IFLA_MASTER"),
        "managed": _managed(message),
    }


def _local(message: Any) -> str:  # noqa: ANN401 - pyroute2 has no types
    return str(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"))


def _managed(message: Any) -> bool | None:  # noqa: ANN401 - pyroute2 has no types
    families = message.get_attr("IFLA_AF_SPEC")
    six = families.get_attr("AF_INET6") if families is not None else None
    flags = (six.get_attr("IFLA_INET6_FLAGS") if six is not None else None) or 0
    return bool(flags & IF_RA_MANAGED) if flags & IF_RA_RCVD else None


def _kind(message: Any) -> str | None:  # noqa: ANN401 - pyroute2 has no types
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info is not None else None
    return kind if isinstance(kind, str) else None


def _family(value: IPv4Address | IPv6Address | IPv4Network | IPv6Network) -> int:
    return socket.AF_INET if value.version == 4 else socket.AF_INET6
