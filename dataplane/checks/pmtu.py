"""Large packets get through on every path over IPv6, or somebody says "too big" and is heard.

Guards against: black holes, where connections open and then hang at the first full packet, because
a link on the way takes less and its router's Packet Too Big is lost (RFC 8201; RFC 4890 section
4.3.1: never to be dropped); links with an MTU below 1280, on which there is no IPv6 (RFC 8200
section 5: Linux switches it off and says nothing); NAT64 and CLAT that get the 20 octets between
the two headers wrong, or pass on what is below 1280 (RFC 7915 sections 4.2, 5.2; RFC 8021).

Looks at: transfers with full packets both ways, to a pod of another node, to a Service, to the
internet, through NAT64 and through a CLAT. Behind a Service, what a router says quotes the endpoint,
and must be translated back before the pod hears it (cilium/cilium#16080). The connection's first packets show the way; the longest packet of the
flow, and each large datagram by its stamp, must be seen at every stop of it. Where a transfer
fails, the last stop with large packets and the next one without them show who loses them, if small
ones do pass. Besides: every Packet Too Big (ICMPv4: fragmentation needed) and the MTU of
interfaces. A transfer that works is good, whatever was said meanwhile.

What to do: let ICMPv6 type 2 and ICMPv4 type 3 code 4 pass at every router, policy and load
balancer; give every link 1280 octets or more, and a tunnel as much less inside as it adds outside.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dataplane.checks.ground.courses import (
    Passed,
    Sizes,
    Stop,
    Words,
    along,
    ends_of,
    loss,
)
from dataplane.checks.ground.exchanges import Asked, Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import GATEWAY, Places
from dataplane.checks.ground.sights import Sights
from dataplane.checks.ground.transfers import SAFE, transfers
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import Plan
from dataplane.model.seen import TooBigSeen
from dataplane.model.stimulus import Outcome, Reach, Stimulus, Transport
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View
from dataplane.rules.pathmtu import IPV6_MIN_MTU, as_ipv6, highest_translated

NAME = "pmtu"
MESSAGES = (
    "let ICMPv6 type 2 (and ICMPv4 type 3 code 4) pass, and give the links on this way one MTU"
)
TRACKED = (
    "let connection tracking see ICMPv6 errors on this node (no notrack), or fix the translator"
)
WIDER = f"give the link an MTU of {IPV6_MIN_MTU} or more, or let what carries it fragment"
ARITHMETIC = "correct the translator's MTU: 20 more towards IPv6, never below 1280; 20 less to IPv4"


def applies(plan: Plan) -> str | None:
    """Return why there are no large IPv6 packets to send."""
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6"
    return None if plan.actors else "no pod of this plan takes part in stimuli"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return transfers of full packets both ways; see `ground.transfers`."""
    return transfers(plan, NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    """A transfer that small packets have shown the way for, with its stops there and back."""

    stimulus: Reach
    outcome: Outcome
    exchange: Exchange
    there: tuple[Stop, ...]
    back: tuple[Stop, ...]


class _Bench:
    """One sitting: every transfer that small packets have shown the way for."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.sights = Sights(view, probe="flows")
        self.sizes = Sizes(view.evidence)
        self.words = Words(view.evidence, self.sights)
        found = exchanges(view)
        self._asked = [Asked(found, view.taps, point) for point in (Point.POD, Point.CLAT)]
        self.ledger = Ledger()
        self.doubts: list[str] = []
        self.looked_at = 0

    def judge(self) -> None:
        """Judge all transfers: connections first, because they show datagrams the way."""
        done: list[tuple[Reach, Outcome]] = []
        for stimulus in self.view.stimuli:
            outcome = self.view.outcomes.get(stimulus.id)
            if isinstance(stimulus, Reach) and outcome is not None:
                done.append((stimulus, outcome))
            else:
                self.doubts.append(f"{stimulus.id} was not carried out")
        connections = list(self._connections(done))
        tried = [*connections, *self._datagrams(done, connections)]
        passed = Passed((way for t in tried for way in (t.there, t.back)), self.sights)
        for transfer in tried:
            if not transfer.outcome.ok:
                self._lost(transfer, passed)

    def _connections(self, done: Iterable[tuple[Reach, Outcome]]) -> Iterator[_Transfer]:
        """Yield the connections that were opened; where none was, length is not what matters."""
        for stimulus, outcome in done:
            if stimulus.transport is not Transport.TCP:
                continue
            exchange = self._exchange(stimulus, outcome)
            if exchange is None or exchange.answer is None or not self._opened(exchange):
                continue
            there, back = map(self.sizes.of_flow, (exchange.request, exchange.answer))
            carried = min(self.sizes.carried(way.hop) for way in (there[0], back[-1]))
            if outcome.ok and carried < stimulus.octets:
                self.doubts.append(f"{stimulus.id} succeeded, and its octets were not seen")
                continue
            self.looked_at += 1
            yield _Transfer(
                stimulus=stimulus, outcome=outcome, exchange=exchange, there=there, back=back
            )

    def _datagrams(
        self, done: Iterable[tuple[Reach, Outcome]], connections: Iterable[_Transfer]
    ) -> Iterator[_Transfer]:
        """Yield the datagrams towards what a connection and a small datagram have reached."""
        ways = {(c.stimulus.pod, c.stimulus.target): c.exchange for c in connections}
        sent = [(s, o) for s, o in done if s.transport is Transport.UDP]
        fit = {(s.pod, s.target) for s, o in sent if s.octets == SAFE and o.ok}
        for stimulus, outcome in sent:
            exchange = self._exchange(stimulus, outcome)
            way = ways.get((stimulus.pod, stimulus.target))
            if exchange is None or way is None or way.answer is None:
                continue
            self.looked_at += outcome.ok
            if (stimulus.pod, stimulus.target) in fit:
                yield _Transfer(
                    stimulus=stimulus,
                    outcome=outcome,
                    exchange=exchange,
                    there=along(way.request, exchange.request),
                    back=along(way.answer, exchange.answer),
                )

    def _exchange(self, stimulus: Reach, outcome: Outcome) -> Exchange | None:
        """Return the packets of a transfer, none where they cannot be told from others."""
        node = self.places.node_of(stimulus.pod)
        pod, clat = self._asked
        found = (
            pod.of(stimulus, outcome)
            or clat.of(stimulus, outcome)
            or clat.of(stimulus, outcome, source=node)
        )
        if found is None and outcome.ok:
            self.doubts.append(f"{stimulus.id} succeeded, not confirmed by packets")
        if found is not None and found.request.ambiguous:
            self.doubts.append(f"{stimulus.id}: its packets cannot be told from others")
            return None
        return found

    def _opened(self, exchange: Exchange) -> bool:
        """Tell whether an answer came back to the pod, or to the CLAT that its request went into.

        Behind a CLAT on its node a pod has link-local addresses, and packets to these get no stamp.
        """
        passed = {self.sights.point(hop): hop.tap for hop in exchange.request.hops if hop.leaving}
        tap = passed.get(Point.CLAT) or exchange.request.hops[0].tap
        hops = exchange.answer.hops if exchange.answer is not None else ()
        return any(hop.tap == tap and not hop.leaving for hop in hops)

    def _lost(self, transfer: _Transfer, passed: Passed) -> None:
        """Put a failed transfer to the account of whoever lost its large packets."""
        pod = transfer.stimulus.pod
        failure = f"{transfer.stimulus.id}: {transfer.outcome.error}"
        said = self.words.about(transfer.exchange)
        stray = self.words.stray(said, transfer.exchange, pod)
        heard = self.words.heard((s for s in said if s not in stray), pod)
        found = loss(transfer.there, transfer.back, heard)
        if found is None:
            self.doubts.append(f"{failure}, and no large packet got lost on the way")
            return
        before, after = found.before, found.after
        if after is not None and not self._watched(after):
            self.doubts.append(f"{failure}, and not watched where it ended")
            return
        if stray:
            self._untranslated(transfer, stray[0], failure)
            return
        subject = self._subject(before, after, passed)
        said = tuple(s for s in said if as_ipv6(s.mtu, s.family) < before.longest)
        word = "the Packet Too Big that is said gets lost" if said else "nobody says Packet Too Big"
        mtus = ", ".join(dict.fromkeys(f"MTU {one.mtu} ({one.family})" for one in said))
        if heard:
            word = "the Packet Too Big that is heard does not help"
        next_stop = "no answer to them" if after is None else self._told(after)
        self.ledger.add(
            subject=subject,
            cause=f"large packets get lost at {subject}, and {word}",
            expected="large packets arrive, or a Packet Too Big reaches who sent them",
            seen=f"{self._told(before)}; {next_stop}" + (f"; said: {mtus}" if mtus else ""),
            remedy=MESSAGES,
            evidence=f"{failure}; {self._told(before)}; {next_stop}",
        )

    def _untranslated(self, transfer: _Transfer, stray: TooBigSeen, failure: str) -> None:
        """Blame the node that hands a pod a message about a packet that it did not send."""
        pod, sent = transfer.stimulus.pod, transfer.there[0].hop.destination
        quoted = self.places.called(stray.refused.destination)
        node = self.places.node_of(pod) or pod
        self.ledger.add(
            subject=node,
            cause=f"{node} does not translate Packet Too Big back: who sent to a Service ignores it",
            expected=f"a message that quotes what {pod} sent, to {self.places.called(sent)}",
            seen=f"it reaches {pod} and quotes a packet to {quoted}",
            remedy=TRACKED,
            evidence=f"{failure}; MTU {stray.mtu} from {stray.source}, quoting {quoted}",
        )

    def _watched(self, stop: Stop) -> bool:
        place = self.sights.place_of(stop.hop.tap)
        return place is not None and self.sights.watched(*place)

    def _told(self, stop: Stop) -> str:
        length = f"up to {stop.longest} octets" if stop.longest else "none"
        translated = " as IPv6" if stop.longest and stop.hop.family is Family.IPV4 else ""
        return f"{self.sights.place(stop.hop)}: {length}{translated}"

    def _subject(self, before: Stop, after: Stop | None, passed: Passed) -> str:
        """Return who stands between two stops: a node for its pods, else one of two neighbours."""
        one = self.sights.owner(before.hop)
        if after is None:
            host = self.places.host(before.hop.destination)
            return one if host is None else host.name
        two = self.sights.owner(after.hop)
        points = self.sights.point(before.hop), self.sights.point(after.hop)
        if one == two:
            return one
        for owner, point in ((one, points[0]), (two, points[1])):
            if point is Point.POD:
                return self.places.node_of(owner) or owner
        return passed.between(one, two)

    def narrow_links(self) -> None:
        """Find interfaces that cannot carry IPv6."""
        taps = {(tap.namespace, tap.interface): tap.owner for tap in self.view.taps.values()}
        for link in self.view.evidence.links:
            pod = self.places.pod_named(link.owner)
            owner = link.owner if pod is not None else taps.get((link.owner, link.interface))
            if owner is not None and link.mtu < IPV6_MIN_MTU:
                self.ledger.add(
                    subject=owner,
                    cause=f"a link of {owner} has an MTU below {IPV6_MIN_MTU}: no IPv6 there",
                    expected=f"an MTU of {IPV6_MIN_MTU} or more on every link that carries IPv6",
                    seen=f"MTU {link.mtu} on {link.interface}",
                    remedy=WIDER,
                    evidence=f"{link.owner}: {link.interface} has MTU {link.mtu}",
                )

    def wrong_words(self) -> None:
        """Find messages that no router of IPv6 may send, and translators that miscount."""
        for said in self.view.evidence.too_big:
            if said.family is Family.IPV6 and said.mtu < IPV6_MIN_MTU:
                self._blame_word(said, f"an MTU of {IPV6_MIN_MTU} or more in IPv6", WIDER)
        for into, out in self.words.translated():
            most = highest_translated(into.mtu, into.family)
            if out.mtu > most:
                wanted = f"at most {most} in {out.family} for {into.mtu} in {into.family}"
                self._blame_word(out, wanted, ARITHMETIC)

    def _blame_word(self, said: TooBigSeen, expected: str, remedy: str) -> None:
        place = self.sights.place_of(said.tap)
        host = self.places.host(said.source)
        subject = host.name if host is not None else (place[1] if place else GATEWAY)
        if place is not None and place[0] in (Point.TRANSLATOR, Point.CLAT):
            subject = place[1]
        source, _, destination, _ = ends_of(said.refused)
        told = f"{self.places.called(source)} -> {self.places.called(destination)}"
        self.ledger.add(
            subject=subject,
            cause=f"{subject} says a wrong MTU in {said.family}",
            expected=expected,
            seen=f"Packet Too Big with MTU {said.mtu}",
            remedy=remedy,
            evidence=f"{said.tap}: MTU {said.mtu} from {said.source} about {told}",
        )


def judge(view: View) -> Judgement:
    """Judge how far large packets got; see the module's text."""
    bench = _Bench(view)
    bench.judge()
    bench.narrow_links()
    bench.wrong_words()
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="large packets get through over IPv6",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="flows", point=Point.POD),
        Sight(probe="flows", point=Point.UPLINK),
        Sight(probe="links"),
    ),
)
