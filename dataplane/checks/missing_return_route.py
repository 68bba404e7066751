"""Every node's pod prefix is routed to that node by the network around it.

Guards against: routers that nobody told which node has which part of the pod range (dual-stack
proposal, OpenStack: there must be a mechanism to tell the router pod CIDRs per node). Pods then
send, requests arrive, and the answers end at the router. The same happens where an overlay was
switched off and no route took its place (cloudnativelabs/kube-router#1834), and to every request
from outside of the node.

Looks at: the routes of the routers around the nodes, prefix by prefix: the longest route that takes
the whole prefix must lead where the node's own address is, or routes for parts of it all of them.
And at every packet for a pod prefix that was seen outside of its node (leaving another node, or
coming in at the gateway), recognised by its stamp at the node's uplink. Where some arrive and
others do not, it is not the route that is missing, and nothing is said.

What to do: add the route that the finding names to the router it names, and see who should have
done it: the cloud's route controller (kube-controller-manager, --configure-cloud-routes), BGP of the
CNI, or the infrastructure (OpenStack: extra routes of the router; AWS: source/dest check, routes).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places
from dataplane.checks.ground.routing import Routing, worded
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.answer import Judgement
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Journey, Sight, View

NAME = "missing-return-route"
OUTSIDE = frozenset({Point.EDGE, Point.TRANSLATOR})
Home = tuple[str, Network]


def applies(plan: Plan) -> str | None:
    """Return why there is no prefix to route: no node has one of a family that it has itself."""
    return None if any(_prefixes(plan)) else "no node of this plan has a pod prefix to be routed"


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: what the other checks send comes back, or does not."""
    return ()


def _prefixes(plan: Plan) -> Iterator[tuple[NodePlan, Network]]:
    """Yield every pod prefix with its node, where the node has an address to route it to."""
    for node in plan.nodes:
        for prefix in node.pod_prefixes:
            if node.address(family_of(prefix)) is not None:
                yield node, prefix


@dataclass(slots=True)
class _Account:
    """What is known of one prefix: how many packets came, those that did not, and bad routes."""

    arrived: int = 0
    lost: list[Journey] = field(default_factory=list)
    routers: dict[str, str] = field(default_factory=dict)


class _Bench:
    """One sitting: routes and packets, put to the account of the prefix that they are about."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.prefixes = tuple(_prefixes(view.plan))
        self.accounts: defaultdict[Network, _Account] = defaultdict(_Account)
        self.homes: dict[Address, Home | None] = {}
        self.looked_at = 0

    def judge_routes(self) -> None:
        """Ask every router where it sends each prefix."""
        routing = Routing(self.view.plan, self.view.evidence.routes)
        for router in routing.routers:
            carried = {family for family in Family if routing.carries(router, family)}
            for node, prefix in self.prefixes:
                if family_of(prefix) not in carried:
                    continue
                self.looked_at += 1
                if not routing.delivers(router, prefix, node):
                    route = routing.best(router, prefix)
                    seen = "no route at all" if route is None else f"{worded(route)} takes it"
                    self.accounts[prefix].routers[router] = seen

    def judge_packets(self) -> None:
        """See which packets for a prefix, seen outside of its node, came to the node."""
        for journey in self.view.journeys:
            if journey.ambiguous:
                continue
            bound = {home for hop in journey.hops if (home := self._bound(hop)) is not None}
            for name, prefix in bound:
                if not self.sights.watched(Point.UPLINK, name):
                    continue
                self.looked_at += 1
                if self.sights.hops(journey, Point.UPLINK, leaving=False, owner=name):
                    self.accounts[prefix].arrived += 1
                else:
                    self.accounts[prefix].lost.append(journey)

    def _bound(self, hop: PacketSeen) -> Home | None:
        """Return where a packet is bound for, which is outside of a node on its way to its pods."""
        home = self._home(hop.destination)
        if home is None:
            return None
        point = self.sights.point(hop)
        if point is Point.UPLINK:
            away = hop.leaving and self.sights.owner(hop) != home[0]
        else:  # a translator on the node itself gives its pods' answers back where they belong
            away = point in OUTSIDE and not hop.leaving and self.sights.owner(hop) != home[0]
        return home if away else None

    def _home(self, address: Address) -> Home | None:
        """Return the node and the prefix that an address of a pod belongs to."""
        if address not in self.homes:
            self.homes[address] = next(
                (
                    (node.name, prefix)
                    for node, prefix in self.prefixes
                    if address in prefix and address not in node.addresses
                ),
                None,
            )
        return self.homes[address]

    def ledger(self) -> Ledger:
        """Return one finding per prefix that a router sends elsewhere, or that nothing came for."""
        ledger = Ledger()
        for node, prefix in self.prefixes:
            account = self.accounts[prefix]
            lost = account.lost if not account.arrived else []
            if not account.routers and not lost:
                continue
            via = node.address(family_of(prefix))
            routers = ", ".join(account.routers)
            who = routers or "nobody outside"
            verb = "does not route" if routers else "routes"
            known = [f"{router}: {seen}" for router, seen in account.routers.items()]
            seen = known[0] if known else f"none of {len(lost)} packets came to {node.name}"
            for evidence in (*known, *(self._told(journey) for journey in lost)):
                ledger.add(
                    subject=node.name,
                    cause=f"{who} {verb} {prefix}, the pod prefix of {node.name}, to {node.name}",
                    expected=f"{prefix} is routed to {node.name} ({via})",
                    seen=seen,
                    remedy=f"add the route on {routers or 'the router'}: {prefix} via {via}",
                    evidence=evidence,
                )
        return ledger

    def _told(self, journey: Journey) -> str:
        first, last = journey.hops[0], journey.hops[-1]
        ends = f"{self.places.called(last.source)} -> {self.places.called(last.destination)}"
        return f"lost on the way: {first.packet} {ends}: {self.sights.trail(journey)}"


def judge(view: View) -> Judgement:
    """Judge routes and packets for every pod prefix; see the module's text."""
    bench = _Bench(view)
    bench.judge_routes()
    bench.judge_packets()
    return bench.ledger().judgement(looked_at=bench.looked_at)


CHECK = Check(
    name=NAME,
    title="every pod prefix is routed to its node",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.UPLINK),
        Sight(probe="stamps", point=Point.EDGE),
        Sight(probe="routes"),
    ),
)
