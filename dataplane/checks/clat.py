"""Applications that know IPv4 literals only get through, and their IPv4 never crosses a pod's link.

Guards against: a CLAT (RFC 6877, the customer side of 464XLAT) that is missing, dead, or translates
with the wrong addresses. An application with an IPv4 literal in its configuration then fails in an
IPv6-only cluster, or needs dual-stack everywhere.

Looks at: the IPv4 packets that applications hand to the CLAT's interface, and the same packets,
recognised by their stamps, as IPv6 behind it (on the pod's link, or behind the CLAT of the node): source must be the pod's CLAT address, destination the literal embedded in
the NAT64 prefix (RFC 6052). Answers that come back to the CLAT must come out as IPv4. Attempts
that never became a packet are seen at the socket. Behind the CLAT it is no longer its fault.

What to do: see whether the pod has the CLAT's interface with 192.0.0.0/29 (RFC 7335) and the IPv4
default route through it, whether the translator runs, and which prefix it was given.
"""

from ipaddress import IPv4Address

from dataplane.checks.ground.exchanges import Asked, Exchange, exchanges, literal_of
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places, crosses_networks
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import ClatPlacement, ClatPlan, Nat64Plan, Plan, PodPlan
from dataplane.model.seen import ConnectResult, PacketSeen
from dataplane.model.stimulus import Reach, Stimulus, Transport
from dataplane.model.topology import Point
from dataplane.model.view import Check, Journey, Sight, View
from dataplane.rules.rfc6052 import embed

NAME = "clat"
TCP = 6
TIMEOUT_S = 1.0  # translators in user space take their time on a busy machine
MISSING = "give the pod a CLAT: its interface, an address of 192.0.0.0/29, the IPv4 default route"
DEAD = "see whether the translator behind the CLAT's interface runs"
CONFIGURED = "compare the CLAT's prefix and address with the plan's"


def applies(plan: Plan) -> str | None:
    """Return why there is no CLAT to judge."""
    if plan.clat is None or plan.nat64 is None:
        return "the plan has no 464XLAT"
    return None if plan.actors else "no pod of this plan takes part in stimuli"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return every transport towards each IPv4-only server's IPv4 literal, for every actor."""
    return tuple(
        Reach(
            id=f"{NAME}/{pod.name}/{server.name}/{transport}",
            check=NAME,
            pod=pod.name,
            target=str(address),
            transport=transport,
            port=0 if transport is Transport.ICMP else server.port,
            family=Family.IPV4,
            label="ipv4-literal",
            timeout=TIMEOUT_S,
        )
        for pod in plan.actors
        for server in plan.servers
        if server.address(Family.IPV6) is None
        and isinstance(address := server.address(Family.IPV4), IPv4Address)
        for transport in Transport
    )


