"""A trace for a person at a terminal: one line per hop, and below it what has become of the packet."""

import textwrap
from collections.abc import Iterable, Iterator

from dataplane.model.seen import PacketKind
from dataplane.model.trace import By, Hop, Leg, State, Stop, Trace, TraceResult
from dataplane.reports import printable
from dataplane.verify.told import stopped

WIDTH = 100
COLOURS = {State.ANSWERED: "32", State.UNKNOWN: "33"}
FAILED, DIM, BOLD = "1;31", "2", "1"
PACKETS = {
    PacketKind.TCP_SYN: "TCP SYN",
    PacketKind.TCP_SYN_ACK: "TCP SYN/ACK",
    PacketKind.TCP_RST: "TCP RST",
    PacketKind.UDP: "UDP datagram",
    PacketKind.ECHO_REQUEST: "ICMP echo request",
    PacketKind.ECHO_REPLY: "ICMP echo reply",
}
EXPLAINED = {
    By.NAT64: "IPv6 and IPv4 exchanged, by a table of connections",
    By.CLAT: "IPv4 and IPv6 exchanged, one address for one",
    By.MASQUERADE: "another source",
    By.DNAT: "another destination, as of a Service",
    By.BOTH: "another destination and another source, as of a Service",
}


def render(result: TraceResult, *, colour: bool = False) -> str:
    """Return the traces as text, ending in a newline; 100 columns wide."""
    return "\n".join(_Page(colour=colour).lines(result)) + "\n"


class _Page:
    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def lines(self, result: TraceResult) -> Iterator[str]:
        """Yield all of it."""
        origin = result.origin or "any pod"
        head = f"{origin} -> {result.destination}, {result.protocol} ({result.where})"
        yield self._paint(printable(head), BOLD)
        for trace in result.traces:
            yield ""
            yield from self._trace(trace, result)
        yield ""
        for note in (*result.notes, *(f"not to be trusted: {gap}" for gap in result.gaps)):
            yield from _wrapped("note  ", printable(note))
        if result.written:
            yield printable(f"{result.frames} packets in {result.written}")
        yield f"{result.looked_at} packets looked at"

    def _trace(self, trace: Trace, result: TraceResult) -> Iterator[str]:
        colour = COLOURS.get(trace.state, FAILED)
        head = f"{trace.number}  " if len(result.traces) > 1 else ""
        if trace.destination is not None and str(trace.destination) != result.destination:
            head += f"{trace.destination}: "
        for line in _wrapped("", head + printable(trace.verdict)):
            yield self._paint(line, colour)
        for leg in trace.legs:
            yield ""
            yield from self._leg(leg)
        if trace.stops:
            yield ""
        for stop in trace.stops:
            yield from self._stop(stop)

    def _leg(self, leg: Leg) -> Iterator[str]:
        copies = max(hop.repeated for hop in leg.hops)
        again = f", sent {copies + 1} times" if copies else ""
        yield f"  {leg.way}: {PACKETS[leg.packet]}{again}"
        wide = max(5, *(len(_where(hop)) for hop in leg.hops))
        widths = wide, max(9, *(len(printable(hop.interface)) for hop in leg.hops))
        yield self._paint(
            f"   {'#':>2} {'at ms':>9} {'+ ms':>8}  {'where':<{widths[0]}}  "
            f"{'interface':<{widths[1]}}     {'MTU':>6} {'octets':>7} {'hop limit':>10}",
            DIM,
        )
        before: Hop | None = None
        for hop in leg.hops:
            yield from self._hop(hop, before, widths)
            before = hop

    def _hop(self, hop: Hop, before: Hop | None, widths: tuple[int, int]) -> Iterator[str]:
        done = _done(hop)
        if done:
            yield self._paint(f"{'':>24}{done}", "36")
        limit = "-" if hop.hop_limit is None else str(hop.hop_limit)
        mtu = "-" if hop.mtu is None else str(hop.mtu)
        yield (
            f"   {hop.number:>2} {hop.offset_us / 1000:>9.3f} {hop.delta_us / 1000:>8.3f}  "
            f"{_where(hop):<{widths[0]}}  {printable(hop.interface):<{widths[1]}}  "
            f"{'out' if hop.egress else 'in':<3}{mtu:>6} {hop.length or '-':>7} {limit:>10}"
        )
        ends = (hop.source, hop.source_port), (hop.destination, hop.destination_port)
        was = (
            ((before.source, before.source_port), (before.destination, before.destination_port))
            if before
            else (None, None)
        )
        for word, now, then in zip(("from", "to  "), ends, was, strict=True):
            if now != then:
                port = f" port {now[1]}" if hop.protocol in (6, 17) else ""
                yield f"{'':>24}{word} {now[0]}{port}"

    def _stop(self, stop: Stop) -> Iterator[str]:
        tuple_ = f" ({stop.source} -> {stop.destination})" if stop.source else ""
        text = f"{stop.offset_us / 1000:.3f} ms  {stopped(stop)}{tuple_}"
        for line in _wrapped("  !  ", printable(text)):
            yield self._paint(line, FAILED)

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def _where(hop: Hop) -> str:
    """Return in whose namespace an interface is, and whom it belongs to where that is another one."""
    if hop.namespace in ("", hop.owner):
        return printable(hop.owner)
    return printable(f"{hop.namespace} ({hop.owner})")


def _done(hop: Hop) -> str:
    """Return what was done to the packet since the hop before, "" where that is nothing to tell."""
    change = hop.change
    if change is None:
        return ""
    if change.by is By.ROUTED:
        if not change.hidden:
            return ""
        return f"routed by {change.hidden} more on the way, not watched"
    return f"{change.by}{' (undone)' if change.undone else ''}: {EXPLAINED[change.by]}"


def _wrapped(head: str, text: str) -> Iterable[str]:
    return textwrap.wrap(
        head + text,
        WIDTH,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
