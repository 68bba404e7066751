"""Services that are asked from outside: the routes that a plan has for them, and who came by these."""

from ipaddress import ip_address

from dataplane.checks.ground.exchanges import Asked, Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places
from dataplane.checks.ground.routing import Routing, worded
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, family_of
from dataplane.model.cloud import RoutePlan
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Outcome, Reach
from dataplane.model.topology import Point
from dataplane.model.view import View


class Inbound:
    """One sitting: planned routes to Services, and what a second cluster's requests met with.

    A request is followed as far as the node that it was routed to, and through that node's rules;
    what becomes of it between a node and an endpoint is said by what nodes and pods send each other.
    """

    def __init__(self, view: View, ledger: Ledger) -> None:
        self.view, self.ledger = view, ledger
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.own = frozenset(node.name for node in view.plan.nodes)
        self.looked_at = 0
        self.doubts: list[str] = []

    def judge(self) -> None:
        """Judge the routers' routes, then every request."""
        self._routes()
        asked = Asked(exchanges(self.view), self.view.taps) if self.view.stimuli else None
        for stimulus in self.view.stimuli:
            if asked is None or not isinstance(stimulus, Reach):
                continue
            outcome = self.view.outcomes.get(stimulus.id)
            if outcome is None:
                self.doubts.append(f"{stimulus.id} was not carried out")
            else:
                self._request(stimulus, outcome, asked.of(stimulus, outcome))

    def _routes(self) -> None:
        routing = Routing(self.view.plan, self.view.evidence.routes)
        for planned in self.view.plan.service_routes:
            family = family_of(planned.destination)
            seen = []
            for router in routing.routers:
                if routing.carries(router, family):
                    route = routing.best(router, planned.destination)
                    leads = route is not None and bool(routing.nodes_of(route))
                    shown = "no route at all" if route is None else f"{worded(route)} takes it"
                    seen.append((leads, f"{router}: {shown}"))
            self.looked_at += len(seen)
            if seen and not any(leads for leads, _ in seen):
                for _, evidence in seen:
                    self._lost(planned, evidence)

    def _request(self, stimulus: Reach, outcome: Outcome, exchange: Exchange | None) -> None:
        target = ip_address(stimulus.target)
        if exchange is None or exchange.request.ambiguous:
            self.doubts.append(f"{stimulus.id}: its packets were not seen, or are like others")
            return
        came = self._came(exchange)
        if outcome.ok and came is not None:
            self.looked_at += 1
        elif outcome.ok:
            self.doubts.append(f"{stimulus.id} succeeded, not confirmed by packets")
        elif came is None:
            self._never_came(target, stimulus, outcome, exchange)
        else:
            self.looked_at += 1
            if exchange.request.hops[-1] is came:
                self._ended_there(target, self.sights.owner(came), exchange)

    def _came(self, exchange: Exchange) -> PacketSeen | None:
        """Return where a request came to a node of this cluster."""
        found = self.sights.hops(exchange.request, Point.UPLINK, leaving=False)
        return next((hop for hop in found if self.sights.owner(hop) in self.own), None)

    def _never_came(
        self, target: Address, stimulus: Reach, outcome: Outcome, exchange: Exchange
    ) -> None:
        planned = next(r for r in self.view.plan.service_routes if target in r.destination)
        home = self.places.node_of(stimulus.pod) or ""
        left = self.sights.hop(exchange.request, Point.UPLINK, leaving=True, owner=home)
        if left is None or not all(self.sights.watched(Point.UPLINK, n) for n in self.own):
            self.doubts.append(f"{stimulus.id}: not watched where it ended")
            return
        self.looked_at += 1
        trail = self.sights.trail(exchange.request)
        self._lost(planned, f"{stimulus.id}: {outcome.error}: {trail}")

    def _ended_there(self, target: Address, node: str, exchange: Exchange) -> None:
        called = self.places.called(target)
        self.ledger.add(
            subject=node,
            cause=f"{node} gets packets for Services from outside, and does not translate them",
            expected=f"packets to {called} go on to an endpoint",
            seen=f"nothing of them behind the uplink of {node}",
            remedy=f"look at kube-proxy's rules on {node}, and at filters before them",
            evidence=f"to {called}: {self.sights.trail(exchange.request)}",
        )

    def _lost(self, planned: RoutePlan, evidence: str) -> None:
        table, destination, via = planned.table, planned.destination, planned.via
        self.ledger.add(
            subject=table,
            cause=f"{table} does not route Services ({destination}) to a node",
            expected=f"{destination} via {via} ({planned.target}), as planned: Services are asked "
            "from outside",
            seen=evidence,
            remedy=f"add the route on {table}: {destination} via {via}",
            evidence=evidence,
        )