class _Bench:
    """One sitting: what applications handed to the CLATs, and what came out behind them.

    A CLAT belongs to a pod or, where it sits on the node, to the node: the findings are about it.
    """

    def __init__(self, view: View, clat: ClatPlan, nat64: Nat64Plan) -> None:
        self.view = view
        self.in_pod = clat.placement is ClatPlacement.POD
        self.nat64 = nat64
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.exchanges = exchanges(view)
        self.ledger = Ledger()
        self.doubts: list[str] = []
        self.looked_at = 0

    def judge(self) -> None:
        """Judge every request that an application sent as IPv4, and the answer to it."""
        for exchange in self.exchanges:
            inside = self._sent(exchange.request)
            if inside is not None:
                self.looked_at += 1
                self._judge(exchange, inside, self.sights.owner(inside))

    def _sent(self, request: Journey) -> PacketSeen | None:
        """Return the hop at which an application's IPv4 packet was first seen, before any CLAT."""
        points = (Point.CLAT, Point.POD) if self.in_pod else (Point.CLAT,)
        hops = (hop for at in points for hop in self.sights.hops(request, at, leaving=True))
        return next(
            (h for h in hops if h.family is Family.IPV4 and crosses_networks(h.destination)), None
        )

    def _judge(self, exchange: Exchange, inside: PacketSeen, owner: str) -> None:
        request = exchange.request
        if request.ambiguous:
            self.doubts.append(f"{owner}: {inside.packet} with an ambiguous stamp")
            return
        outside = self._translated(request)
        leak = self._on_link(request, Family.IPV4) if self.in_pod else None
        if leak is not None:
            self._add(
                owner,
                f"IPv4 packets of {owner} cross its link past the CLAT",
                ("IPv6 only on the pod's link", f"IPv4 from {leak.source}"),
                MISSING,
                request,
            )
        elif outside is None:
            self._add(
                owner,
                f"the CLAT of {owner} takes IPv4 packets and gives back no IPv6 packet",
                (f"the same {inside.packet} as IPv6 behind the CLAT", "nothing behind the CLAT"),
                DEAD,
                request,
            )
        elif self._right(owner, inside, outside, request) and exchange.answer is not None:
            self._judge_answer(owner, exchange.answer)

    def _on_link(self, request: Journey, family: Family) -> PacketSeen | None:
        hops = self.sights.hops(request, Point.POD, leaving=True)
        return next((hop for hop in hops if hop.family is family), None)

    def _translated(self, request: Journey) -> PacketSeen | None:
        """Return the IPv6 packet behind the CLAT: on the pod's link, or behind the node's CLAT."""
        if self.in_pod:
            return self._on_link(request, Family.IPV6)
        behind = (
            *self.sights.hops(request, Point.CLAT, leaving=False),
            *self.sights.hops(request, Point.UPLINK, leaving=True),
        )
        return next((hop for hop in behind if hop.family is Family.IPV6), None)

    def _right(self, owner: str, inside: PacketSeen, outside: PacketSeen, request: Journey) -> bool:
        """Tell whether both addresses are as RFC 6877 and the plan have them."""
        cause = f"the CLAT of {owner} writes wrong addresses"
        literal = inside.destination
        wanted = embed(self.nat64.prefix, literal) if isinstance(literal, IPv4Address) else None
        sources = self._sources(owner)
        if outside.destination != wanted:
            sides = (f"destination {wanted}", f"destination {outside.destination}")
        elif outside.source not in sources:
            names = " or ".join(map(str, sorted(sources, key=int)))
            sides = (f"source {names}", f"source {outside.source}")
        else:
            return True
        self._add(owner, cause, sides, CONFIGURED, request)
        return False

    def _sources(self, owner: str) -> frozenset[Address]:
        """Return the IPv6 addresses that a CLAT sends from: the pod's one, or its node's pods'."""
        node = self.places.node_named(owner)
        pod = self.places.pod_named(owner)
        pods = node.pods if node is not None else () if pod is None else (pod,)
        return frozenset(p.clat_address for p in pods if p.clat_address is not None)

    def _judge_answer(self, owner: str, answer: Journey) -> None:
        """Judge an answer that came back to the CLAT: IPv6 in, IPv4 out."""
        point, leaving = (Point.POD, False) if self.in_pod else (Point.CLAT, True)
        back = self.sights.hops(answer, point, leaving=leaving)
        out = self.sights.hops(answer, Point.CLAT, leaving=False)
        came = any(hop.family is Family.IPV6 for hop in back)
        if came and not any(hop.family is Family.IPV4 for hop in out):
            self._add(
                owner,
                f"the CLAT of {owner} takes answers and gives back no IPv4 packet",
                (
                    f"the same {answer.hops[0].packet} as IPv4 behind the CLAT",
                    "nothing behind the CLAT",
                ),
                DEAD,
                answer,
            )

    def _add(
        self, owner: str, cause: str, sides: tuple[str, str], remedy: str, journey: Journey
    ) -> None:
        expected, seen = sides
        self.ledger.add(
            subject=owner,
            cause=cause,
            expected=expected,
            seen=seen,
            remedy=remedy,
            evidence=f"{journey.hops[0].packet}: {self.sights.trail(journey)}",
        )

    def judge_unsent(self) -> None:
        """Judge the attempts that never became a packet: there was no IPv4 to send it with."""
        for seen in self.view.evidence.connects:
            pod = self.places.pod_named(seen.owner or "")
            # A connected datagram socket that sends nothing is getaddrinfo sorting (RFC 6724).
            sorting = seen.protocol != TCP and seen.call == "connect"
            if (
                pod is not None
                and not sorting
                and seen.family is Family.IPV4
                and seen.result is ConnectResult.UNSENT
                and crosses_networks(seen.destination)
            ):
                self.looked_at += 1
                self._missing(pod, f"{seen.comm} (pid {seen.pid})", str(seen.destination))

    def judge_outcomes(self) -> None:
        """Hold the check's own attempts against the packets, the ones without a packet above all."""
        before = Asked(self.exchanges, self.view.taps, Point.CLAT)
        on_link = Asked(self.exchanges, self.view.taps, Point.POD)
        for stimulus in self.view.stimuli:
            outcome = self.view.outcomes.get(stimulus.id)
            pod = self.places.pod_named(stimulus.pod)
            if not isinstance(stimulus, Reach) or outcome is None or pod is None:
                self.doubts.append(f"{stimulus.id} was not carried out")
                continue
            source = pod.name if self.in_pod else pod.node
            seen = before.of(stimulus, outcome, source=source) or on_link.of(stimulus, outcome)
            if seen is not None:
                continue
            if outcome.ok:
                self.doubts.append(f"{stimulus.id} succeeded, not confirmed by packets")
            elif self.sights.watched(Point.POD, pod.name):
                self._untaken(pod, stimulus)

    def _untaken(self, pod: PodPlan, stimulus: Reach) -> None:
        """Judge an attempt that no CLAT got: it never left the pod, or nobody on the node took it."""
        target = literal_of(stimulus)
        left = any(
            flow.leaving and flow.destination == target
            for flow in self.view.evidence.flows
            if self.sights.place_of(flow.tap) == (Point.POD, pod.name)
        )
        if self.in_pod or not left:
            self._missing(pod, f"{stimulus.transport} client", stimulus.target)
            return
        self.ledger.add(
            subject=pod.node,
            cause=f"{pod.node} has no CLAT: IPv4 packets of its pods end there",
            expected="IPv4 packets that leave a pod go into the node's CLAT",
            seen="packets that left the pod and reached no CLAT",
            remedy="see whether the node has the CLAT's interface and the IPv4 default route into it",
            evidence=f"{pod.name} to {stimulus.target} ({stimulus.transport}): left the pod",
        )

    def _missing(self, pod: PodPlan, who: str, target: str) -> None:
        self.ledger.add(
            subject=pod.name,
            cause=f"{pod.name} has no CLAT: IPv4 attempts never become a packet",
            expected=f"IPv4 packets of applications go into a CLAT ({pod.clat_address})",
            seen="attempts that were never sent",
            remedy=MISSING,
            evidence=f"{who} to {target}: not sent",
        )


def judge(view: View) -> Judgement:
    """Judge what applications sent as IPv4; see the module's text."""
    clat, nat64 = view.plan.clat, view.plan.nat64
    if clat is None or nat64 is None:
        return Judgement(looked_at=0)
    bench = _Bench(view, clat, nat64)
    bench.judge()
    bench.judge_unsent()
    bench.judge_outcomes()
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="464XLAT carries IPv4-only applications",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.CLAT),
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="flows", point=Point.POD),
        Sight(probe="connects"),
    ),
)
