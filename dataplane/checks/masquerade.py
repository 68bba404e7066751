"""A node changes a packet's source only where kube-proxy must, and never to hide its pods' IPv6.

Guards against: source NAT for IPv6, as CNIs and agents apply it by habit (natOutgoing,
ip-masq-agent, `enable-ipv6-masquerade`). Pod prefixes are routed; hiding them behind the node's
address costs connection tracking, breaks inbound flows and makes pods indistinguishable. And
against kube-proxy that hides too much (a cluster-cidr without the pods) or too little: a NodePort's
answer would go straight to the client, which does not know its sender. Last, against unique local
addresses (RFC 4193) that leave the cloud with nobody translating them: nothing finds its way back.

Looks at: every request (TCP SYN, UDP datagram, ICMP echo) that was recognised by its stamp before
and behind a node. To a Service, in either family, kube-proxy's own rules say what becomes of the
source (mode, masqueradeAll, local detection, type and policy of the Service, hairpin), for a
configuration that is known. To anything else, pods of another cluster with them, an IPv6 source must
leave the node as it left the pod; IPv4 is not judged there: natOutgoing is what Gardener's networks
do. Translations that Gardener makes by design (apiserver-proxy, node-local-dns, VPN, metadata) are
named and no error. Packets whose stamp is ambiguous give no verdict; sources inside a Service range
are service-range's.

What to do: switch IPv6 masquerading off in the CNI (Calico: natOutgoing of the IPv6 pool; Cilium:
enable-ipv6-masquerade), or remove the rule that does it (nft list ruleset: masquerade, snat). For
Services, compare kube-proxy's configuration with the row of its rules that the finding quotes.
"""

from collections import defaultdict

from dataplane.checks.ground.contacts import contacts
from dataplane.checks.ground.exchanges import Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places, crosses_networks
from dataplane.checks.ground.serving import Passage, Serving, Target, passages
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.expected import Witness
from dataplane.model.plan import Plan
from dataplane.model.problem import Severity
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Reach, Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View
from dataplane.rules.gardener.translations import healthy
from dataplane.rules.kubeproxy import Ruling, Verdict
from dataplane.rules.rfc4193 import UNIQUE_LOCAL

NAME = "masquerade"
TIMEOUT_S = 1.0  # an answer is not judged here, but tells that the packet has had its time
CONFIGURATION = (
    "compare --cluster-cidr, --masquerade-all and --detect-local-mode of kube-proxy on this node with "
    "the pods' addresses, and look for rules beside its own (nft list ruleset)"
)
MISSING = (
    "see whether kube-proxy's own rules are whole (masquerading, KUBE-POSTROUTING), and whether "
    "somebody else takes its mark 0x4000 away (nft list ruleset)"
)
NO_NAT66 = "none leaves the site (RFC 4193 section 4.3); no NAT66 is planned"


