"""The NAT64 translates every packet that is meant for it, both ways, and where it should (RFC 6146).

Guards against: a translator that is not running, not routed to, serves another prefix, or maps to
the wrong addresses; IPv6-only pods then cannot reach IPv4-only servers, and only at first use does
anybody notice. And, where each node has a NAT64 of its own, against a node that uses another node's:
all works, until that other node is gone.

Looks at: packets at the interfaces of the translators, recognised by their stamps. A packet that goes
in as IPv6 must come out as IPv4, to the address that is embedded in its destination (RFC 6052
section 2.3), from a source of the translator's pool; the answer must go in as IPv4 and come out as
IPv6 with the server's address embedded. What happens to packets before and behind the translator
is not its fault and gives no finding here, but for one thing: where not one translated packet leaves
by the gateway's edge, the translator has no IPv4 to send with (kubernetes-sigs/nat64#43). On nodes,
what a pod sends belongs into the NAT64 of the pod's own node, and has to leave that node with the node's
IPv4 address. Literals that no translator may forward (loopback, link-local, multicast) are not counted.

What to do: see whether the translator that the finding names runs, whether its prefix is the one that
the cluster and DNS64 use, and whether the route to the prefix leads into its interface. On a node, see
also whether what it translates is masqueraded behind the node's address (nft list ruleset).
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from dataplane.checks.ground.exchanges import Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.literals import stimuli as translated
from dataplane.checks.ground.places import Places, crosses_networks
from dataplane.checks.ground.seats import Seat, Seats
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import Nat64Plan, Plan
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Journey, Sight, View
from dataplane.rules.rfc6052 import embed, extract

NAME = "nat64"
RUNNING = "see whether the translator runs, and whether it serves this prefix"
UPLINK = "give the gateway an IPv4 address and a default route at its edge, or look at its filters"
NODE_UPLINK = "give the node an IPv4 address and a default route, or look at its filters"
HIDDEN = "masquerade the translator's pool behind the node's own IPv4 address, at its uplink"
ROUTED = "see whether the translator runs, and whether the prefix is routed into its interface"
OWN = "route the prefix into the node's own translator, and nobody else's"


def applies(plan: Plan) -> str | None:
    """Return why there is no NAT64 to judge."""
    if plan.nat64 is not None:
        return None
    own = any(pod.address(Family.IPV4) for pod in plan.pods)
    return "the plan has no NAT64" + (": the pods reach IPv4 servers by themselves" if own else "")


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return every transport towards synthesized literals, and pulls from a registry by its name."""
    return translated(plan, NAME)


@dataclass(slots=True)
class _Book:
    """What is known of one translator: what pods sent for it, what came in, what left afterwards."""

    entered: int = 0
    sent: list[Journey] = field(default_factory=list)
    answered: bool = False
    translated: list[Journey] = field(default_factory=list)
    left: int = 0


