"""The way that a request and its answer should have taken, and who is to blame where it ends."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from dataplane.checks.ground.exchanges import Exchange
from dataplane.checks.ground.places import GATEWAY, Places
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import PodPlan, ServicePlan
from dataplane.model.seen import PacketKind
from dataplane.model.topology import Point
from dataplane.model.view import Journey

REFUSALS = frozenset(
    {"ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM", "EPROTO"}
)
"""What a client is told when somebody sent an error back, instead of nothing (RFC 4443 section 3.1)."""

RULES = "look at the node's rules (nft list ruleset), network policies and routes for this pod"
PREFIX_ROUTE = "route the node's pod prefix to the node, in the fabric and at the gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A place that a packet passes: `answer` tells the way back from the way there."""

    point: Point
    owner: str
    leaving: bool
    answer: bool = False

    def __str__(self) -> str:
        what = "answer" if self.answer else "request"
        direction = "leaving" if self.leaving else "reaching"
        return f"the {what} {direction} {self.owner} ({self.point})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Who is to blame, and in which words."""

    subject: str
    cause: str
    remedy: str


@dataclass(slots=True)
class Witnesses:
    """What else was seen of each pod: whether its packets get out, get in, and are accepted.

    Where a packet vanishes between two pods of one node, either of them may be the reason; the one
    that gets on with everybody else is not.
    """

    sends: set[tuple[str, Family]] = field(default_factory=set)
    receives: set[tuple[str, Family]] = field(default_factory=set)
    listens: set[tuple[str, Family]] = field(default_factory=set)

    @classmethod
    def of(cls, journeys: Iterable[Journey], sights: Sights) -> "Witnesses":
        """Gather what all journeys say of the pods."""
        told = cls()
        for journey in journeys:
            told._hear(journey, sights)
        return told

    def _hear(self, journey: Journey, sights: Sights) -> None:
        for number, hop in enumerate(journey.hops):
            if sights.point(hop) is not Point.POD:
                continue
            pod = (sights.owner(hop), hop.family)
            if not hop.leaving:
                self.receives.add(pod)
                continue
            if any(later.tap != hop.tap for later in journey.hops[number + 1 :]):
                self.sends.add(pod)
            if hop.packet is PacketKind.TCP_SYN_ACK:
                self.listens.add(pod)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The stations between a pod and what it wanted to reach, there and back."""

    source: PodPlan
    target: Address
    destination: PodPlan | None
    stations: tuple[Station, ...]
    places: Places

    @property
    def family(self) -> Family:
        """Return the family that was asked for."""
        return family_of(self.target)

    @classmethod
    def of(cls, source: PodPlan, target: Address, exchange: Exchange, places: Places) -> "Way":
        """Lay the stations out; behind a service, the packets show which endpoint was chosen."""
        destination = _endpoint(target, exchange, places)
        there = _there(source, target, destination, places)
        known = destination is not None or places.service(target) is None
        back = tuple(
            Station(point=s.point, owner=s.owner, leaving=not s.leaving, answer=True)
            for s in reversed(there)
            if known
        )
        return cls(
            source=source,
            target=target,
            destination=destination,
            stations=there + back,
            places=places,
        )

    def end(self, exchange: Exchange, sights: Sights) -> tuple[Station | None, Station | None]:
        """Return the last station that was passed, and the first watched one behind it that was not."""
        last, missing = None, None
        for station in self.stations:
            journey = exchange.answer if station.answer else exchange.request
            if journey is not None and sights.hop(
                journey, station.point, leaving=station.leaving, owner=station.owner
            ):
                last, missing = station, None
            elif missing is None and sights.watched(station.point, station.owner):
                missing = station
        return last, missing

    def blame(
        self, last: Station, missing: Station, witnesses: Witnesses, *, refused: bool
    ) -> Blame | None:
        """Return who is to blame for what happened between two stations; None when it may be several."""
        begin, end = self.stations.index(last), self.stations.index(missing)
        blamed = {
            self._segment(one, two, witnesses, refused=refused)
            for one, two in pairwise(self.stations[begin : end + 1])
        }
        subjects = {blame.subject for blame in blamed}
        return min(blamed, key=lambda blame: blame.cause) if len(subjects) == 1 else None

    def _segment(self, one: Station, two: Station, witnesses: Witnesses, *, refused: bool) -> Blame:
        """Return who is to blame between two neighbouring stations."""
        match one.point, two.point:
            case Point.POD, Point.POD if one.leaving:
                return self._on_one_node(two, witnesses, refused=refused)
            case (Point.POD, Point.POD) | (Point.EDGE, Point.EDGE):
                return self._unanswered(one, witnesses, refused=refused)
            case Point.POD, _:
                return self._of_pod(one.owner, refused=refused)
            case _, Point.POD:
                return self._for_pod(two.owner, refused=refused)
            case _, Point.UPLINK:
                return self._lost_prefix(two.owner)
            case _:
                cause = (
                    f"the gateway does not forward {self.family} packets of pods to the internet"
                )
                remedy = "look at the gateway's forwarding, routes and filter rules"
                return Blame(subject=two.owner, cause=cause, remedy=remedy)

    def _on_one_node(self, two: Station, witnesses: Witnesses, *, refused: bool) -> Blame:
        """Blame the one of two pods on a node that gets on with nobody else either."""
        sender, receiver = self.source.name, two.owner
        if two.answer and self.destination is not None:
            sender = self.destination.name
        sends = (sender, self.family) in witnesses.sends
        if sends and (receiver, self.family) not in witnesses.receives:
            return self._for_pod(receiver, refused=refused)
        return self._of_pod(sender, refused=refused)

    def behind_service(
        self, service: ServicePlan, last: Station, witnesses: Witnesses, *, refused: bool
    ) -> Blame:
        """Blame for a request to a service whose endpoint did not come to light.

        Either it ended on its own node, or it left the node with the service's address still on it.
        """
        node, family = self.source.node, self.family
        if last.point is not Point.POD:
            cause = f"{node} does not translate the {family} address of service {service.name}"
            return Blame(subject=node, cause=cause, remedy="look at kube-proxy's rules on the node")
        if (self.source.name, family) in witnesses.sends:
            for endpoint in service.endpoints:
                near = self.places.node_of(endpoint) == node
                if near and (endpoint, family) not in witnesses.receives:
                    return self._for_pod(endpoint, refused=refused)
        return self._of_pod(self.source.name, refused=refused)

    def _of_pod(self, pod: str, *, refused: bool) -> Blame:
        verb = "refuses" if refused else "drops"
        node = self.places.node_of(pod)
        return Blame(
            subject=pod, cause=f"{node} {verb} {self.family} packets of {pod}", remedy=RULES
        )

    def _for_pod(self, pod: str, *, refused: bool) -> Blame:
        verb = "refuses" if refused else "drops"
        node = self.places.node_of(pod)
        return Blame(
            subject=pod, cause=f"{node} {verb} {self.family} packets for {pod}", remedy=RULES
        )

    def _lost_prefix(self, node: str) -> Blame:
        cause = (
            f"{self.family} packets for the pod prefix of {node} do not arrive at {node}: "
            "nobody outside routes the prefix there"
        )
        return Blame(subject=node, cause=cause, remedy=PREFIX_ROUTE)

    def _unanswered(self, one: Station, witnesses: Witnesses, *, refused: bool) -> Blame:
        """Blame the destination: the request came, no answer went out."""
        if self.destination is None:
            host = self.places.host(self.target)
            subject = one.owner if host is None else host.name
        else:
            subject = self.destination.name
        family, other = self.family, self.family.other
        if not refused:
            cause = f"{subject} gets {family} requests and sends no answer"
            return Blame(subject=subject, cause=cause, remedy=f"look at what serves on {subject}")
        only = (subject, other) in witnesses.listens
        cause = f"{subject} refuses {family}: " + (
            f"{other}-only listener" if only else f"nothing listens for {family}"
        )
        wildcard = "[::]" if family is Family.IPV6 else "0.0.0.0"  # noqa: S104 - advice, not a bind
        remedy = f"bind the server on {subject} to {wildcard} (with IPV6_V6ONLY off, [::] is both)"
        return Blame(subject=subject, cause=cause, remedy=remedy)


def _endpoint(target: Address, exchange: Exchange, places: Places) -> PodPlan | None:
    """Return the pod that a request went to, as far as the packets show it."""
    if places.service(target) is None:
        return places.pod(target)
    asked = (hop.destination for hop in exchange.request.hops)
    answered = (hop.source for hop in exchange.answer.hops) if exchange.answer else iter(())
    for address in (*asked, *answered):
        pod = places.pod(address)
        if pod is not None:
            return pod
    return None


def _there(
    source: PodPlan, target: Address, destination: PodPlan | None, places: Places
) -> tuple[Station, ...]:
    """Return the stations of the request."""
    begin = Station(point=Point.POD, owner=source.name, leaving=True)
    out = Station(point=Point.UPLINK, owner=source.node, leaving=True)
    if destination is not None:
        end = Station(point=Point.POD, owner=destination.name, leaving=False)
        if destination.node == source.node:
            return (begin, end)
        across = Station(point=Point.UPLINK, owner=destination.node, leaving=False)
        return (begin, out, across, end)
    if places.service(target) is not None:
        return (begin, out)  # which endpoint was chosen did not come to light
    return (begin, out, Station(point=Point.EDGE, owner=GATEWAY, leaving=True))
