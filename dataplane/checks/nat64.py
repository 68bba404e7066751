"""The NAT64 at the gateway translates every packet that is meant for it, both ways (RFC 6146).

Guards against: a translator that is not running, not routed to, serves another prefix, or maps to
the wrong addresses; IPv6-only pods then cannot reach IPv4-only servers, and only at first use does
anybody notice.

Looks at: packets at the translator's own interface, recognised by their stamps. A packet that goes
in as IPv6 must come out as IPv4, to the address that is embedded in its destination (RFC 6052
section 2.3), from a source of the translator's pool; the answer must go in as IPv4 and come out as
IPv6 with the server's address embedded. What happens to packets before and behind the translator
is not its fault and gives no finding here, but for one thing: where not one translated packet leaves
the gateway's edge, the translator has no IPv4 to send with (kubernetes-sigs/nat64#43). Literals that
no translator may forward (loopback, link-local, multicast) are not counted.

What to do: see whether the translator runs at the gateway, whether its prefix is the one that the
cluster and DNS64 use, and whether the route to the prefix leads into its interface.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from dataplane.checks.ground.exchanges import Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import GATEWAY, Places, crosses_networks
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import Nat64Plan, Plan
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Reach, Stimulus, Transport
from dataplane.model.topology import Point
from dataplane.model.view import Check, Journey, Sight, View
from dataplane.rules.images import WITHOUT_AAAA
from dataplane.rules.rfc6052 import embed, extract

NAME = "nat64"
TIMEOUT_S = 1.0  # translators in user space take their time on a busy machine
RUNNING = "see whether the translator runs, and whether it serves this prefix"
UPLINK = "give the gateway an IPv4 address and a default route at its edge, or look at its filters"
ROUTED = "see whether the translator runs, and whether the prefix is routed into its interface"


def applies(plan: Plan) -> str | None:
    """Return why there is no NAT64 to judge."""
    return (
        None if plan.nat64 else "the plan has no NAT64: the pods reach IPv4 servers by themselves"
    )


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return every transport towards each IPv4-only server's synthesized literal, for every actor.

    One pod of each node pulls from a registry, by its name.
    """
    if plan.nat64 is None:
        return ()
    prefix = plan.nat64.prefix
    literals = (
        Reach(
            id=f"{NAME}/{pod.name}/{server.name}/{transport}",
            check=NAME,
            pod=pod.name,
            target=str(embed(prefix, address)),
            transport=transport,
            port=0 if transport is Transport.ICMP else server.port,
            family=Family.IPV6,
            label="synthesized-literal",
            timeout=TIMEOUT_S,
        )
        for pod in plan.actors
        for server in plan.servers
        if server.address(Family.IPV6) is None
        and isinstance(address := server.address(Family.IPV4), IPv4Address)
        for transport in Transport
    )
    return (*literals, *_pulls(plan))


def _pulls(plan: Plan) -> Iterator[Reach]:
    """Yield a connection to the registry that has A records only, for one pod of each node."""
    server = next((s for s in plan.servers if s.address(Family.IPV6) is None), None)
    if server is None:
        return
    first = {pod.node: pod for pod in reversed(plan.actors)}
    for pod in first.values():
        yield Reach(
            id=f"{NAME}/{pod.name}/{WITHOUT_AAAA}/{Transport.TCP}",
            check=NAME,
            pod=pod.name,
            target=WITHOUT_AAAA,
            port=server.port,
            family=Family.IPV6,
            label="registry",
            timeout=TIMEOUT_S,
        )