class _Bench:
    """One sitting: what went into the translators and what came out of them."""

    def __init__(self, view: View, nat64: Nat64Plan) -> None:
        self.nat64 = nat64
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.seats = Seats(view.plan)
        self.books = {owner: _Book() for owner in self.seats.all}
        self.ledger = Ledger()
        self.doubts: list[str] = []

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
        """Judge a request's passage through a translator, and its answer's when it passed."""
        request = exchange.request
        inside = self.sights.hop(request, Point.TRANSLATOR, leaving=True)
        seat = None if inside is None else self.seats.all.get(self.sights.owner(inside))
        self._note_sent(exchange, seat)
        server = None if inside is None else self.meant(inside.destination)
        if inside is None or seat is None or server is None:
            return
        book = self.books[seat.owner]
        book.entered += 1
        if request.ambiguous:
            self.doubts.append(f"{request.hops[0].packet} with an ambiguous stamp")
            return
        outside = self.sights.hop(request, Point.TRANSLATOR, leaving=False, owner=seat.owner)
        if outside is None:
            self._swallowed(seat, request, inside)
        elif not self._wrong_request(seat, request, inside, outside, server):
            book.translated.append(request)
            self._note_left(seat, request)
            if exchange.answer is not None and not exchange.answer.ambiguous:
                self._judge_answer(seat, exchange.answer, server)

    def _note_sent(self, exchange: Exchange, went: Seat | None) -> None:
        """Put what a pod sent to the prefix to the account of the translator that it is for."""
        request = exchange.request
        # A translator on the node comes before the uplink, the gateway's comes behind it.
        point = Point.POD if self.seats.on_nodes else Point.UPLINK
        sent = self.sights.hop(request, point, leaving=True)
        if sent is None or self.meant(sent.destination) is None:
            return
        home = self.seats.of_node(self.places.node_of(self.sights.owner(sent)))
        if home is None:
            return
        if went is not None and went.owner != home.owner:
            self._astray(home, went, request)
            return
        book = self.books[home.owner]
        book.sent.append(request)
        book.answered |= exchange.answer is not None

    def _astray(self, home: Seat, went: Seat, request: Journey) -> None:
        self._add(
            home,
            f"{home.owner} uses the NAT64 of {went.owner}, and has its own",
            f"packets to {self.nat64.prefix} go into the translator of {home.owner}",
            f"they go into that of {went.owner}",
            request,
            remedy=OWN,
        )

    def _note_left(self, seat: Seat, request: Journey) -> None:
        """Look at what was translated where it leaves, and with which source."""
        left = self.sights.hops(request, seat.way_out, leaving=True, owner=seat.owner)
        hop = next((hop for hop in left if hop.family is Family.IPV4), None)
        if hop is None:
            return
        self.books[seat.owner].left += 1
        if self.seats.on_nodes and hop.source != seat.source4:
            self._add(
                seat,
                f"{seat.owner} sends what it has translated with a source that is not its own",
                f"source {seat.source4}, the address of {seat.owner}",
                f"source {hop.source}, to which nothing leads back",
                request,
                remedy=HIDDEN,
            )

    def _wrong_request(
        self,
        seat: Seat,
        request: Journey,
        inside: PacketSeen,
        outside: PacketSeen,
        server: IPv4Address,
    ) -> bool:
        pool = seat.pool4
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
                self._add(seat, "the translator writes wrong addresses", expected, seen, request)
        return any(wrong for wrong, _, _ in faults)

    def _judge_answer(self, seat: Seat, answer: Journey, server: IPv4Address) -> None:
        """Judge an answer that reached the translator: IPv4 in, IPv6 out."""
        inside = self.sights.hop(answer, Point.TRANSLATOR, leaving=True, owner=seat.owner)
        if inside is None:
            return  # it never came back this far
        self.books[seat.owner].entered += 1
        outside = self.sights.hop(answer, Point.TRANSLATOR, leaving=False, owner=seat.owner)
        if outside is None:
            self._swallowed(seat, answer, inside)
            return
        expected = embed(self.nat64.prefix, server)
        if outside.source != expected:
            self._add(
                seat,
                "the translator writes wrong addresses",
                f"source {expected}",
                f"{outside.source}",
                answer,
            )

    def _swallowed(self, seat: Seat, journey: Journey, inside: PacketSeen) -> None:
        other = inside.family.other
        self._add(
            seat,
            f"the translator takes {inside.family} packets and gives back no {other} packet",
            f"the same {inside.packet} leaves the translator as {other}",
            f"nothing leaves it; {self.places.called(inside.destination)} was asked for",
            journey,
        )

    def _add(  # noqa: PLR0913, PLR0917 - a finding, each part named
        self,
        seat: Seat,
        cause: str,
        expected: str,
        seen: str,
        journey: Journey,
        remedy: str = RUNNING,
    ) -> None:
        self.ledger.add(
            subject=seat.owner,
            cause=cause,
            expected=expected,
            seen=seen,
            remedy=remedy,
            evidence=f"{journey.hops[0].packet}: {self.sights.trail(journey)}",
        )

    def not_reached(self) -> None:
        """Judge that nothing went into a translator although pods sent to its prefix."""
        for owner, book in self.books.items():
            watched = self.sights.watched(Point.TRANSLATOR, owner)
            if book.entered or not book.sent or (not watched and book.answered):
                continue
            whose = f" on {owner}" if self.seats.on_nodes else ""
            seen = f"{len(book.sent)} requests of its pods" if whose else _left_nodes(book)
            for journey in book.sent:
                self._add(
                    self.seats.all[owner],
                    f"nothing that is sent to {self.nat64.prefix}{whose} reaches a translator",
                    "packets to the NAT64 prefix go into the translator",
                    f"{seen}, none went into the translator"
                    + ("" if watched else " (its interface is not watched), and none was answered"),
                    journey,
                    remedy=ROUTED,
                )

    def not_sent(self) -> None:
        """Judge that nothing of what was translated left the gateway, or the node."""
        for owner, book in self.books.items():
            seat = self.seats.all[owner]
            if book.left or not self.sights.watched(seat.way_out, owner):
                continue
            for journey in book.translated:
                self._add(
                    seat,
                    f"{owner} translates, and sends nothing out over IPv4",
                    f"translated packets leave by the {seat.way_out} of {owner}",
                    f"{len(book.translated)} packets came out of the translator, none left",
                    journey,
                    remedy=NODE_UPLINK if self.seats.on_nodes else UPLINK,
                )

    def looked_at(self) -> int:
        """Return how many packets went into a translator, or were sent for one that got none."""
        return sum(book.entered or len(book.sent) for book in self.books.values())


def _left_nodes(book: _Book) -> str:
    return f"{len(book.sent)} requests left the nodes"


def _echo(hop: PacketSeen) -> bool:
    return hop.packet.value.startswith(
        "echo"
    )  # the ports are an identifier, which NAT64 may change


def judge(view: View) -> Judgement:
    """Judge every packet that went into a translator; see the module's text."""
    nat64 = view.plan.nat64
    if nat64 is None:
        return Judgement(looked_at=0)
    bench = _Bench(view, nat64)
    for exchange in exchanges(view):
        bench.judge(exchange)
    bench.not_reached()
    bench.not_sent()
    return bench.ledger.judgement(looked_at=bench.looked_at(), doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="NAT64 translates what is sent to its prefix",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe="stamps", point=Point.TRANSLATOR),),
)
