"""No packet comes from a Service's address but in answer, and no route outside leads to one.

Guards against: source NAT that takes the wrong address. A node that carries Service addresses on
an interface of its own (kube-ipvs0) may pick one of them: the pod then sees the ClusterIP of some
other Service as its client, and access lists and logs mean nothing (projectcalico/calico#4665).
And against routes into the Service range that nobody planned: ClusterIPs are translated on the
nodes, so that whatever has no Service bounces between the node and the network until its hop
limit ends it.

Looks at: every flow at the pods' interfaces and the nodes' uplinks. A source inside a Service range
is right where the other end had asked that address before: an earlier flow of the same ports the
other way round at the same place, or for ICMP errors and later fragments any earlier flow to it.
Where flows were lost, or a TCP connection is older than the probes, nothing is said of it. And at
the routes of the routers around the nodes: one whose destination lies inside a Service range is a
finding, unless the plan has it (Services that are routed from upstream on purpose). Such a route must
be there, then, and lead to a node; where there is a second cluster, its pods ask the ClusterIPs.

What to do: see which rule on the node names or picks the address (nft list ruleset: snat,
masquerade; ip address show kube-ipvs0), and remove routes to the Service range from the router.
"""

from collections import defaultdict
from collections.abc import Iterable

from dataplane.checks.ground.inbound import Inbound
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, family_of
from dataplane.model.answer import Judgement
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.seen import FlowSeen, RouteSeen
from dataplane.model.stimulus import Reach, Stimulus, Transport
from dataplane.model.topology import Point, Tap
from dataplane.model.view import Check, Sight, View

NAME = "service-range"
LOOPBACK = "lo"  # where the kernel hangs routes that lead nowhere (blackhole, unreachable)
RULES = "look at the node's rules (nft list ruleset) for what picks this address as a source"
TCP, SYN = 6, 0x02
Way = tuple[str, bool, Address, Address]
Ports = tuple[int, int, int]
Ends = tuple[int, Address, int, Address, int]


