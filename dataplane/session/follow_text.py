"""What a follower tells, as lines for a terminal. Names of processes are hostile: see `printable`."""

from datetime import timedelta
from ipaddress import IPv6Address

from dataplane.model.address import Address, Family
from dataplane.model.fallback import Fallback
from dataplane.model.seen import ConnectResult, ConnectSeen, DropSeen, FlowSeen, ProbeReport
from dataplane.reports import printable
from dataplane.session import forensics_text
from dataplane.session.cost import Cost, OverBudget
from dataplane.session.digest import Compared
from dataplane.session.dropfindings import DropFinding
from dataplane.session.drops import Dropped, meaning
from dataplane.session.expecting import Contradiction, Judged, Promise
from dataplane.session.expecting_text import lines
from dataplane.session.follow import (
    Attached,
    Followed,
    HookSet,
    NodeFound,
    PodMoved,
    SourceChanged,
    Told,
    Total,
)
from dataplane.session.guard_text import lines as guarded
from dataplane.session.mode import ModeChosen

UDP = 17
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def line(told: Told) -> str:
    """Return one line, of an answer or a digest one more per finding; the first word says what it is about."""
    if isinstance(told, Promise | Contradiction | Judged):
        return "\n".join(map(printable, lines(told)))
    if isinstance(told, Fallback | DropFinding):
        return "\n".join(map(printable, forensics_text.lines(told)))
    if isinstance(told, Compared | Cost | OverBudget):
        return "\n".join(map(printable, guarded(told)))
    return printable(_line(told))


def _line(told: Followed) -> str:
    match told:
        case NodeFound():
            text = _node(told)
        case ModeChosen() | HookSet():
            text = _watched(told)
        case Attached():
            text = f"watch   {_clock(told.time_ns)} {told.interfaces} interfaces; end with Ctrl-C"
        case FlowSeen():
            text = _flow(told)
        case ConnectSeen():
            text = _attempt(told)
        case PodMoved() | SourceChanged():
            text = _changed(told)
        case DropSeen() | Dropped():
            text = _drop(told)
        case Total():
            text = (
                f"total   {told.where:<16} {told.family}: {told.flows} flows, "
                f"{told.packets} packets, {told.bytes} octets"
            )
        case ProbeReport():
            text = _books(told)
    return text


def _node(told: NodeFound) -> str:
    rest = [*told.caveats, *told.contradictions, *told.unasked]
    if told.host_network:
        rest.insert(0, f"in the node's own network: {', '.join(told.host_network)}")
    return f"node    {told.cni} ({told.because})" + "".join(f"; {words}" for words in rest)


def _changed(told: PodMoved | SourceChanged) -> str:
    if isinstance(told, PodMoved):
        note = f" ({told.note})" if told.note else ""
        return f"pod     {_clock(told.time_ns)} {told.change} {told.where}  {told.owner}{note}"
    mark = "source " if told.design else "SOURCE "
    rest = "".join(f"; {words}" for words in (told.design, told.rule) if words)
    return (
        f"{mark} {_clock(told.time_ns)} {told.owner}: {told.source} left {told.uplink} as "
        f"{told.seen_as}, to {_end(told.destination, told.destination_port)}{rest}"
    )


def _watched(told: ModeChosen | HookSet) -> str:
    if isinstance(told, ModeChosen):
        past = f"; past the host side: {', '.join(told.passed_by)}" if told.passed_by else ""
        return f"mode    {told.mode}: {told.because}; not seen: {'; '.join(told.unseen)}{past}"
    return f"hook    {told.where:<16} {told.hook:<11} {told.owner}  ({told.note})"


def _books(told: ProbeReport) -> str:
    trouble = [f"lost {told.lost}"] if told.lost else []
    trouble += [f"evicted {told.evicted}"] if told.evicted else []
    trouble += [f"BLIND: {told.blind}"] if told.blind else []
    state = ", ".join(trouble) or "nothing lost"
    return f"books   {told.where:<16} {told.probe} by {told.hook}: counted {told.counted}, {state}"


def _flow(told: FlowSeen) -> str:
    arrow = "->" if told.leaving else "<-"
    near, far = (
        _end(told.source, told.source_port),
        _end(told.destination, told.destination_port),
    )
    near, far = (near, far) if told.leaving else (far, near)
    protocol = PROTOCOLS.get(told.protocol, str(told.protocol))
    return f"flow    {_clock(told.first_ns)} {told.tap:<16} {told.family} {protocol} {near} {arrow} {far}"


def _only_asks(told: ConnectSeen) -> bool:
    """Tell whether a resolver asks the kernel for the way to an address only, to sort by it.

    It connects a datagram socket and sends nothing (RFC 6724 section 5, as the C libraries do it).
    """
    return told.protocol == UDP and told.call == "connect" and told.result is ConnectResult.UNSENT


def _attempt(told: ConnectSeen) -> str:
    mark = "IPV4   " if told.family is Family.IPV4 and not _only_asks(told) else "connect"
    who = f"{told.comm}[{told.pid}] in {told.owner or 'no known pod'}"
    took = "" if told.latency_ns is None else f" after {told.latency_ns / 1e6:.1f} ms"
    return (
        f"{mark} {_clock(told.time_ns)} {who}: {told.call} "
        f"{_end(told.destination, told.port)}: {told.result}{took}"
    )


def _drop(told: DropSeen | Dropped) -> str:
    if isinstance(told, Dropped):
        means = f": {told.means}" if told.means else ""
        return (
            f"drops   {told.owner:<16} {told.reason} in {told.place}{means}; "
            f"{told.packets} packets of {told.tuples} tuples"
        )
    protocol = PROTOCOLS.get(told.protocol, str(told.protocol))
    means = meaning(told.reason, told.place)
    return (
        f"DROP    {_clock(told.first_ns)} {told.owner} at {told.interface}: {told.family} {protocol} "
        f"{_end(told.source, told.source_port)} -> {_end(told.destination, told.destination_port)}: "
        f"{told.reason} in {told.place}{f' ({means})' if means else ''}"
    )


def _end(address: Address, port: int) -> str:
    if not port:
        return str(address)
    return f"[{address}]:{port}" if isinstance(address, IPv6Address) else f"{address}:{port}"


def _clock(time_ns: int) -> str:
    """Return the time since boot, which is what the kernel's clock gives."""
    return f"{timedelta(microseconds=time_ns // 1000)}"
