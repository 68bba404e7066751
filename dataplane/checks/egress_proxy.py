"""Pods reach servers of either family by the egress proxy: IPv6 to it, and the server's family beyond.

Guards against: a proxy that listens for IPv4 only, so that no pod of an IPv6-only cluster gets in; and a
proxy that has lost one family outside. Servers with that family alone are then cut off, and for those
with both it takes the other one, so that nobody notices what is missing.

Looks at: TCP connections of pods through the proxy (CONNECT) to a server with IPv4, one with IPv6 and
one with both, by their names. The pod's SYN is followed to the proxy's leg inside, and the proxy's own
SYN from its leg outside to the server: known by the port that the server says it was asked from, or by
address and time where no server answered. To a server with both families it has to be IPv6 (RFC 6724:
what is native in both comes first as IPv6). That pods send no IPv4 themselves is said by ipv4-leak.

What to do: bind the proxy to [::] or to its IPv6 address inside (Tinyproxy: Listen; Squid: http_port
[::]:3128; Envoy: ipv4_compat or a second listener); give it an address and a default route of the family
that the finding names; let it resolve names without DNS64.
"""

from collections.abc import Iterator
from dataclasses import replace

from dataplane.checks.ground.exchanges import Asked, Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.onward import Onward, Onwards
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.egress import EgressPlan
from dataplane.model.plan import Plan, ServerPlan
from dataplane.model.stimulus import Outcome, Reach, Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View

NAME = "egress-proxy"
TIMEOUT_S = 6.0  # the proxy itself waits for an address that does not answer, then tries the next
LISTEN = "bind the proxy to [::], or to its IPv6 address inside"
REMEDY = (
    "give the proxy an {family} address and a default route outside; look at filters on the way"
)


