"""One connection of a client through a balancer: followed from its SYN to what the pod says of it."""

from dataclasses import dataclass, field

from dataplane.checks.ground.exchanges import Exchange
from dataplane.checks.ground.incoming import KEPT, PAUSE_S
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.relays import Relay, Relays
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import family_of
from dataplane.model.ingress import BalancerPlan, IngressPlan
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Endpoint, Outcome, Reach
from dataplane.model.topology import Point
from dataplane.rules import proxyprotocol

TIMEOUT = "TIMEOUT"
SYN_ACK = "a SYN/ACK of the balancer"
AGREE = "let both sides speak the PROXY protocol, or neither"


@dataclass(slots=True)
class Account:
    """What a sitting has come to so far."""

    ledger: Ledger = field(default_factory=Ledger)
    doubts: list[str] = field(default_factory=list)
    looked_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A connection that a client tried; `error` is None where it was answered."""

    account: Account
    ingress: IngressPlan
    sights: Sights
    relays: Relays
    stimulus: Reach
    outcome: Outcome
    balancer: BalancerPlan
    exchange: Exchange
    error: str | None

    @property
    def headline(self) -> str:
        """Return who asked whom for what, and what came of it."""
        took = (self.outcome.ended_ns - self.outcome.started_ns) / 1e6
        return (
            f"{self.stimulus.pod} -> {self.balancer.name} ({self.stimulus.target}) "
            f"port {self.stimulus.port} ({self.stimulus.label}): "
            f"{self.error or 'answered'} after {took:.0f} ms"
        )

    def judge(self) -> None:
        """Follow it to where it ends."""
        name = self.balancer.name
        front = self.sights.hop(self.exchange.request, Point.BALANCER, leaving=False, owner=name)
        if front is None and not self.sights.watched(Point.BALANCER, name):
            self.account.doubts.append(f"{self.headline}: {name} was not watched")
            return
        self.account.looked_at += 1
        if front is None:
            self._blame_balancer("is not reached", "its packets arrive at the balancer")
        elif self.exchange.answer is not None:  # whatever comes after that, an RST perhaps
            self._behind(front)
        elif self.exchange.refusal is not None:
            self._blame_balancer("refuses connections: nothing listens", SYN_ACK)
        else:
            self._blame_balancer("does not answer connections", SYN_ACK)

    def _behind(self, front: PacketSeen) -> None:
        """Judge a connection that the balancer took: what became of it."""
        via = self.outcome.via
        if self.error is None and via is not None:
            relay = self.relays.of_sender(via)
            if relay is None:
                self._unconfirmed("not confirmed by packets at a pod")
            else:
                self._answered(front, relay)
            return
        relay = self.relays.soon_after(front, self.balancer.name, self.outcome)
        if relay is None:
            self._blame_balancer("takes connections and leads nowhere", "a connection to a backend")
        elif not relay.answered:
            self._blame_balancer(self._lost(relay), "a SYN/ACK of a backend", relay)
        elif self.stimulus.label == KEPT and self._stood(front):
            what = "cuts connections that clients keep open"
            self._blame_balancer(what, "an answer on the connection that was kept open", relay)
        else:
            self._disagree(front, relay)

    def _lost(self, relay: Relay) -> str:
        """Say of a balancer whose own connection was not answered what it does."""
        if relay.begin.family is not self.ingress.family:
            return f"has targets with {relay.begin.family}, which the cluster does not have"
        where = relay.pod or str(relay.begin.destination)
        return f"takes connections, and its own to {where} are not answered"

    def _answered(self, front: PacketSeen, relay: Relay) -> None:
        """Compare whom the pod takes for its client with who that was."""
        if self.stimulus.label == KEPT and not self._others_came():
            self._unconfirmed("nobody came in by another balancer meanwhile")
        peer, local = self.outcome.peer, self.outcome.local
        if not self.ingress.proxy_protocol or peer == local:
            return
        header = self._header(front, relay)
        went = "" if header is None else f", the balancer {'sent' if header else 'sent no'} header"
        self.account.ledger.add(
            subject=relay.pod if header and relay.pod else self.balancer.name,
            cause="the client's address is lost on the way to the pod",
            expected=f"{relay.pod} takes {_shown(local)} for its client",
            seen=f"it takes {_shown(peer)} for its client{went}",
            remedy=f"{AGREE}: here, both",
            evidence=f"{self.headline}; {self.sights.trail(relay.exchange.request)}",
        )

    def _disagree(self, front: PacketSeen, relay: Relay) -> None:
        """Judge a connection that reached a pod, and ended without an answer to the client."""
        header, promised = self._header(front, relay), self.ingress.proxy_protocol
        if header is None or relay.pod is None:
            self._unconfirmed("a pod was reached, and why it ended was not seen")
            return
        if self.error == TIMEOUT:  # whoever does not speak alike hangs up: this one is only late
            self._unconfirmed(f"{relay.pod} was reached, and gave no answer in time")
            return
        name, pod = self.balancer.name, relay.pod
        if header:
            cause = f"{name} sends the PROXY protocol, {pod} does not read it"
        else:
            cause = f"pods await the PROXY protocol, {name} does not send it"
        added, long = self.relays.added(front, relay), proxyprotocol.header_length(front.family)
        self.account.ledger.add(
            # Whoever does not do as planned: both speak it, or neither.
            subject=pod if header is promised else name,
            cause=cause,
            expected=f"{'both sides speak' if promised else 'neither side speaks'} the PROXY protocol",
            seen=f"the client got {self.error}; {added} octets more went to the pod than the client "
            f"sent (a header has {long})",
            remedy=AGREE,
            evidence=f"{self.headline}; {self.sights.trail(relay.exchange.request)}",
        )

    def _header(self, front: PacketSeen, relay: Relay) -> bool | None:
        """Tell whether a header of the PROXY protocol went ahead, None where it cannot be told."""
        added = self.relays.added(front, relay)
        return None if added is None else added >= proxyprotocol.SHORTEST

    def _stood(self, front: PacketSeen) -> bool:
        """Tell whether the connection was there for a while: it ended later than it failed to begin."""
        flow = self.relays.flow(front)
        return flow is not None and flow.last_ns - flow.first_ns > PAUSE_S * 1e9 / 4

    def _others_came(self) -> bool:
        """Tell whether a balancer that is named led somebody in while this was open."""
        names = {balancer.name for balancer in self.ingress.named}
        return self.relays.began(names, self.outcome.started_ns, self.outcome.ended_ns)

    def _unconfirmed(self, why: str) -> None:
        self.account.looked_at -= 1
        self.account.doubts.append(f"{self.headline}: {why}")

    def _blame_balancer(self, what: str, expected: str, relay: Relay | None = None) -> None:
        name, way = self.balancer.name, (relay.exchange if relay else self.exchange).request
        family = family_of(self.exchange.request.hops[0].destination)
        self.account.ledger.add(
            subject=name,
            cause=f"{name} {what} ({family})",
            expected=expected,
            seen=f"the client got {self.error}",
            remedy=f"see what {name} listens on, and which backends it has",
            evidence=f"{self.headline}: {self.sights.trail(way)}",
        )


def _shown(endpoint: Endpoint | None) -> str:
    return "nobody" if endpoint is None else f"{endpoint.address} port {endpoint.port}"
