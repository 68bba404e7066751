"""Every pod reaches pods, services and the internet over each IP family that the cluster has.

Guards against: a family that is configured but does not work, hidden because clients take the
other one ("if something works, it is no indication"). Each family is tried on its own, with the
other one blocked, never "any".

Looks at: the packets of each attempt (TCP SYN, SYN/ACK and RST, UDP datagrams, ICMP echoes) at the
pods' interfaces, the nodes' uplinks and the gateway's edge. A failed attempt is followed to where
it was last seen; the finding is about whoever the packets stopped at: a pod, a node whose pod
prefix is not routed, the gateway, a server. An attempt that the client calls a success counts only
when its packets were seen.

What to do: read the cause of each finding. A pod's packets that end on its own node speak of a
filter rule or policy there; packets that leave a node and never come back speak of a route outside
of it; a request that arrives and is refused speaks of a listener.
"""

from collections.abc import Iterator
from typing import NamedTuple

from dataplane.checks.ground.across import talks
from dataplane.checks.ground.exchanges import Asked, Exchange, exchanges, literal_of
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import DNS_PORT, Places
from dataplane.checks.ground.sights import Sights
from dataplane.checks.ground.way import REFUSALS, Blame, Way, Witnesses
from dataplane.model.address import Address, Family, family_of
from dataplane.model.answer import Judgement
from dataplane.model.plan import Plan, PodPlan, ServicePlan
from dataplane.model.seen import ConnectResult
from dataplane.model.stimulus import Outcome, Reach, Stimulus, Transport
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View

NAME = "reachability"
POD_PORT = 8080
SAME_NODE, OTHER_NODE = "pod-pod-same-node", "pod-pod-other-node"
SERVICE, INTERNET = "pod-service", "pod-internet"


