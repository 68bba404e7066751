"""No node hides its pods' IPv6 addresses: the source that leaves the pod leaves the node.

Guards against: source NAT for IPv6, as CNIs and agents apply it by habit (natOutgoing,
ip-masq-agent, `enable-ipv6-masquerade`). Pod prefixes are routed; hiding them behind the node's
address costs connection tracking, breaks inbound flows and makes pods indistinguishable. IPv4 is
not judged: there, natOutgoing is what Gardener's networks do.

Looks at: every IPv6 request (TCP SYN, UDP datagram, ICMP echo) that left a pod's interface and was
recognised by its stamp when it left the node's uplink, where the source must still be the same. A
changed destination is a service being translated, and a packet that comes back to its own node
never reaches the uplink; neither is a finding. Packets whose stamp is ambiguous give no verdict.

What to do: switch IPv6 masquerading off in the CNI (Calico: natOutgoing of the IPv6 pool; Cilium:
enable-ipv6-masquerade), or remove the rule that does it (nft list ruleset: masquerade, snat).
"""

from collections import defaultdict
from collections.abc import Iterator

from dataplane.checks.ground.exchanges import Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places, crosses_networks
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import Plan, PodPlan
from dataplane.model.seen import PacketSeen
from dataplane.model.stimulus import Reach, Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View

NAME = "masquerade"
POD_PORT = 8080
TIMEOUT_S = 1.0  # an answer is not judged here, but tells that the packet has had its time


def applies(plan: Plan) -> str | None:
    """Return why there is no IPv6 that could be masqueraded."""
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6, and IPv4 may be masqueraded"
    return None if plan.actors else "no pod of this plan takes part in stimuli"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return TCP connects over IPv6 that leave the node, for every actor: out, and to a neighbour."""
    return tuple(
        Reach(
            id=f"{NAME}/{pod.name}/{label}/{name}",
            check=NAME,
            pod=pod.name,
            target=str(address),
            port=port,
            family=Family.IPV6,
            label=label,
            timeout=TIMEOUT_S,
        )
        for pod in plan.actors
        for label, name, address, port in _targets(plan, pod)
    )


def _targets(plan: Plan, pod: PodPlan) -> Iterator[tuple[str, str, Address, int]]:
    for server in plan.servers:
        address = server.address(Family.IPV6)
        if address is not None:
            yield "pod-internet", server.name, address, server.port
    away = next((other for other in plan.actors if other.node != pod.node), None)
    there = None if away is None else away.address(Family.IPV6)
    if away is not None and there is not None:
        endpoint = (s.target_port for s in plan.services if away.name in s.endpoints)
        yield "pod-other-node", away.name, there, next(endpoint, POD_PORT)


class _Bench:
    """One sitting: what was judged, for which pod, and what could not be."""

    def __init__(self, view: View) -> None:
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.ledger = Ledger()
        self.judged: defaultdict[str, int] = defaultdict(int)
        self.unjudged: defaultdict[str, list[str]] = defaultdict(list)

    def judge(self, exchange: Exchange) -> None:
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
        elif outside.family is inside.family:
            self.judged[pod] += 1
            if outside.source != inside.source:
                self._changed(pod, node, inside, outside, exchange)

    def _left_unseen(self, exchange: Exchange, pod: str) -> bool:
        """Tell whether a request that no uplink saw was seen beyond its own node."""
        node = self.places.node_of(pod)
        for hop in exchange.request.hops:
            owner, point = self.sights.owner(hop), self.sights.point(hop)
            if point in {Point.TRANSLATOR, Point.EDGE}:
                return True
            if point is Point.UPLINK and owner != node:
                return True
            if point is Point.POD and not hop.leaving and self.places.node_of(owner) != node:
                return True
        return False

    def _changed(
        self, pod: str, node: str, inside: PacketSeen, outside: PacketSeen, exchange: Exchange
    ) -> None:
        plan = self.places.node_named(node)
        own = plan is not None and outside.source in plan.addresses
        whose = f"the address of {node}" if own else "no address of this node in the plan"
        self.ledger.add(
            subject=pod,
            cause=f"{node} translates the source of {pod}'s IPv6 packets (masquerade or SNAT)",
            expected=f"packets of {pod} leave {node} with the pod's own source ({inside.source})",
            seen=f"they leave with {outside.source}, {whose}",
            remedy="switch IPv6 masquerading off in the CNI; the pod prefix is routed",
            evidence=(
                f"{inside.packet} to {self.places.called(inside.destination)}: "
                f"{inside.source}.{inside.source_port} became {outside.source}.{outside.source_port} "
                f"({self.sights.trail(exchange.request)})"
            ),
        )

    def doubts(self) -> tuple[str, ...]:
        """Return the pods whose traffic left the node without one verdict on it."""
        return tuple(
            f"{pod}: {reasons[0]}"
            for pod, reasons in sorted(self.unjudged.items())
            if not self.judged[pod]
        )


def judge(view: View) -> Judgement:
    """Judge every IPv6 request of a pod that was seen leaving its node."""
    bench = _Bench(view)
    for exchange in exchanges(view):
        bench.judge(exchange)
    return Judgement(
        looked_at=sum(bench.judged.values()),
        findings=bench.ledger.findings(),
        doubts=bench.doubts(),
    )


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