def applies(plan: Plan) -> str | None:
    """Return why nobody goes out by a proxy."""
    if plan.egress is None:
        return "no egress proxy stands beside this cluster"
    return None if plan.actors else "no pod of this plan takes part in stimuli"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return a connection through the proxy to each server, by its name, for every actor."""
    return tuple(_reaches(plan))


def _reaches(plan: Plan) -> Iterator[Reach]:
    if plan.egress is None:
        return
    for pod in plan.actors:
        for server in plan.servers:
            yield Reach(
                id=f"{NAME}/{pod.name}/{server.name}",
                check=NAME,
                pod=pod.name,
                target=server.dns_name,
                port=server.port,
                label="by-proxy",
                timeout=TIMEOUT_S,
                proxy=plan.egress.dns_name,
                proxy_port=plan.egress.port,
            )


class _Bench:
    """One sitting: the pods' connections to the proxy, and the proxy's own."""

    def __init__(self, view: View, egress: EgressPlan) -> None:
        self.egress = egress
        self.sights = Sights(view)
        found = exchanges(view)
        self.asked = Asked(found, view.taps)
        self.onwards = Onwards(found, self.sights, egress)
        self.servers = {server.dns_name: server for server in view.plan.servers}
        self.ledger = Ledger()
        self.doubts: list[str] = []
        self.looked_at = 0

    def judge(self, stimulus: Reach, outcome: Outcome | None) -> None:
        """Follow one request to the proxy, and beyond."""
        server = self.servers.get(stimulus.target)
        if outcome is None or server is None:
            self.doubts.append(f"{stimulus.id} was not carried out")
            return
        exchange = self._to_proxy(stimulus, outcome)
        if exchange is None:
            why = outcome.error or "succeeded, not confirmed by packets"
            self.doubts.append(f"{stimulus.id}: no packet to the proxy was seen ({why})")
            return
        name = self.egress.name
        came = self.sights.hop(exchange.request, Point.PROXY, leaving=False, owner=name)
        if came is None and not self.sights.watched(Point.PROXY, name):
            self.doubts.append(f"{stimulus.id}: {name} was not watched")
            return
        used = None if outcome.peer is None else self.onwards.of_sender(outcome.peer)
        if outcome.ok and used is None and came is not None and exchange.answer is not None:
            self.doubts.append(f"{stimulus.id} succeeded, not confirmed by packets of the proxy")
            return
        self.looked_at += 1
        if came is None:
            self._not_reached(stimulus, exchange)
        elif exchange.answer is None:
            self._deaf(stimulus, exchange)
        elif outcome.ok and used is not None:
            self._reached(stimulus, outcome, server, came.time_ns, used)
        else:
            self._beyond(stimulus, outcome, server, came.time_ns)

    def _to_proxy(self, stimulus: Reach, outcome: Outcome) -> Exchange | None:
        """Return the pod's own connection, which is one to the proxy."""
        for address in self.egress.inside:
            one = replace(stimulus, target=str(address), port=self.egress.port)
            exchange = self.asked.of(one, outcome)
            if exchange is not None:
                return exchange
        return None

    def _not_reached(self, stimulus: Reach, exchange: Exchange) -> None:
        last = exchange.request.hops[-1]
        where = self.sights.owner(last)
        self.ledger.add(
            subject=where,
            cause=f"{last.family} packets for {self.egress.name} get lost behind {where}",
            expected=f"they reach {self.egress.name} ({last.destination})",
            seen=f"last seen {self.sights.place(last)}",
            remedy=f"route {last.destination} to {self.egress.name}, and look at filters before it",
            evidence=f"{self._headline(stimulus)}: {self.sights.trail(exchange.request)}",
        )

    def _deaf(self, stimulus: Reach, exchange: Exchange) -> None:
        name, port = self.egress.name, self.egress.port
        family = exchange.request.hops[0].family
        refused = exchange.refusal is not None
        how = f"refuses {family}: nothing listens on port {port}" if refused else ""
        self.ledger.add(
            subject=name,
            cause=f"{name} {how or f'gets {family} requests and sends no answer'}",
            expected=f"a SYN/ACK of {name}: pods have {family} only",
            seen="an RST" if refused else "no answer",
            remedy=LISTEN,
            evidence=f"{self._headline(stimulus)}: {self.sights.trail(exchange.request)}",
        )

    def _reached(
        self, stimulus: Reach, outcome: Outcome, server: ServerPlan, came_ns: int, used: Onward
    ) -> None:
        """Compare the family that the server was reached in with the one that it should have been."""
        wanted = _wanted(server)
        if used.begin.family is wanted:
            return
        tried = self.onwards.tried(server, wanted, came_ns, outcome.ended_ns)
        hides = f", and {used.begin.family} takes over and hides it"
        self._blame(stimulus, wanted, tried, used, hides)

    def _beyond(self, stimulus: Reach, outcome: Outcome, server: ServerPlan, came_ns: int) -> None:
        """Judge a request that the proxy took and did not fulfil."""
        wanted = _wanted(server)
        tried = self.onwards.tried(server, wanted, came_ns, outcome.ended_ns)
        if tried is not None and tried.answered:
            self.doubts.append(f"{stimulus.id}: {outcome.error}, though {server.name} answered")
            return
        self._blame(stimulus, wanted, tried, None, "")

    def _blame(
        self,
        stimulus: Reach,
        family: Family,
        tried: Onward | None,
        used: Onward | None,
        more: str,
    ) -> None:
        """Blame the proxy for a family that it does not get through in."""
        name = self.egress.name
        if tried is None:
            how, seen = f"sends nothing out over {family}", "no packet of it left the proxy"
        elif tried.refused:
            how, seen = f"is refused over {family}", "an RST came back"
        else:
            how, seen = f"gets no answer over {family}", "packets left the proxy, none came back"
        trails = [self.sights.trail(o.exchange.request) for o in (tried, used) if o is not None]
        self.ledger.add(
            subject=name,
            cause=f"{name} {how}{more}",
            expected=f"{name} reaches {stimulus.target} over {family}",
            seen=seen if used is None else f"{seen}; {used.begin.family} was used",
            remedy=REMEDY.format(family=family),
            evidence="; ".join((self._headline(stimulus), *trails)),
        )

    def _headline(self, stimulus: Reach) -> str:
        return f"{stimulus.pod} by {self.egress.name} to {stimulus.target} port {stimulus.port}"


def _wanted(server: ServerPlan) -> Family:
    """Return the family in which a client with both reaches a server (RFC 6724 section 6)."""
    return Family.IPV6 if server.address(Family.IPV6) is not None else Family.IPV4


def judge(view: View) -> Judgement:
    """Judge every request through the proxy; see the module's text."""
    egress = view.plan.egress
    if egress is None:
        return Judgement(looked_at=0)
    bench = _Bench(view, egress)
    for stimulus in view.stimuli:
        if isinstance(stimulus, Reach):
            bench.judge(stimulus, view.outcomes.get(stimulus.id))
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="pods get out to either family by the egress proxy",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="stamps", point=Point.PROXY),
    ),
)
