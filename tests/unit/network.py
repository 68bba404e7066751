"""The network of a plan without a kernel: which taps a packet passes, with and without faults."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Network
from itertools import count

from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import ClatPlacement, Plan, PodPlan
from dataplane.model.topology import Point, Tap
from dataplane.rules.rfc6052 import embed, extract
from tests.unit.plans import NAT64, taps_of

METADATA = IPv4Address("169.254.169.254")
LEAKED = IPv4Address("169.254.7.7")
DROP, REFUSE = "drop", "refuse"
SAFE = 1232  # octets of a datagram that every path takes
Rule = Callable[[str, Address, Address], str | None]


def full(family: Family) -> int:
    """Return the length of a full packet, as it crosses a translator between links of 1500."""
    return 1480 if family is Family.IPV4 else 1500


def at_node_of(pod: PodPlan, verdict: str, matches: Callable[[Address, Address], bool]) -> Rule:
    """Return a rule of the node that a pod runs on; `matches` looks at source and destination."""

    def rule(node: str, source: Address, destination: Address) -> str | None:
        return verdict if node == pod.node and matches(source, destination) else None

    return rule


@dataclass(kw_only=True)
class Faults:
    """What is broken. `rule` is asked wherever a node forwards: (node, source, destination)."""

    rule: Rule = lambda *_: None
    lost_prefixes: set[tuple[str, Family]] = field(default_factory=set)
    masquerading: set[str] = field(default_factory=set)
    deaf: set[tuple[str, Family]] = field(default_factory=set)
    dns64: IPv6Network | None = None
    dns64_off: bool = False
    nat64_down: bool = False
    nat64_down_on: set[str] = field(default_factory=set)  # nodes, where each has a NAT64
    nat64_unrouted: set[str] = field(default_factory=set)  # nodes that do not use their own
    nat64_of: str | None = None  # the node whose NAT64 these use instead
    nat64_unhidden: set[str] = field(default_factory=set)  # nodes that let their pool out
    without_clat: set[str] = field(default_factory=set)
    dead_clat: set[str] = field(default_factory=set)
    leaking: set[str] = field(default_factory=set)
    unsent: set[tuple[str, Family]] = field(default_factory=set)
    silent_resolver: bool = False
    silent_gateway: bool = False
    loopback: set[str] = field(default_factory=set)  # pods whose server is bound to loopback
    not_forwarding: set[str] = field(default_factory=set)  # nodes, as their sysctls say
    services_lost: bool = False  # nobody outside routes services
    untranslated: set[str] = field(default_factory=set)  # nodes that know of no services
    hiding_from_neighbour: set[str] = field(default_factory=set)  # nodes
    encapsulating: set[str] = field(default_factory=set)  # nodes that send VXLAN to other nodes
    service_clients: set[str] = field(
        default_factory=set
    )  # pods that see the DNS service as client
    narrow: set[str] = field(default_factory=set)  # nodes whose uplink loses large packets
    floor: set[str] = field(default_factory=set)  # servers behind a path that loses large packets
    too_small: set[str] = field(default_factory=set)  # pods whose link is too small for IPv6
    service_route: str | None = None  # the node to which the fabric routes the service ranges
    without_records: set[Family] = field(default_factory=set)  # families that services lack in DNS
    foreign_records: tuple[Address, ...] = ()  # what services have too much in DNS
    foreign_cluster_cidr: set[str] = field(default_factory=set)  # nodes whose kube-proxy has one
    unmasqueraded: set[str] = field(default_factory=set)  # nodes whose kube-proxy hides nobody


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A packet's addresses at one place."""

    source: Address
    source_port: int
    destination: Address
    destination_port: int

    def back(self) -> "Packet":
        return Packet(
            source=self.destination,
            source_port=self.destination_port,
            destination=self.source,
            destination_port=self.source_port,
        )