def applies(plan: Plan) -> str | None:
    """Return why there is no Service range to judge."""
    return None if plan.service_ranges else "the plan has no Service range"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return what a second cluster asks of Services that are routed; all else others send."""
    others = plan.neighbour.actors if plan.neighbour is not None else ()
    return tuple(
        Reach(
            id=f"{NAME}/{other.name}/{service.name}/{address}/{transport}",
            check=NAME,
            pod=other.name,
            target=str(address),
            transport=transport,
            port=service.port,
            family=family_of(address),
            label="neighbour-service",
        )
        for other in others
        for route in plan.service_routes
        for service in plan.services
        for address in service.addresses
        if address in route.destination and other.address(family_of(address)) is not None
        for transport in (Transport.TCP, Transport.UDP)
    )


class _Asked:
    """When an address was first asked, by tap and direction: with which ports, and at all."""

    def __init__(self, flows: Iterable[FlowSeen]) -> None:
        self._first: defaultdict[Way, dict[Ports, int]] = defaultdict(dict)
        for flow in flows:
            ports = (flow.protocol, flow.source_port, flow.destination_port)
            of = self._first[flow.tap, flow.leaving, flow.source, flow.destination]
            of[ports] = min(of.get(ports, flow.first_ns), flow.first_ns)

    def before(self, flow: FlowSeen) -> bool:
        """Tell whether a flow answers an earlier one."""
        of = self._first.get((flow.tap, not flow.leaving, flow.destination, flow.source), {})
        if flow.source_port or flow.destination_port:
            mirrored = (flow.protocol, flow.destination_port, flow.source_port)
            times = [of[mirrored]] if mirrored in of else []
        else:
            times = list(of.values())
        return any(time <= flow.first_ns for time in times)


class _Bench:
    """One sitting: the flows and routes, and who brought a Service's address into play."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.sights = Sights(view, probe="flows")
        self.ledger = Ledger()
        self.looked_at = 0

    def judge_flows(self) -> None:
        """Judge the source of every flow, each where it was seen first."""
        asked = _Asked(self.view.evidence.flows)
        wrong: dict[Ends, list[tuple[FlowSeen, Tap]]] = {}
        for flow in self.view.evidence.flows:
            tap = self.view.taps.get(flow.tap)
            if tap is None or tap.point not in {Point.POD, Point.UPLINK}:
                continue
            self.looked_at += 1
            if self._is_service(flow.source) and self._whole(flow, tap) and not asked.before(flow):
                ends = (flow.source, flow.source_port, flow.destination, flow.destination_port)
                wrong.setdefault((flow.protocol, *ends), []).append((flow, tap))
        for sightings in wrong.values():
            self._blame(*min(sightings, key=lambda sighting: sighting[0].first_ns))

    def judge_routes(self) -> None:
        """Judge the routes of everybody but pods and nodes: what is inside those is their own."""
        own = {pod.name for pod in self.view.plan.pods}
        own |= {node.name for node in self.view.plan.nodes}
        planned = {route.destination for route in self.view.plan.cloud.routes}
        for route in self.view.evidence.routes:
            if route.owner in own:
                continue
            self.looked_at += 1
            leads = route.interface not in {None, LOOPBACK}
            if leads and route.destination not in planned and self._within_services(route):
                self._blame_route(route)

    def _whole(self, flow: FlowSeen, tap: Tap) -> bool:
        """Tell whether the beginning of this and of what it may answer was seen."""
        if flow.protocol == TCP and not flow.tcp_flags & SYN:
            return False
        return self.sights.watched(tap.point, tap.owner)

    def _is_service(self, address: Address) -> bool:
        return any(address in network for network in self.view.plan.service_ranges)

    def _within_services(self, route: RouteSeen) -> bool:
        inner = route.destination
        return any(
            inner.network_address in outer and inner.prefixlen >= outer.prefixlen
            for outer in self.view.plan.service_ranges
        )

    def _blame(self, flow: FlowSeen, tap: Tap) -> None:
        """Blame who shows the address first: a pod that sends it, or the one before the tap."""
        called = self._called(flow.source)
        if tap.point is Point.POD and not flow.leaving:
            node = self.places.node_of(tap.owner)
            cause = f"{node} hands packets to {tap.owner} as if {called} had sent them"
        elif flow.leaving:
            cause = f"{tap.owner} sends packets as if {called} had sent them"
        else:
            cause = f"packets come to {tap.owner} from outside as if {called} had sent them"
        self.ledger.add(
            subject=tap.owner,
            cause=cause,
            expected=f"no source inside {self._ranges()} but in answer: no Service is a client",
            seen=f"source {called}, which nobody there had asked",
            remedy=RULES,
            evidence=(
                f"{flow.packets} packets {'leaving' if flow.leaving else 'reaching'} {tap.owner}: "
                f"{flow.source} port {flow.source_port} -> {self.places.called(flow.destination)} "
                f"port {flow.destination_port}, protocol {flow.protocol}, at {flow.tap}"
            ),
        )

    def _blame_route(self, route: RouteSeen) -> None:
        hop = None if route.via is None else self.places.host(route.via)
        subject = hop.name if isinstance(hop, NodePlan) else route.owner
        via = f"via {route.via} " if route.via is not None else ""
        self.ledger.add(
            subject=subject,
            cause=f"{route.owner} routes Service addresses to {subject}, which nobody planned",
            expected=f"no route into {self._ranges()} around the nodes (manifest)",
            seen=f"{route.destination} {via}dev {route.interface}",
            remedy=f"remove the route from {route.owner}; nodes translate Service addresses",
            evidence=f"{route.owner}: {route.destination} {via}dev {route.interface}",
        )

    def _ranges(self) -> str:
        return " or ".join(map(str, self.view.plan.service_ranges))

    def _called(self, address: Address) -> str:
        service = self.places.service(address)
        if service is not None:
            return f"Service {service.name} ({address})"
        dns = address in self.view.plan.dns_addresses
        return f"{'the cluster DNS' if dns else 'a Service'} ({address})"


def judge(view: View) -> Judgement:
    """Judge flows at pods and uplinks, and routes around the nodes; see the module's text."""
    bench = _Bench(view)
    bench.judge_flows()
    bench.judge_routes()
    inbound = Inbound(view, bench.ledger)
    inbound.judge()
    return bench.ledger.judgement(
        looked_at=bench.looked_at + inbound.looked_at, doubts=inbound.doubts
    )


CHECK = Check(
    name=NAME,
    title="Service addresses answer, and are nobody's source",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="flows", point=Point.POD),
        Sight(probe="flows", point=Point.UPLINK),
        Sight(probe="routes"),
    ),
)
