"""Every neighbour and router that packets need is found: solicitations are answered, and taken.

Guards against: losses of neighbour discovery (RFC 4861), which is to IPv6 what ARP is to IPv4, but
made of multicast and ICMPv6, so that filters and switches drop it: multicast snooping (RFC 4541)
loses solicitations, filters that know no ICMPv6 lose advertisements (RFC 4890 section 4.4.1: they
must not), RA-Guard or accept_ra=1 on a node that forwards lose the default route. It shows late:
entries and routes live on until they expire. (cilium/cilium#38212, #16285.)

Looks at: neighbour solicitations and advertisements at pods' interfaces and nodes' uplinks, the
neighbour tables of pods, nodes and routers, router advertisements at the uplinks, and the nodes'
default routes. Broken are three solicitations in a row that no advertisement answers
(MAX_MULTICAST_SOLICIT: then the kernel gives packets up) or that are sent although the one before was
answered just now (so the answer was not taken), an entry that the kernel calls failed, and a node
without a default route where it should learn one. Asking for an address that nobody has, and
duplicate address detection (RFC 4862), need no answer. Entries that need no resolution say nothing.

What to do: where solicitations get lost, let the network pass multicast to ff02::1:ff00:0/104 (a
querier, or no snooping); where advertisements come and are not taken, accept ICMPv6 types 133 to
136 in the host's filter, and set accept_ra=2 on the uplink of a node that forwards; where none come,
see the router and what stands between.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places
from dataplane.checks.ground.solicitations import UNRESOLVED, Account
from dataplane.model.address import Address, Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.seen import (
    DiscoveryMessage,
    DiscoverySeen,
    NeighbourSeen,
    RouteSeen,
)
from dataplane.model.stimulus import Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View

NAME = "ndp"
PLACES = frozenset({Point.POD, Point.UPLINK})
Asked = tuple[str, str, IPv6Address | None, IPv6Address]


def applies(plan: Plan) -> str | None:
    """Return why there is nothing to discover."""
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6, and IPv4 has ARP"
    if plan.neighbours == "permanent" and plan.default_routes == "static":
        return "all neighbours are permanent entries, and no router advertises itself"
    return None


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: what the other checks send needs neighbours."""
    return ()


class _Neighbours:
    """Neighbours that were asked for, by who asks; a link is told by its tap."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        # By the link's owner, who asks, with which address where it is one of many, and for what.
        self.accounts: defaultdict[Asked, Account] = defaultdict(Account)
        self.looked_at = 0
        self.own: defaultdict[str, set[Address]] = defaultdict(set)
        for seen in view.evidence.addresses:
            self.own[seen.owner].add(seen.address)

    def gather(self) -> None:
        """Put messages and table entries to the accounts of the neighbours that they are about."""
        found = self.view.evidence.discoveries
        # Who asks for an address does not have it: on a network of many, others ask for it, too.
        elsewhere = {(seen.tap, seen.target) for seen in found if _asks(seen) and seen.leaving}
        for seen in sorted(found, key=lambda seen: seen.time_ns):
            tap = self.view.taps.get(seen.tap)
            if tap is None or tap.point not in PLACES or seen.target is None:
                continue
            if not self._somebody(seen.target) or seen.source.is_unspecified:
                continue
            asks = _asks(seen)
            others = (seen.tap, seen.target) in elsewhere or self._not_of(tap.owner, seen.target)
            if asks and not seen.leaving and others:
                continue
            self.looked_at += 1
            other = f"the link of {tap.owner}"
            asker = tap.owner if seen.leaving is asks else other
            # On a network of many, each asks for itself, and is answered by its own address.
            peer = None
            if asker == other:
                peer = seen.source if asks else seen.destination
            account = self.accounts[tap.owner, asker, peer, seen.target]
            if asks:
                account.ask(seen.time_ns)
            else:
                account.answer(seen.time_ns)
        for entry in self.view.evidence.neighbours:
            if isinstance(entry.address, IPv6Address) and self._somebody(entry.address):
                self.looked_at += 1
                subject = self._behind(entry)
                self.accounts[subject, entry.owner, None, entry.address].states.append(entry)

    def judge(self, ledger: Ledger) -> Iterator[str]:
        """Blame whoever's neighbours were given up; yield what is still open."""
        for (subject, asker, _, target), account in self.accounts.items():
            called = self.places.called(target)
            if account.failed:
                _blame(ledger, subject, asker, called, account)
            elif account.unknown:
                yield f"{asker} was still asking for {called}"

    def resolved_by(self, owner: str) -> bool:
        """Tell whether an owner has found a neighbour."""
        return any(
            (account.answered and not account.waiting)
            or any(seen.state not in UNRESOLVED for seen in account.states)
            for (_, asker, _, _), account in self.accounts.items()
            if asker == owner
        )

    def _not_of(self, owner: str, address: IPv6Address) -> bool:
        """Tell whether an owner whose addresses were read does not have this one."""
        return owner in self.own and address not in self.own[owner]

    def _somebody(self, address: IPv6Address) -> bool:
        """Tell whether somebody has an address: next hops are link-local, others are planned."""
        return address.is_link_local or self.places.host(address) is not None

    def _behind(self, entry: NeighbourSeen) -> str:
        """Return on whose link an entry is: a host's own, or that of the host it leads to."""
        for tap in self.view.taps.values():
            if (tap.namespace, tap.interface) == (entry.owner, entry.interface):
                return tap.owner
        return entry.owner


