"""A trace: one packet's way there and its answer's way back, hop by hop, and what ended it.

Times within a trace are microseconds since its first packet was seen; all of them come from one clock
(CLOCK_MONOTONIC), because all hops are seen by one kernel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dataplane.model.address import Address, Family
from dataplane.model.seen import DropSeen, PacketKind, PacketSeen, Quoted, TooBigSeen
from dataplane.model.topology import Tap


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A frame as a packet socket gave it.

    `octets` begin with the Ethernet header (layer 2) or the IP header (layer 3) and may be cut off;
    `length` is what the frame had. `egress` is true where the interface sent it. `time_ns` is
    CLOCK_MONOTONIC, `wall_ns` the time of day (ns since 1970).
    """

    tap: str
    egress: bool
    layer: int
    time_ns: int
    wall_ns: int
    octets: bytes
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What a frame's headers say; ports are 0 where there are none (ICMP echo: its identifier in both).

    `hop_limit` is IPv4's time to live. `complaint` is what an ICMP error says, "" for all else, and
    `quoted` the packet that it is about; `mtu` stands in those that say "too big".
    """

    family: Family
    protocol: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    hop_limit: int
    length: int
    packet: PacketKind | None = None
    complaint: str = ""
    mtu: int | None = None
    quoted: Quoted | None = None


class State(StrEnum):
    """How a traced packet fared."""

    ANSWERED = "answered"
    REFUSED = "refused"  # a reset came back: somebody is there, and nobody listens
    REJECTED = "rejected"  # an ICMP error came of it
    DROPPED = "dropped"  # a kernel gave it up, and said why
    LOST = "lost"  # seen, not seen again, and nobody said why
    STALLED = "stalled"  # the connection was opened; what came after did not get through
    UNKNOWN = "unknown"  # nothing was seen, or nothing that can be told apart


class By(StrEnum):
    """What changes a packet between two hops; `(undone)` is added for what comes back."""

    NAT64 = "NAT64"
    CLAT = "CLAT"
    MASQUERADE = "masquerade"
    DNAT = "DNAT"
    BOTH = "DNAT and masquerade"
    ROUTED = "routed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """One field that is not as it was at the hop before, as text."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to a packet since the hop before.

    `undone` is true in answers, where a translation is taken back. `hidden` are routers that were
    passed in between without being watched (the hop limit tells).
    """

    by: By
    undone: bool = False
    fields: tuple[Rewritten, ...] = ()
    hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One sight of the packet. `length` is in octets at L3, `mtu` that of the interface.

    `delta_us` is the time since the hop before (of an answer's first hop: since the request was seen
    last). `egress` is true where the interface sends it. `hop_limit` is None where the packet itself
    was not captured, `frame` then too: else its number in the pcapng file. `repeated` counts further
    copies of it at this place (retransmissions).
    """

    number: int
    offset_us: float
    delta_us: float
    tap: str
    interface: str
    namespace: str
    owner: str
    egress: bool
    family: Family
    protocol: int
    source: Address
    destination: Address
    source_port: int
    destination_port: int
    length: int
    hop_limit: int | None = None
    mtu: int | None = None
    change: Change | None = None
    repeated: int = 0
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A sign of what ended a packet's way.

    `what` is "drop" (`reason` and `place` are the kernel's: enum skb_drop_reason, and the function),
    or "error" (`reason` is what the ICMP error says, `by` who sent it, `mtu` the next hop's where it was
    too big). `owner` and `interface` are where that was seen.
    """

    what: str
    offset_us: float
    owner: str
    interface: str
    reason: str
    place: str = ""
    by: Address | None = None
    mtu: int | None = None
    packets: int = 1
    source: Address | None = None
    destination: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One way of one packet: `way` is "request" or "answer"; `complete` when it got where it was to.

    Of a request that is only known where an answer came of it.
    """

    way: str
    packet: PacketKind
    hops: tuple[Hop, ...]
    complete: bool
    ambiguous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One packet or connection: its request, its answer, and what ended it.

    `begun_ns` is when its first packet was seen (without one: since when it was looked for), CLOCK_MONOTONIC.
    `verdict` says in one sentence how it fared. `said` is what the client in the pod says, "" without
    one. `stops` are in the order of time; of what was answered they are about copies of it.
    """

    number: int
    verdict: str
    state: State = State.UNKNOWN
    destination: Address | None = None
    port: int = 0
    begun_ns: int = 0
    round_trip_us: float | None = None
    said: str = ""
    legs: tuple[Leg, ...] = ()
    stops: tuple[Stop, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceResult:
    """What `sixscope trace` tells. `where` is a lab's run, or "node"; `origin` the pod.

    `looked_at` counts the packets that the probes stamped. `gaps` are places that cannot be trusted,
    and why; `written` is the pcapng file, "" without one, with `frames` packets.
    """

    destination: str
    origin: str
    protocol: str
    where: str
    traces: tuple[Trace, ...]
    looked_at: int
    gaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    written: str = ""
    frames: int = 0

    @property
    def state(self) -> State:
        """Return how all of it fared: unknown where anything is, else the first that failed."""
        states = [trace.state for trace in self.traces] or [State.UNKNOWN]
        failed = [s for s in states if s not in {State.ANSWERED, State.UNKNOWN}]
        if failed:
            return failed[0]
        return State.UNKNOWN if State.UNKNOWN in states else State.ANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is looked for: packets to `destination` that leave `owner`, from `since_ns` on.

    Empty or None stands for anything: any owner, any port, any protocol.
    """

    destination: Address
    owner: str = ""
    port: int | None = None
    protocols: frozenset[int] = frozenset()
    since_ns: int = 0
    until_ns: int | None = None
    local_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sights:
    """What a trace is made of. `mtus` are by the tap's name, `members` names of namespaces by theirs."""

    taps: tuple[Tap, ...]
    packets: tuple[PacketSeen, ...] = ()
    too_big: tuple[TooBigSeen, ...] = ()
    drops: tuple[DropSeen, ...] = ()
    frames: tuple[Captured, ...] = ()
    mtus: Mapping[str, int] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
