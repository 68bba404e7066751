"""No node sends packets to another node inside an overlay: uplinks carry pods' packets as they are.

Guards against: tunnels between nodes in a cluster with IPv6 ("IPv6 for Gardener": stay away from
overlay networks; Gardener: dual-stack with native routing only). Pod prefixes are routed, so that
a tunnel costs MTU and time, hides flows from the network, and takes code paths that are hardly
tested with IPv6.

Looks at: every flow at the nodes' uplinks, both directions. An encapsulation is known by its
protocol number (IPv4 in IP 4, IPv6 in IP 41, GRE 47), or between two nodes by its UDP port (VXLAN
4789 and Linux's 8472, Geneve 6081; WireGuard 51820, 51821 and 51871, at both ends). A pod's own
tunnel is its own business. What is inside is not read from the packet: it is told by the protocol,
and by pods' packets that reached another node, recognised by their stamps, past both uplinks.
IPv4-only clusters are not judged: there, an overlay is what many networks do on purpose.

What to do: switch the overlay off (Shoot: providerConfig of the network, overlay.enabled: false;
Calico: vxlanMode and ipipMode Never; Cilium: routing-mode native) and route the pod prefixes.
"""

from collections.abc import Iterator

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import Places
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.seen import FlowSeen
from dataplane.model.stimulus import Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Journey, Sight, View

NAME = "overlay"
UDP = 17
PORTS = {4789: "VXLAN", 8472: "VXLAN", 6081: "Geneve"}
"""By destination port: the source port is a hash of what is inside (RFC 7348 section 5)."""
WIREGUARD = frozenset({51820, 51821, 51871})
"""One socket for both directions: clients may get these ports as well, so both ends count."""
IN_IP = {
    (4, Family.IPV4): "IPIP",
    (4, Family.IPV6): "4in6",
    (41, Family.IPV4): "6in4",
    (41, Family.IPV6): "6in6",
    (47, Family.IPV4): "GRE",
    (47, Family.IPV6): "GRE",
}
INNER = {4: "IPv4 inside", 41: "IPv6 inside"}
REMEDY = "switch the overlay off in the CNI, and route each node's pod prefix to the node"


def applies(plan: Plan) -> str | None:
    """Return why an overlay is nobody's fault here."""
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6, and IPv4 may take an overlay"
    return None


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: what the other checks send between nodes is looked at."""
    return ()


def encapsulation(flow: FlowSeen) -> str | None:
    """Return the encapsulation that a flow is, by its header alone; None when it is none."""
    if flow.protocol != UDP:
        return IN_IP.get((flow.protocol, flow.family))
    if flow.source_port in WIREGUARD and flow.destination_port in WIREGUARD:
        return "WireGuard"
    return PORTS.get(flow.destination_port)


class _Bench:
    """One sitting: the flows at uplinks, and whether any of them went from node to node."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.sights = Sights(view, probe="flows")
        self.ledger = Ledger()
        self.looked_at = 0
        self.crossed = False
        self._blamed: set[tuple[str, str]] = set()

    def judge(self) -> None:
        """Judge every flow at an uplink."""
        for flow in self.view.evidence.flows:
            tap = self.view.taps.get(flow.tap)
            if tap is None or tap.point is not Point.UPLINK:
                continue
            self.looked_at += 1
            self.crossed |= self._inside(flow.source) and self._inside(flow.destination)
            name = encapsulation(flow)
            if name is not None and self._between_nodes(flow):
                self._blame(flow, name, tap.owner)

    def _between_nodes(self, flow: FlowSeen) -> bool:
        """Tell whether an encapsulation is the nodes' own; a UDP port alone proves little."""
        ends = flow.source, flow.destination
        if flow.protocol == UDP:
            return all(map(self._of_node, ends))
        return not any(map(self._of_pod, ends))

    def _of_pod(self, address: Address) -> bool:
        return any(
            address in prefix for node in self.view.plan.nodes for prefix in node.pod_prefixes
        )

    def _of_node(self, address: Address) -> bool:
        ranges = self.view.plan.node_ranges
        return any(address in network for network in ranges) and not self._of_pod(address)

    def _inside(self, address: Address) -> bool:
        return self._of_pod(address) or self._of_node(address)

    def _blame(self, flow: FlowSeen, name: str, owner: str) -> None:
        sender = self.places.host(flow.source)
        subject = sender.name if isinstance(sender, NodePlan) else owner
        port = f" port {flow.destination_port}" if flow.protocol == UDP else ""
        inner = INNER.get(flow.protocol)
        sides = (
            f"{self.places.called(flow.source)} -> {self.places.called(flow.destination)}, "
            f"{name} (protocol {flow.protocol}{port})"
        )
        told = f"{sides}: {flow.packets} packets at {flow.tap}" + (f", {inner}" if inner else "")
        first = (subject, name) not in self._blamed
        self._blamed.add((subject, name))
        for evidence in (told, *(self._within(subject) if first else ())):
            self.ledger.add(
                subject=subject,
                cause=f"{subject} sends packets to other nodes inside {name}",
                expected="packets of pods cross the network as they are: their prefixes are routed",
                seen=sides,
                remedy=REMEDY,
                evidence=evidence,
            )

    def _within(self, node: str) -> Iterator[str]:
        """Yield the pods' packets that left a node and were seen at no uplink, in words."""
        for journey in self.view.journeys:
            first = journey.hops[0]
            if not journey.ambiguous and self._vanished(journey, node):
                yield (
                    f"inside, by its stamp: {first.packet} {self.places.called(first.source)} -> "
                    f"{self.places.called(first.destination)} ({self.sights.trail(journey)})"
                )

    def _vanished(self, journey: Journey, node: str) -> bool:
        """Tell whether a packet of a node's pod reached a pod of another node past all uplinks."""
        begins, ends = (
            self._pod_nodes(journey, leaving=True),
            self._pod_nodes(journey, leaving=False),
        )
        seen = any(self.sights.point(hop) is Point.UPLINK for hop in journey.hops)
        return not seen and node in begins and bool(ends - {node})

    def _pod_nodes(self, journey: Journey, *, leaving: bool) -> set[str | None]:
        hops = self.sights.hops(journey, Point.POD, leaving=leaving)
        return {self.places.node_of(self.sights.owner(hop)) for hop in hops}


def judge(view: View) -> Judgement:
    """Judge what passes the uplinks; see the module's text."""
    bench = _Bench(view)
    bench.judge()
    several = len({pod.node for pod in view.plan.actors}) > 1
    doubts = ("no packet between two nodes was seen at an uplink",)
    return bench.ledger.judgement(
        looked_at=bench.looked_at, doubts=doubts if several and not bench.crossed else ()
    )


CHECK = Check(
    name=NAME,
    title="no overlay between nodes",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe="flows", point=Point.UPLINK),),
)