class _Bench:
    """One sitting: what went into the translator and what came out of it."""

    def __init__(self, view: View, nat64: Nat64Plan) -> None:
        self.nat64 = nat64
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.subject = next(iter(self.sights.owners(Point.TRANSLATOR)), GATEWAY)
        self.ledger = Ledger()
        self.doubts: list[str] = []
        self.entered = 0
        self.sent: list[Journey] = []
        self.answered = False
        self.translated: list[Journey] = []
        self.left = 0

    def meant(self, address: Address) -> IPv4Address | None:
        """Return the IPv4 address that a destination stands for, None when it is not for NAT64."""
        if not isinstance(address, IPv6Address) or address not in self.nat64.prefix:
            return None
        try:
            inner = extract(self.nat64.prefix, address)
        except ValueError:
            return None  # bits 64 to 71 are set: nothing that RFC 6052 section 2.2 defines
        return inner if crosses_networks(inner) else None

    def judge(self, exchange: Exchange) -> None:
        """Judge a request's passage through the translator, and its answer's when it passed."""
        request = exchange.request
        sent = self.sights.hop(request, Point.UPLINK, leaving=True)
        if sent is not None and self.meant(sent.destination):
            self.sent.append(request)
            self.answered |= exchange.answer is not None
        inside = self.sights.hop(request, Point.TRANSLATOR, leaving=True)
        if inside is None:
            return
        server = self.meant(inside.destination)
        if server is None:
            return
        self.entered += 1
        if request.ambiguous:
            self.doubts.append(f"{request.hops[0].packet} with an ambiguous stamp")
            return
        outside = self.sights.hop(request, Point.TRANSLATOR, leaving=False)
        if outside is None:
            self._swallowed(request, inside)
        elif self._wrong_request(request, inside, outside, server):
            return
        else:
            self.translated.append(request)
            self.left += self.sights.hop(request, Point.EDGE, leaving=True) is not None
            if exchange.answer is not None and not exchange.answer.ambiguous:
                self._judge_answer(exchange.answer, server)

    def _wrong_request(
        self, request: Journey, inside: PacketSeen, outside: PacketSeen, server: IPv4Address
    ) -> bool:
        pool = self.nat64.pool4
        faults = (
            (outside.destination != server, f"destination {server}", f"{outside.destination}"),
            (outside.source not in pool, f"a source of {pool}", f"{outside.source}"),
            (
                outside.destination_port != inside.destination_port and not _echo(inside),
                f"destination port {inside.destination_port}",
                f"{outside.destination_port}",
            ),
        )
        for wrong, expected, seen in faults:
            if wrong:
                self._add("the translator writes wrong addresses", expected, seen, request)
        return any(wrong for wrong, _, _ in faults)

    def _judge_answer(self, answer: Journey, server: IPv4Address) -> None:
        """Judge an answer that reached the translator: IPv4 in, IPv6 out."""
        inside = self.sights.hop(answer, Point.TRANSLATOR, leaving=True)
        if inside is None:
            return  # it never came back this far
        self.entered += 1
        outside = self.sights.hop(answer, Point.TRANSLATOR, leaving=False)
        if outside is None:
            self._swallowed(answer, inside)
            return
        expected = embed(self.nat64.prefix, server)
        if outside.source != expected:
            self._add(
                "the translator writes wrong addresses",
                f"source {expected}",
                f"{outside.source}",
                answer,
            )

    def _swallowed(self, journey: Journey, inside: PacketSeen) -> None:
        other = inside.family.other
        self._add(
            f"the translator takes {inside.family} packets and gives back no {other} packet",
            f"the same {inside.packet} leaves the translator as {other}",
            f"nothing leaves it; {self.places.called(inside.destination)} was asked for",
            journey,
        )

    def _add(self, cause: str, expected: str, seen: str, journey: Journey) -> None:
        self.ledger.add(
            subject=self.subject,
            cause=cause,
            expected=expected,
            seen=seen,
            remedy=RUNNING,
            evidence=f"{journey.hops[0].packet}: {self.sights.trail(journey)}",
        )

    def not_reached(self) -> None:
        """Judge that nothing went into the translator although pods sent to its prefix."""
        watched = self.sights.watched(Point.TRANSLATOR, self.subject)
        if self.entered or not self.sent or (not watched and self.answered):
            return
        for journey in self.sent:
            self.ledger.add(
                subject=self.subject,
                cause=f"nothing that is sent to {self.nat64.prefix} reaches a translator",
                expected="packets to the NAT64 prefix go into the translator",
                seen=f"{len(self.sent)} requests left the nodes, none went into the translator"
                + ("" if watched else " (its interface is not watched), and none was answered"),
                remedy=ROUTED,
                evidence=f"{journey.hops[0].packet}: {self.sights.trail(journey)}",
            )

    def not_sent(self) -> None:
        """Judge that nothing of what was translated left the gateway."""
        if self.left or not self.sights.watched(Point.EDGE, self.subject):
            return
        for journey in self.translated:
            self.ledger.add(
                subject=self.subject,
                cause=f"{self.subject} translates, and sends nothing out over IPv4",
                expected="translated packets leave the gateway's edge",
                seen=f"{len(self.translated)} packets came out of the translator, none left",
                remedy=UPLINK,
                evidence=f"{journey.hops[0].packet}: {self.sights.trail(journey)}",
            )


def _echo(hop: PacketSeen) -> bool:
    return hop.packet.value.startswith(
        "echo"
    )  # the ports are an identifier, which NAT64 may change


def judge(view: View) -> Judgement:
    """Judge every packet that went into the translator; see the module's text."""
    nat64 = view.plan.nat64
    if nat64 is None:
        return Judgement(looked_at=0)
    bench = _Bench(view, nat64)
    for exchange in exchanges(view):
        bench.judge(exchange)
    bench.not_reached()
    bench.not_sent()
    return Judgement(
        looked_at=bench.entered or len(bench.sent),
        findings=bench.ledger.findings(),
        doubts=tuple(bench.doubts),
    )


CHECK = Check(
    name=NAME,
    title="NAT64 translates what is sent to its prefix",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe="stamps", point=Point.TRANSLATOR),),
)