def applies(plan: Plan) -> str | None:
    """Return why there is no IPv6 that could be masqueraded."""
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6, and IPv4 may be masqueraded"
    return None if plan.actors else "no pod of this plan takes part in stimuli"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return TCP connects over IPv6: out, to another node, to every Service, between two clusters.

    Where a Service is open to the outside, a server of the internet is its client as well.
    """
    return tuple(
        Reach(
            id=f"{NAME}/{contact.client}/{contact.label}/{contact.name}",
            check=NAME,
            pod=contact.client,
            target=str(contact.address),
            port=contact.port,
            family=Family.IPV6,
            label=contact.label,
            timeout=TIMEOUT_S,
        )
        for contact in contacts(plan)
    )


class _Bench:
    """One sitting: what was judged, for which pod, and what could not be."""

    def __init__(self, view: View) -> None:
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.serving = Serving(view.plan, self.places, self.sights)
        self.ledger = Ledger()
        self.nat66 = view.plan.cloud.nat66
        self.looked_at = 0
        self.judged: defaultdict[str, int] = defaultdict(int)
        self.unjudged: defaultdict[str, list[str]] = defaultdict(list)
        self.exposed: set[str] = set()  # pods that are hidden from everybody
        self.unknown: dict[str, None] = {}

    def judge_direct(self, exchange: Exchange) -> None:
        """Compare a request's source at the pod with its source at the node's uplink."""
        inside = self.sights.hop(exchange.request, Point.POD, leaving=True)
        if inside is None or inside.family is not Family.IPV6:
            return
        if not (crosses_networks(inside.source) and crosses_networks(inside.destination)):
            return
        pod = self.sights.owner(inside)
        node = self.places.node_of(pod)
        if node is None:
            return
        outside = self.sights.hop(exchange.request, Point.UPLINK, leaving=True, owner=node)
        if outside is None:
            if self._left_unseen(exchange, pod):
                self.unjudged[pod].append(f"left {node} by an interface that is not watched")
        elif exchange.request.ambiguous:
            self.unjudged[pod].append("every stamp seen of it is ambiguous")
        elif outside.family is inside.family and self.serving.target(node, inside) is None:
            passage = Passage(node=node, sender=pod, before=inside, after=outside)
            self._count(passage)
            if passage.hidden and not self._by_design(passage, exchange):
                self.exposed.add(pod)
                self._hidden_from_all(passage, exchange)

    def judge_services(self, exchange: Exchange) -> None:
        """Compare what became of packets to Services with kube-proxy's rules."""
        if exchange.request.ambiguous:
            return
        for passage in passages(exchange.request, self.sights, self.places):
            target = self.serving.target(passage.node, passage.before)
            if target is None or not passage.translated:
                continue
            expected = self.serving.expected(passage.node, passage.before.family)
            if expected.value is None:
                self.unknown[expected.missing] = None
                continue
            self._count(passage)
            ruling = self.serving.ruling(expected.value, target, passage)
            if self.serving.is_service(passage.after.source):
                continue
            if not (passage.hidden and self._by_design(passage, exchange)):
                self._compare(passage, target, ruling, expected.source, exchange)

    def judge_edge(self, exchange: Exchange) -> None:
        """Look at unique local sources where they leave for the internet (RFC 4193 section 4.3)."""
        outside = self.sights.hop(exchange.request, Point.EDGE, leaving=True)
        if outside is None or exchange.request.ambiguous:
            return
        source, destination = outside.source, outside.destination
        if source in UNIQUE_LOCAL and destination not in UNIQUE_LOCAL:
            planned = ", ".join(map(str, self.nat66))
            self.ledger.add(
                subject=self.sights.owner(outside),
                cause="unique local addresses leave for the internet, and nobody translates them",
                expected=f"NAT66 of {planned} at the edge" if planned else NO_NAT66,
                seen=f"source {self.places.called(source)}, where nothing leads back to it",
                remedy="translate at the edge (NAT66), or give the pods global addresses",
                evidence=(
                    f"{outside.packet} to {self.places.called(destination)}: source {source} "
                    f"({self.sights.trail(exchange.request)})"
                ),
                # Without a promise of NAT66, somebody outside may still do it.
                severity=Severity.ERROR if planned else Severity.WARNING,
            )

    def _count(self, passage: Passage) -> None:
        self.looked_at += 1
        if passage.sender is not None and self.sights.point(passage.after) is Point.UPLINK:
            self.judged[passage.sender] += 1

    def _left_unseen(self, exchange: Exchange, pod: str) -> bool:
        """Tell whether a request that no uplink saw was seen beyond its own node."""
        node = self.places.node_of(pod)
        for hop in exchange.request.hops:
            owner, point = self.sights.owner(hop), self.sights.point(hop)
            if point is Point.EDGE or (point is Point.TRANSLATOR and owner != node):
                return True
            if point is Point.UPLINK and owner != node:
                return True
            if point is Point.POD and not hop.leaving and self.places.node_of(owner) != node:
                return True
        return False

    def _by_design(self, passage: Passage, exchange: Exchange) -> bool:
        """Name a translation that belongs to a healthy Gardener cluster; no finding of its own."""
        before, after = passage.before, passage.after
        known = healthy(before.source, before.destination, after.source, after.destination)
        if known is None:
            return False
        self.ledger.add(
            subject=passage.sender or passage.node,
            cause=f"{known.name}: translated by design ({known.component})",
            expected=known.reason,
            seen=f"{before.source} became {after.source}",
            remedy="nothing: this is as it should be",
            evidence=self._told(before, after, exchange),
            severity=Severity.INFO,
        )
        return True

    def _hidden_from_all(self, passage: Passage, exchange: Exchange) -> None:
        pod, node = passage.sender, passage.node
        self.ledger.add(
            subject=pod or node,
            cause=f"{node} translates the source of {pod}'s IPv6 packets (masquerade or SNAT)",
            expected=f"packets of {pod} leave {node} with the pod's own source ({passage.before.source})",
            seen=f"they leave with {self._whose(passage)}",
            remedy="switch IPv6 masquerading off in the CNI; the pod prefix is routed",
            evidence=self._told(passage.before, passage.after, exchange),
        )

    def _compare(
        self, passage: Passage, target: Target, ruling: Ruling, source: Witness, exchange: Exchange
    ) -> None:
        """Put what a node did to a packet to a Service beside the row that is right for it."""
        node, way = passage.node, f"the {target.destination} of {target.name}"
        client = passage.sender or str(passage.before.source)
        place = self.places.node_named(node)
        own = place is not None and passage.before.source in place.addresses
        row = f"{ruling.reason} (row {ruling.row} of kube-proxy's rules, {ruling.chain}; {source})"
        match ruling.verdict, passage.hidden:
            case Verdict.KEEP, True if passage.sender in self.exposed:
                self._hidden_from_all(passage, exchange)
                return
            case Verdict.KEEP, True:
                cause = f"{node} hides {client} from whoever serves {way}; kube-proxy must not"
                expected, seen = f"source kept: {row}", f"they see {self._whose(passage)}"
                remedy = CONFIGURATION
            case Verdict.MASQUERADE, False if not own:  # behind its own address nothing shows
                cause = f"{node} does not masquerade {client} on its way to {way}; kube-proxy must"
                expected, seen = f"masquerade: {row}", f"source {passage.before.source}, unchanged"
                remedy = MISSING
            case Verdict.DROP, _:
                cause = f"{node} sends {client} on to an endpoint that {way} does not lead to"
                expected, seen = f"drop: {row}", f"sent to {passage.after.destination}"
                remedy = CONFIGURATION
            case _:
                return
        self.ledger.add(
            subject=passage.sender or node,
            cause=cause,
            expected=expected,
            seen=seen,
            remedy=remedy,
            evidence=self._told(passage.before, passage.after, exchange),
        )

    def _whose(self, passage: Passage) -> str:
        place, source = self.places.node_named(passage.node), passage.after.source
        own = place is not None and source in place.addresses
        whose = f"the address of {passage.node}" if own else "no address of this node in the plan"
        return f"{source}, {whose}"

    def _told(self, before: PacketSeen, after: PacketSeen, exchange: Exchange) -> str:
        return (
            f"{before.packet} to {self.places.called(before.destination)}: "
            f"{before.source}.{before.source_port} became {after.source}.{after.source_port} "
            f"({self.sights.trail(exchange.request)})"
        )

    def doubts(self) -> tuple[str, ...]:
        """Return the pods whose traffic left the node without one verdict, and what nobody said."""
        silent = (
            f"{pod}: {reasons[0]}"
            for pod, reasons in sorted(self.unjudged.items())
            if not self.judged[pod]
        )
        return (*self.unknown, *silent)


def judge(view: View) -> Judgement:
    """Judge every request that was seen passing a node; see the module's text."""
    bench = _Bench(view)
    found = exchanges(view)
    for exchange in found:
        bench.judge_direct(exchange)
        bench.judge_edge(exchange)
    for exchange in found:  # whoever is hidden from everybody is known by now
        bench.judge_services(exchange)
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts())


CHECK = Check(
    name=NAME,
    title="no node masquerades its pods' IPv6 addresses",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="stamps", point=Point.UPLINK),
    ),
)