def applies(plan: Plan) -> str | None:
    """Return why there is nobody to send anything; a plan has at least one family."""
    return None if plan.actors else "no pod of this plan takes part in stimuli"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return what is to be reached: TCP from every actor, and one UDP and ICMP per label and family.

    The actors take turns with UDP and ICMP, so that no pod of a broken cluster waits for all of it.
    """
    asked: list[Reach] = []
    turns: dict[tuple[str, Family], int] = {}
    done = len(plan.actors)
    for number, pod in enumerate(plan.actors):
        for target in _targets(plan, pod):
            asked.append(_reach(pod, target, Transport.TCP))
            turn = (target.label, family_of(target.address))
            if turns.setdefault(turn, len(turns) % done) > number:
                continue
            turns[turn] = done
            asked.append(_reach(pod, target, Transport.UDP))
            if target.label != SERVICE:  # a ClusterIP has ports and nothing that answers an echo
                asked.append(_reach(pod, target, Transport.ICMP))
    return (*asked, *_between_clusters(plan))


def _between_clusters(plan: Plan) -> Iterator[Reach]:
    """Yield what is to be reached between two clusters: by TCP, and each label once by the others."""
    labels: set[str] = set()
    for talk in talks(plan):
        target = _Target(talk.label, talk.target.name, talk.address, _port_of(plan, talk.target))
        yield _reach(talk.source, target, Transport.TCP)
        if talk.label not in labels:
            labels.add(talk.label)
            yield _reach(talk.source, target, Transport.UDP)
            yield _reach(talk.source, target, Transport.ICMP)


class _Target(NamedTuple):
    """What a pod is to reach, and as what."""

    label: str
    name: str
    address: Address
    port: int


def _targets(plan: Plan, pod: PodPlan) -> Iterator[_Target]:
    """Yield what a pod is to reach, per family it has."""
    for own in pod.addresses:
        family = family_of(own)
        for label, near in ((SAME_NODE, True), (OTHER_NODE, False)):
            neighbour = _next(plan, pod, near=near)
            address = None if neighbour is None else neighbour.address(family)
            if neighbour is not None and address is not None:
                yield _Target(label, neighbour.name, address, _port_of(plan, neighbour))
        for service in _services(plan):
            for address in service.addresses:
                if family_of(address) is family:
                    yield _Target(SERVICE, service.name, address, service.port)
        for server in plan.servers:
            address = server.address(family)
            if address is not None:
                yield _Target(INTERNET, server.name, address, server.port)


def _next(plan: Plan, pod: PodPlan, *, near: bool) -> PodPlan | None:
    """Return the next actor (in the plan's order, going round) on this node, or on another one."""
    actors = plan.actors
    begin = actors.index(pod)
    around = (*actors[begin + 1 :], *actors[:begin])
    return next((other for other in around if (other.node == pod.node) is near), None)


def _services(plan: Plan) -> Iterator[ServicePlan]:
    return (s for s in plan.services if s.endpoints and s.port != DNS_PORT)


def _port_of(plan: Plan, pod: PodPlan) -> int:
    return next((s.target_port for s in _services(plan) if pod.name in s.endpoints), POD_PORT)


def _reach(pod: PodPlan, target: _Target, transport: Transport) -> Reach:
    family = family_of(target.address)
    return Reach(
        id=f"{NAME}/{pod.name}/{target.label}/{target.name}/{family}/{transport}",
        check=NAME,
        pod=pod.name,
        target=str(target.address),
        transport=transport,
        port=0 if transport is Transport.ICMP else target.port,
        family=family,
        blocked=family.other,
        label=target.label,
    )


class _Bench:
    """One sitting: what all attempts of a view are judged with."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.witnesses = Witnesses.of(view.journeys, self.sights)
        self.asked = Asked(exchanges(view), view.taps)
        self.ledger = Ledger()
        self.doubts: list[str] = []
        self.looked_at = 0

    def judge(self, stimulus: Reach) -> None:
        """Judge one attempt by its packets."""
        outcome = self.view.outcomes.get(stimulus.id)
        target = literal_of(stimulus)
        if outcome is None or target is None:
            self.doubts.append(f"{stimulus.id} was not carried out")
            return
        exchange = self.asked.of(stimulus, outcome)
        if exchange is not None:
            self.looked_at += 1
        if outcome.ok:
            self._confirm(stimulus, exchange)
        elif exchange is None:
            self._unsent(stimulus, target, outcome)
        else:
            self._locate(stimulus, target, outcome, exchange)

    def _confirm(self, stimulus: Reach, exchange: Exchange | None) -> None:
        back = exchange.answer if exchange else None
        arrived = back and self.sights.hop(back, Point.POD, leaving=False, owner=stimulus.pod)
        if arrived is None:
            self.looked_at -= exchange is not None
            self.doubts.append(f"{stimulus.id} succeeded, not confirmed by packets")

    def _unsent(self, stimulus: Reach, target: Address, outcome: Outcome) -> None:
        """Judge an attempt of which no packet left the pod."""
        if self._never_sent(stimulus, target, outcome):
            self.looked_at += 1
        elif not self.sights.watched(Point.POD, stimulus.pod):
            self.doubts.append(f"{stimulus.id} failed, and {stimulus.pod} was not watched")
            return
        family = family_of(target)
        self.ledger.add(
            subject=stimulus.pod,
            cause=f"{stimulus.pod} cannot send {family}: no packet left the pod",
            expected=f"a packet to {self.places.called(target)} leaves the pod",
            seen=f"nothing; the client got {outcome.error}",
            remedy=f"give the pod an {family} address and a default route (ip route, inside the pod)",
            evidence=self._headline(stimulus, target, outcome),
        )

    def _never_sent(self, stimulus: Reach, target: Address, outcome: Outcome) -> bool:
        return any(
            seen.result is ConnectResult.UNSENT
            and seen.owner == stimulus.pod
            and seen.destination == target
            and outcome.started_ns <= seen.time_ns <= outcome.ended_ns
            for seen in self.view.evidence.connects
        )

    def _locate(
        self, stimulus: Reach, target: Address, outcome: Outcome, exchange: Exchange
    ) -> None:
        """Follow a failed attempt to where it was last seen."""
        headline = self._headline(stimulus, target, outcome)
        source = self.places.pod_named(stimulus.pod)
        if exchange.request.ambiguous or source is None:
            self.doubts.append(f"{headline}: its packets cannot be told from others")
            return
        way = Way.of(source, target, exchange, self.places)
        refused = exchange.refusal is not None or outcome.error in REFUSALS
        last, missing = way.end(exchange, self.sights)
        service = self.places.service(target) if way.destination is None else None
        blame: Blame | None = None
        if service is not None and last is not None and (missing or last == way.stations[-1]):
            blame = way.behind_service(service, last, self.witnesses, refused=refused)
        elif last is not None and missing is not None:
            blame = way.blame(last, missing, self.witnesses, refused=refused)
        if blame is None:
            answered = service is None and last is not None and last == way.stations[-1]
            why = "answered on the wire all the same" if answered else "not watched where it ended"
            self.doubts.append(f"{headline}: {why} (last seen: {last})")
            return
        self.ledger.add(
            subject=blame.subject,
            cause=blame.cause,
            expected=str(missing or "the request reaching an endpoint"),
            seen=f"last seen: {last}; the client got {outcome.error}",
            remedy=blame.remedy,
            evidence=f"{headline}: {self.sights.trail(exchange.request)}{self._back(exchange)}",
        )

    def _back(self, exchange: Exchange) -> str:
        parts = (
            ("answered", exchange.answer),
            ("refused (RST)", exchange.refusal),
        )
        return "".join(f"; {word} {self.sights.trail(way)}" for word, way in parts if way)

    def _headline(self, stimulus: Reach, target: Address, outcome: Outcome) -> str:
        took = (outcome.ended_ns - outcome.started_ns) / 1e6
        port = f"/{stimulus.port}" if stimulus.port else ""
        return (
            f"{stimulus.pod} -> {self.places.called(target)} {stimulus.transport}{port} "
            f"({stimulus.label}): {outcome.error} after {took:.0f} ms"
        )


def judge(view: View) -> Judgement:
    """Judge every attempt by its packets; see the module's text."""
    bench = _Bench(view)
    for stimulus in view.stimuli:
        if isinstance(stimulus, Reach):
            bench.judge(stimulus)
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="every pod reaches everybody over each family",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="stamps", point=Point.UPLINK),
    ),
)