@dataclass(frozen=True, kw_only=True)
class Hop:
    """`inner` is what an encapsulated packet carries; answers come back as they are."""

    tap: str
    point: Point
    owner: str
    leaving: bool
    packet: Packet
    inner: Packet | None = None

    def back(self) -> "Hop":
        packet = (self.inner or self.packet).back()
        return replace(self, leaving=not self.leaving, packet=packet, inner=None)


class Network:
    """The ways of packets through a plan's network."""

    def __init__(self, plan: Plan, faults: Faults) -> None:
        self.plan, self.faults = plan, faults
        self.taps: tuple[Tap, ...] = taps_of(plan, without_clat=faults.without_clat)
        self.turn = count()
        others = plan.neighbour.pods if plan.neighbour else ()
        self._pods = {a: pod for pod in others for a in pod.addresses if a.version == 6}
        self._pods |= {a: pod for pod in plan.pods for a in pod.addresses}
        self._pods |= {pod.clat_address: pod for pod in plan.pods if pod.clat_address}

    def narrowed(
        self, hops: list[Hop], end: str | None, octets: int
    ) -> tuple[list[Hop], str | None]:
        """Return how far a packet of so many octets gets of a way, and how that ended."""
        if not octets or not hops:
            return hops, end
        for number, hop in enumerate(hops):
            if hop.point is Point.UPLINK and hop.owner in self.faults.narrow and octets > SAFE:
                return hops[:number], DROP
        behind = {a for s in self.plan.servers if s.name in self.faults.floor for a in s.addresses}
        return hops, DROP if hops[-1].packet.destination in behind else end

    def deaf(self, last: Hop) -> bool:
        if last.packet.destination == METADATA:
            return True
        family = family_of(last.packet.destination)
        return last.point is Point.POD and (last.owner, family) in self.faults.deaf

    def there(
        self, pod: PodPlan, target: Address, port: int, sport: int
    ) -> tuple[list[Hop], str | None]:
        """Return the hops of a request, and how it ended: None when it arrived."""
        hops: list[Hop] = []
        packet = self._out_of_pod(hops, pod, target, port, sport)
        if packet is None:
            return hops, DROP
        node = pod.node
        from_outside = node in self.plan.strangers and packet.destination not in self._pods
        if target == METADATA or from_outside:
            leaks = None if pod.name in self.faults.leaking else DROP
            return hops, self._inbound(hops, node, packet) if from_outside else leaks
        packet = self._hidden(node, packet, self._service(packet))
        verdict = self.faults.rule(node, packet.source, packet.destination)
        if verdict:
            return hops, verdict
        nat64 = self.plan.nat64
        if nat64 and nat64.nodes and packet.destination in nat64.prefix:
            return hops, self._by_node(hops, node, packet)
        there = self._pods.get(packet.destination)
        if there is None or there.node != node:
            foreign = there is not None and there.name in self.plan.strangers
            hides = self.faults.hiding_from_neighbour if foreign else self.faults.masquerading
            if node in hides and packet.source.version == 6:
                source = self.plan.node(node).address(Family.IPV6)
                packet = replace(packet, source=source, source_port=packet.source_port + 10_000)
            hops.append(self._uplink(node, there, packet, leaving=True))
        if there is not None:
            return hops, self._into_pod(hops, node, there, packet)
        return hops, self._outside(hops, packet)

    def _by_node(self, hops: list[Hop], node: str, packet: Packet) -> str | None:
        """Carry a packet through the NAT64 of its node, or of the one that the node uses instead."""
        faults = self.faults
        if node in faults.nat64_unrouted:
            hops.append(self._uplink(node, None, packet, leaving=True))
            if faults.nat64_of is None:
                return DROP
            node = faults.nat64_of
            hops.append(self._uplink(node, None, packet, leaving=False))
        seat = self.plan.nat64.on_node(node)
        hops.append(self._hop(Point.TRANSLATOR, node, packet, leaving=True))
        if node in faults.nat64_down_on:
            return DROP
        packet = replace(
            packet,
            source=seat.pool4[5 + int(packet.source) % 200],
            destination=extract(self.plan.nat64.prefix, packet.destination),
        )
        hops.append(self._hop(Point.TRANSLATOR, node, packet, leaving=False))
        hidden = node not in faults.nat64_unhidden
        if hidden:
            packet = replace(packet, source=seat.source4)
        hops.append(self._uplink(node, None, packet, leaving=True))
        end = self._outside(hops, packet)
        return end if hidden else DROP

    def _inbound(self, hops: list[Hop], node: str, packet: Packet) -> str | None:
        """Carry a neighbour's packet to a service, by way of the node that the route names."""
        hops.append(self._uplink(node, None, packet, leaving=True))
        route = next(
            (r for r in self.plan.service_routes if packet.destination in r.destination), None
        )
        if route is None or self.faults.services_lost:
            return DROP
        way = next(n for n in self.plan.nodes if route.via in n.addresses)
        hops.append(self._uplink(way.name, None, packet, leaving=False))
        if way.name in self.faults.untranslated:
            return DROP
        source = way.address(family_of(packet.source))
        packet = replace(
            self._service(packet), source=source, source_port=packet.source_port + 20_000
        )
        there = self._pods[packet.destination]
        if there.node != way.name:
            hops.append(self._uplink(way.name, there, packet, leaving=True))
        return self._into_pod(hops, way.name, there, packet)

    def _out_of_pod(
        self, hops: list[Hop], pod: PodPlan, target: Address, port: int, sport: int
    ) -> Packet | None:
        """Let a packet leave the pod, through a CLAT where there is one; None when it ends there."""
        clat, nat64 = self.plan.clat, self.plan.nat64
        source = pod.address(family_of(target))
        if source is not None or clat is None or nat64 is None or pod.name in self.faults.leaking:
            own = source or LEAKED
            packet = Packet(
                source=own, source_port=sport, destination=target, destination_port=port
            )
            if source is None and target != METADATA:
                return self._through_clat(hops, pod, packet)
            hops.append(self._hop(Point.POD, pod.name, packet, leaving=True))
            return packet
        packet = Packet(
            source=clat.address4, source_port=sport, destination=target, destination_port=port
        )
        return self._through_clat(hops, pod, packet)

    def _through_clat(self, hops: list[Hop], pod: PodPlan, packet: Packet) -> Packet | None:
        clat, nat64 = self.plan.clat, self.plan.nat64
        in_pod = clat.placement is ClatPlacement.POD
        if not in_pod:
            first = replace(packet, source=IPv4Address("169.254.64.2"))
            hops.append(self._hop(Point.POD, pod.name, first, leaving=True))
        owner = pod.name if in_pod else pod.node
        packet = replace(packet, source=clat.address4)
        hops.append(self._hop(Point.CLAT, owner, packet, leaving=True))
        if owner in self.faults.dead_clat or packet.destination == METADATA:
            return None
        packet = replace(
            packet, source=pod.clat_address, destination=embed(nat64.prefix, packet.destination)
        )
        hops.append(self._hop(Point.CLAT, owner, packet, leaving=False))
        if in_pod:
            hops.append(self._hop(Point.POD, pod.name, packet, leaving=True))
        return packet

    def _service(self, packet: Packet) -> Packet:
        """Translate a service's address, as kube-proxy does."""
        for service in self.plan.services:
            if packet.destination in service.addresses:
                name = service.endpoints[next(self.turn) % len(service.endpoints)]
                address = self.plan.pod(name).address(family_of(packet.destination))
                return replace(packet, destination=address, destination_port=service.target_port)
        for address in self.plan.dns_addresses:
            if packet.destination == address:
                resolver = next(a for a in self.plan.resolver if a.version == address.version)
                return replace(packet, destination=resolver)
        return packet

    def _hidden(self, node: str, asked: Packet, packet: Packet) -> Packet:
        """Hide a client of a service behind its node, where kube-proxy does that."""
        if asked.destination == packet.destination or node in self.faults.unmasqueraded:
            return packet
        itself = packet.source == packet.destination
        if not itself and node not in self.faults.foreign_cluster_cidr:
            return packet
        family = family_of(packet.source)
        source = self.plan.node(node).address(family)
        return replace(packet, source=source, source_port=packet.source_port + 20_000)

    def _into_pod(self, hops: list[Hop], node: str, pod: PodPlan, packet: Packet) -> str | None:
        if pod.node != node:
            if (pod.node, family_of(packet.destination)) in self.faults.lost_prefixes:
                return DROP
            sender = self._uplink(node, pod, packet, leaving=False)
            hops.append(replace(sender, tap=pod.node, owner=pod.node))
            verdict = self.faults.rule(pod.node, packet.source, packet.destination)
            if verdict:
                return DROP
        if pod.name in self.faults.service_clients:
            family = packet.source.version
            dns = next(a for a in self.plan.dns_addresses if a.version == family)
            packet = replace(packet, source=dns)
        hops.append(self._hop(Point.POD, pod.name, packet, leaving=False))
        return None

    def _uplink(self, node: str, to: PodPlan | None, packet: Packet, *, leaving: bool) -> Hop:
        """Let a packet leave a node, inside VXLAN where that is broken."""
        hop = self._hop(Point.UPLINK, node, packet, leaving=leaving)
        if to is None or node not in self.faults.encapsulating:
            return hop
        family = self.plan.node(node).addresses[0].version
        ends = [
            next(a for a in self.plan.node(name).addresses if a.version == family)
            for name in (node, to.node)
        ]
        outer = Packet(
            source=ends[0],
            source_port=50_000 + packet.source_port % 1_000,
            destination=ends[1],
            destination_port=8472,
        )
        return replace(hop, packet=outer, inner=packet)

    def _outside(self, hops: list[Hop], packet: Packet) -> str | None:
        nat64 = self.plan.nat64
        if packet.destination in self.plan.resolver:
            return DROP if self.faults.silent_resolver else None
        if self.faults.silent_gateway:
            return DROP
        if nat64 and packet.destination in nat64.prefix:
            hops.append(self._hop(Point.TRANSLATOR, "gateway", packet, leaving=True))
            if self.faults.nat64_down:
                return DROP
            packet = replace(
                packet,
                source=nat64.pool4[5 + int(packet.source) % 200],
                destination=extract(nat64.prefix, packet.destination),
            )
            hops.append(self._hop(Point.TRANSLATOR, "gateway", packet, leaving=False))
        if packet.source.version == 4:
            packet = replace(packet, source=NAT64.public4, source_port=packet.source_port + 3)
        hops.append(self._hop(Point.EDGE, "gateway", packet, leaving=True))
        known = any(packet.destination in server.addresses for server in self.plan.servers)
        return None if known else DROP

    def back(self, hops: list[Hop]) -> tuple[list[Hop], str | None]:
        """Return the hops of an answer, and how it ended: None when it arrived."""
        back: list[Hop] = []
        way = [hop.back() for hop in reversed(hops)]
        for number, hop in enumerate(way):
            lost = (hop.owner, hop.packet.destination.version)
            prefixes = {
                (node, 4 if f is Family.IPV4 else 6) for node, f in self.faults.lost_prefixes
            }
            if hop.point is Point.UPLINK and not hop.leaving and lost in prefixes:
                pod = self._pods.get(hop.packet.destination)
                if pod is not None:
                    return back, DROP
            back.append(hop)
            forwards = hop.point is Point.POD and hop.leaving and number + 1 < len(way)
            comes = hop.point is Point.UPLINK and not hop.leaving
            if forwards or comes:
                node = self.plan.pod(hop.owner).node if forwards else hop.owner
                if self.faults.rule(node, hop.packet.source, hop.packet.destination):
                    return back, DROP
        return back, None

    def _hop(self, point: Point, owner: str, packet: Packet, *, leaving: bool) -> Hop:
        tap = next(t.name for t in self.taps if t.point is point and t.owner == owner)
        return Hop(tap=tap, point=point, owner=owner, leaving=leaving, packet=packet)
