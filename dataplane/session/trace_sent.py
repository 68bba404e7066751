"""A trace of what a client was told to send: the client says whom it tried, the probes what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataplane.model.address import Address
from dataplane.model.stimulus import Outcome, Reach, Transport
from dataplane.model.trace import Asked, Sights, State, Trace
from dataplane.verify.trace import traces

DNS = 53
PROTOCOLS = {
    Transport.TCP: frozenset({6}),
    Transport.UDP: frozenset({17}),
    Transport.ICMP: frozenset({1, 58}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be sent: `count` times from `pod` (empty: the first one) to `destination`.

    `octets` is what is carried, and sent back; `timeout` in seconds.
    """

    destination: str
    pod: str = ""
    transport: Transport = Transport.ICMP
    port: int = 0
    count: int = 1
    octets: int = 0
    timeout: float = 2.0


def stimulus(wish: Wish, pod: str, number: int) -> Reach:
    """Return what the client is told."""
    return Reach(
        id=f"trace-{number}",
        check="trace",
        pod=pod,
        target=wish.destination,
        transport=wish.transport,
        port=wish.port,
        octets=wish.octets,
        timeout=wish.timeout,
    )


def joined(
    sights: Sights,
    wish: Wish,
    pod: str,
    outcomes: Sequence[Outcome],
    servers: Sequence[Address] = (),
) -> tuple[Trace, ...]:
    """Return a trace per address that the client tried, in the order in which it did. Pure.

    Of a name without an address it is a trace of the question to one of the name `servers`.
    """
    found: list[Trace] = []
    for outcome in outcomes:
        since = outcome.started_ns
        for endpoint, error in outcome.attempts:
            asked = Asked(
                destination=endpoint.address,
                owner=pod,
                port=wish.port or None,
                protocols=PROTOCOLS[wish.transport],
                since_ns=since,
                until_ns=outcome.ended_ns,
            )
            # One attempt is one connection; what follows is of the next address, which a CLAT may
            # have made the same one of.
            one = traces(sights, asked, said=error or "", first=len(found) + 1)[0]
            since = one.begun_ns + 1
            found.append(one)
        if not outcome.attempts:
            found.append(_unresolved(sights, wish, pod, outcome, servers, len(found) + 1))
    return tuple(found)


def _unresolved(  # noqa: PLR0913, PLR0917 - what `joined` has, of one outcome
    sights: Sights,
    wish: Wish,
    pod: str,
    outcome: Outcome,
    servers: Sequence[Address],
    number: int,
) -> Trace:
    """Return the trace of the question for an address, where there was none to send to."""
    error = outcome.error or "no address"
    begun = f"{wish.destination} was not resolved in the pod ({error})"
    questions = [
        trace
        for server in servers
        for trace in traces(
            sights,
            Asked(
                destination=server,
                owner=pod,
                port=DNS,
                protocols=PROTOCOLS[Transport.UDP],
                since_ns=outcome.started_ns,
                until_ns=outcome.ended_ns,
            ),
            first=number,
        )
        if trace.legs or trace.stops
    ]
    failed = [trace for trace in questions if trace.state is not State.ANSWERED]
    if not failed:
        return Trace(number=number, verdict=f"{begun}: nothing was sent to it", said=error)
    one = failed[0]
    return replace(one, verdict=f"{begun}; the question to {one.destination} was {one.verdict}")
