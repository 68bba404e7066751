"""What the kernel showed: flows, packets, attempts, what its tables and settings hold, and the books.

Times are CLOCK_MONOTONIC in ns (`bpf_ktime_get_ns`). `leaving` is true for a packet that leaves
the tap's owner. Addresses and ports are the packet's own, in its own family.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Literal

from dataplane.model.address import Address, Family, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSeen:
    """A flow at one tap, one direction. `packets` are segments, not super-packets; `bytes` at L3.

    `protocol` is the IP protocol number behind all extension headers; ports are 0 where the
    protocol has none (ICMP echo: the identifier stands in both). `fragments` counts packets that
    were fragments. `largest` is the length of the longest single packet in octets at L3, of a
    super-packet that of its segments; 0 in recordings of a version that did not look.
    """

    kind: Literal["flow"] = "flow"
    tap: str
    leaving: bool
    family: Family
    protocol: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    packets: int
    bytes: int
    first_ns: int
    last_ns: int
    tcp_flags: int = 0
    fragments: int = 0
    largest: int = 0


class PacketKind(StrEnum):
    """Packets that carry a stamp: something that translators keep."""

    TCP_SYN = "tcp-syn"
    TCP_SYN_ACK = "tcp-syn-ack"
    TCP_RST = "tcp-rst"
    UDP = "udp"
    ECHO_REQUEST = "echo-request"
    ECHO_REPLY = "echo-reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketSeen:
    """One packet with its stamp (64 bit; equal stamps mean equal content, see docs/stamps.md).

    The stamp is of the initial sequence number for TCP (of the SYN that a RST answers), of
    length and payload for UDP, of sequence number and payload for ICMP echo. `length` is that of
    the packet in octets at L3, of a super-packet that of its first segment; 0 where it was not
    looked at.
    """

    kind: Literal["packet"] = "packet"
    tap: str
    leaving: bool
    time_ns: int
    packet: PacketKind
    stamp: int
    family: Family
    protocol: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    length: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """The packet that an ICMP error quotes, as far as it does: ports are 0 where they are missing."""

    protocol: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TooBigSeen:
    """A router's word that a packet was too big (ICMPv6 type 2; ICMPv4 type 3 code 4).

    `mtu` is the next hop's as the message has it, in octets at L3 of the message's own family
    (RFC 4443 section 3.2, RFC 1191 section 4), `refused` the packet that it is about.
    """

    kind: Literal["too-big"] = "too-big"
    tap: str
    leaving: bool
    time_ns: int
    family: Family
    source: Address
    destination: Address
    mtu: int
    refused: Quoted


class DiscoveryMessage(StrEnum):
    """The messages of neighbour discovery that are told of (RFC 4861 section 4)."""

    ROUTER_SOLICITATION = "router-solicitation"
    ROUTER_ADVERTISEMENT = "router-advertisement"
    NEIGHBOUR_SOLICITATION = "neighbour-solicitation"
    NEIGHBOUR_ADVERTISEMENT = "neighbour-advertisement"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverySeen:
    """A message of neighbour discovery (ICMPv6 types 133 to 136, RFC 4861 section 4).

    `target` is what a neighbour message asks or tells about, None in those of routers. `lifetime` is
    how long the sender of a router advertisement may be the default router, in s: 0 says that it is
    none; None in all other messages.
    """

    kind: Literal["discovery"] = "discovery"
    tap: str
    leaving: bool
    time_ns: int
    message: DiscoveryMessage
    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address | None = None
    lifetime: int | None = None


class DhcpMessage(StrEnum):
    """The messages of DHCPv6 between clients and servers (RFC 8415 section 7.3), relays left out."""

    SOLICIT = "solicit"
    ADVERTISE = "advertise"
    REQUEST = "request"
    CONFIRM = "confirm"
    RENEW = "renew"
    REBIND = "rebind"
    REPLY = "reply"
    RELEASE = "release"
    DECLINE = "decline"
    RECONFIGURE = "reconfigure"
    INFORMATION_REQUEST = "information-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpSeen:
    """A DHCPv6 message (RFC 8415 section 8).

    `client` and `server` are the DUIDs in hexadecimal digits, None where the message has none.
    `addresses` are those of its IA_NA options (section 21.4) with a valid lifetime that is not 0.
    `whole` is false where the message is longer than what was kept of it, or is broken: then it may
    say more.
    """

    kind: Literal["dhcp"] = "dhcp"
    tap: str
    leaving: bool
    time_ns: int
    message: DhcpMessage
    transaction: int
    source: IPv6Address
    destination: IPv6Address
    client: str | None = None
    server: str | None = None
    addresses: tuple[IPv6Address, ...] = ()
    whole: bool = True


class ConnectResult(StrEnum):
    """How an attempt ended, as the kernel saw it."""

    ESTABLISHED = "established"
    REFUSED = "refused"
    TIMED_OUT = "timed-out"  # retransmitted without an answer, then given up
    UNSENT = "unsent"  # never became a packet: no route, no source address, denied
    SENT = "sent"  # a datagram; nothing more is known
    PENDING = "pending"  # no end was seen while the probe was attached


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSeen:
    """One attempt of a process to reach somebody, also when no packet came of it.

    `family` is the family that was really asked for: an IPv4-mapped IPv6 address is IPv4.
    `owner` is the pod (None when it could not be attributed), `latency_ns` the time to `result`.
    """

    kind: Literal["connect"] = "connect"
    time_ns: int
    pid: int
    comm: str
    owner: str | None
    netns_cookie: int
    socket_cookie: int
    call: Literal["connect", "sendmsg"]
    protocol: int
    family: Family
    destination: Address
    port: int
    result: ConnectResult
    latency_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSeen:
    """A socket that waits for others: TCP that listens, or UDP that is bound and not connected.

    `owner` is the pod or node in whose network namespace it is. `protocol` is 6 or 17, `family`
    the socket's own. `v6only` is None for an IPv4 socket; an IPv6 socket on `::` takes IPv4 as
    well where it is false (RFC 3493 section 5.3). `process` has it open (`nginx (4711)`), "" where
    that was not asked or is not told.
    """

    kind: Literal["listener"] = "listener"
    owner: str
    protocol: int
    family: Family
    address: Address
    port: int
    v6only: bool | None = None
    process: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSeen:
    """A sysctl in the network namespace of `owner`.

    `name` is the path below /proc/sys (`net/ipv6/conf/all/forwarding`): the name of an interface
    may have a dot in it, but no slash.
    """

    kind: Literal["setting"] = "setting"
    owner: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSeen:
    """A unicast route of the main table in the namespace of `owner`; one value per next hop.

    `via` is None where the destination lies on the link, `interface` where the kernel names none.
    """

    kind: Literal["route"] = "route"
    owner: str
    destination: Network
    via: Address | None = None
    interface: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSeen:
    """An interface in the namespace of `owner`, loopback left out; `mtu` in octets at L3.

    `managed` is whether the router advertisement that it has taken last says that addresses come by
    DHCPv6 (RFC 4861 section 4.2, flag M), None where it has taken none.
    """

    kind: Literal["link"] = "link"
    owner: str
    interface: str
    mtu: int
    managed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSeen:
    """An address of an interface in the namespace of `owner`, loopback left out.

    `valid` is how long it stays, in s (RFC 4862 section 5.5.4): None for one that stays for ever, as
    those do that somebody has written down.
    """

    kind: Literal["address"] = "address"
    owner: str
    interface: str
    address: Address
    length: int
    valid: int | None = None


class NeighbourState(StrEnum):
    """What a kernel knows of a neighbour's hardware address (linux/neighbour.h, NUD_*).

    Those that need no resolution (`PERMANENT`, `NOARP`) are not told of.
    """

    INCOMPLETE = "incomplete"  # asked for, no answer yet
    REACHABLE = "reachable"
    STALE = "stale"  # known, not confirmed of late
    DELAY = "delay"
    PROBE = "probe"
    FAILED = "failed"  # asked for as often as is allowed, without an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourSeen:
    """A neighbour in the table of `owner` that was or is being resolved (RFC 4861 section 5.1).

    `mac` is None as long as it is not known.
    """

    kind: Literal["neighbour"] = "neighbour"
    owner: str
    interface: str
    address: Address
    state: NeighbourState
    mac: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSeen:
    """Unicast packets of one tuple that the kernel gave up for one reason at one place.

    `reason` is the kernel's (`enum skb_drop_reason` without its prefix), `place` the function that
    gave them up. `owner` is whose namespace or interface that was; `interface` the packet's device
    at that moment, by name where it is watched, else by its index.
    """

    kind: Literal["drop"] = "drop"
    owner: str
    interface: str
    reason: str
    place: str
    family: Family
    protocol: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    packets: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """The books of one probe at one place: what it counted, what it lost, what it could not see.

    `where` is a tap name, `cgroup` for connects, or the owner of the namespace that was read
    (sockets, sysctls, routes, links, neighbours, addresses). `counted` are packets or calls that the program saw, `recorded`
    entries or events that were kept, `evicted` table entries pushed out, `lost` events that did
    not fit a buffer. `blind` says why this place cannot be trusted, or is None. `hook` is how it
    was attached (`tcx`, `clsact`, `raw-tracepoint`, `cgroup-link`) or read (`sock_diag`, `procfs`, `rtnetlink`).
    """

    kind: Literal["report"] = "report"
    probe: str
    where: str
    hook: str
    counted: int = 0
    recorded: int = 0
    evicted: int = 0
    lost: int = 0
    blind: str | None = None


Seen = (
    FlowSeen
    | PacketSeen
    | TooBigSeen
    | DiscoverySeen
    | DhcpSeen
    | ConnectSeen
    | ListenerSeen
    | SettingSeen
    | RouteSeen
    | LinkSeen
    | NeighbourSeen
    | AddressSeen
    | ProbeReport
)
