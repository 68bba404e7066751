"""What the kernel showed: flows, stamped packets, connection attempts, and the probes' own books.

Times are CLOCK_MONOTONIC in ns (`bpf_ktime_get_ns`). `leaving` is true for a packet that leaves
the tap's owner. Addresses and ports are the packet's own, in its own family.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from dataplane.model.address import Address, Family


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSeen:
    """A flow at one tap, one direction. `packets` are segments, not super-packets; `bytes` at L3.

    `protocol` is the IP protocol number behind all extension headers; ports are 0 where the
    protocol has none (ICMP echo: the identifier stands in both). `fragments` counts packets that
    were fragments.
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
    length and payload for UDP, of sequence number and payload for ICMP echo.
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
class ProbeReport:
    """The books of one probe at one place: what it counted, what it lost, what it could not see.

    `where` is a tap name, or `cgroup` for connects. `counted` are packets or calls that the
    program saw, `recorded` entries or events that were kept, `evicted` table entries pushed out,
    `lost` events that did not fit a buffer. `blind` says why this place cannot be trusted, or is
    None. `hook` is how it was attached (`tcx`, `clsact`, `cgroup-link`).
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


Seen = FlowSeen | PacketSeen | ConnectSeen | ProbeReport