def _blame(ledger: Ledger, subject: str, asker: str, called: str, account: Account) -> None:
    """Blame the link of a neighbour that was not found; an answer that was seen was not taken."""
    heard = account.answered > 0
    if heard:
        cause = f"{asker} does not take the advertisements of {called}"
        remedy = f"let the filter of {asker} accept ICMPv6 types 133 to 136 (RFC 4890 4.4.1)"
    else:
        cause = f"the solicitations of {asker} for {called} are not answered"
        remedy = "let the network pass multicast to ff02::1:ff00:0/104: querier, snooping, filters"
    told = [f"{account.asked} solicitations, {account.answered} advertisements at {subject}"]
    told += [
        f"{seen.owner}: {seen.address} dev {seen.interface} {seen.state}" for seen in account.states
    ]
    for evidence in told:
        ledger.add(
            subject=subject,
            cause=cause,
            expected=f"{called} answers, and {asker} learns its hardware address",
            seen=told[-1],
            remedy=remedy,
            evidence=evidence,
        )


class _Routers:
    """Default routes of nodes, and the router advertisements that they should come from."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.looked_at = 0
        self.read = {
            report.where
            for report in view.evidence.reports
            if report.probe == "routes" and not report.blind
        }

    def judge(self, ledger: Ledger) -> Iterator[str]:
        """Judge every node that has IPv6; yield what is not known."""
        for node in self.view.plan.nodes:
            if node.address(Family.IPV6) is None:
                continue
            told = self._at(node, DiscoveryMessage.ROUTER_ADVERTISEMENT, leaving=False)
            useful = [seen for seen in told if seen.lifetime]
            routes = [r for r in self.view.evidence.routes if _is_default(r, node)]
            self.looked_at += len(told) + len(routes)
            if node.name not in self.read:
                yield f"{node.name}: its routes were not read"
            elif not routes:
                self._blame(ledger, node, told, useful)

    def _blame(
        self,
        ledger: Ledger,
        node: NodePlan,
        told: list[DiscoverySeen],
        useful: list[DiscoverySeen],
    ) -> None:
        asked = self._at(node, DiscoveryMessage.ROUTER_SOLICITATION, leaving=True)
        name = node.name
        if useful:
            cause = f"{name} does not take router advertisements"
            remedy = f"set accept_ra=2 on the uplink of {name}, and accept ICMPv6 type 134"
        elif told:
            cause = f"the router of {name} says that it is no default router"
            remedy = "set the router lifetime to more than 0 (RFC 4861 section 6.2.1)"
        else:
            cause = f"no router advertisement comes to {name}"
            remedy = f"see that the router advertises itself, and that nothing in front of {name} drops it"
        ledger.add(
            subject=name,
            cause=cause,
            expected=f"{name} has an IPv6 default route from router advertisements",
            seen=f"{name} has no IPv6 default route",
            remedy=remedy,
            evidence=f"{name}: {len(asked)} router solicitations, {len(told)} advertisements",
        )

    def _at(
        self, node: NodePlan, message: DiscoveryMessage, *, leaving: bool
    ) -> list[DiscoverySeen]:
        uplinks = {tap.name for tap in self.view.at(Point.UPLINK) if tap.owner == node.name}
        return [
            seen
            for seen in self.view.evidence.discoveries
            if seen.message is message and seen.leaving is leaving and seen.tap in uplinks
        ]


def _is_default(route: RouteSeen, node: NodePlan) -> bool:
    to = route.destination
    return route.owner == node.name and to.version == 6 and to.prefixlen == 0


def _missing(found: _Neighbours, blamed: Iterable[str]) -> Iterator[str]:
    """Yield who should have needed a neighbour by now, and has found none."""
    plan, known = found.view.plan, set(blamed)
    busy = {pod.node: None for pod in plan.actors}
    for owner in (*busy, *(pod.name for pod in plan.actors)):
        if owner not in known and not found.resolved_by(owner):
            yield f"{owner} was not seen to resolve a neighbour"


def _asks(seen: DiscoverySeen) -> bool:
    return seen.message is DiscoveryMessage.NEIGHBOUR_SOLICITATION


def judge(view: View) -> Judgement:
    """Judge neighbours and default routes; see the module's text."""
    ledger = Ledger()
    doubts: list[str] = []
    neighbours, routers = _Neighbours(view), _Routers(view)
    if view.plan.default_routes == "advertised":
        doubts += routers.judge(ledger)
    if view.plan.neighbours == "resolved":
        neighbours.gather()
        doubts += neighbours.judge(ledger)
        doubts += _missing(neighbours, (finding.subject for finding in ledger.findings()))
    return ledger.judgement(looked_at=neighbours.looked_at + routers.looked_at, doubts=doubts)


CHECK = Check(
    name=NAME,
    title="neighbours and routers are found",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="stamps", point=Point.UPLINK),
        Sight(probe="neighbours"),
        Sight(probe="routes"),
    ),
)
