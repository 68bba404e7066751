"""Which Service a packet is for, what kube-proxy is expected to do to it, and what became of it.

The expectation is the plan's, with its source; the decision is `dataplane.rules.kubeproxy`'s.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.checks.ground.places import DNS_PORT, Places
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family
from dataplane.model.expected import Expected, Witness
from dataplane.model.plan import Plan, ServicePlan
from dataplane.model.seen import PacketSeen
from dataplane.model.topology import Point
from dataplane.model.view import Journey
from dataplane.rules import kubeproxy
from dataplane.rules.kubeproxy import (
    Destination,
    Proxy,
    ProxyMode,
    Ruling,
    ServicePacket,
    TrafficPolicy,
)
from dataplane.rules.localdetector import DetectLocal

NO_PROXY = "nobody said how kube-proxy is configured (mode, masqueradeAll, local detection)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Service as it is addressed: its name, the way in, and the policy of that way."""

    name: str
    destination: Destination
    policy: TrafficPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A request on its way through one node: as it came in, and as it went on.

    It came from a pod (`sender` is its name) or over the uplink (None).
    """

    node: str
    sender: str | None
    before: PacketSeen
    after: PacketSeen

    @property
    def translated(self) -> bool:
        """Tell whether the node sent it on to somebody else than it was for."""
        return self.before.destination != self.after.destination

    @property
    def hidden(self) -> bool:
        """Tell whether the node changed its source address."""
        return self.before.source != self.after.source


def passages(request: Journey, sights: Sights, places: Places) -> Iterator[Passage]:
    """Yield how a request passed each node, in the order of time."""
    came: dict[str, tuple[str | None, PacketSeen]] = {}
    for hop in request.hops:
        point, owner = sights.point(hop), sights.owner(hop)
        node = owner if point is Point.UPLINK else places.node_of(owner)
        if node is None or point not in {Point.POD, Point.UPLINK}:
            continue
        comes = hop.leaving if point is Point.POD else not hop.leaving
        if comes:
            came.setdefault(node, (owner if point is Point.POD else None, hop))
        elif node in came:
            sender, before = came.pop(node)
            if before.family is hop.family:
                yield Passage(node=node, sender=sender, before=before, after=hop)


class Serving:
    """The Services of a plan by address, and kube-proxy's rules for them on each node."""

    def __init__(self, plan: Plan, places: Places, sights: Sights) -> None:
        self.plan, self.places, self.sights = plan, places, sights
        self._cluster_ips: dict[tuple[Address, int], Target] = {
            (address, DNS_PORT): _target("kube-dns", Destination.CLUSTER_IP)
            for address in plan.dns_addresses
        }
        self._balancers: dict[tuple[Address, int], Target] = {}
        self._ports: dict[int, Target] = {}
        for service in plan.services:
            self._add(service)

    def _add(self, service: ServicePlan) -> None:
        policy = TrafficPolicy(service.external_traffic_policy)
        for address in service.addresses:
            target = _target(service.name, Destination.CLUSTER_IP)
            self._cluster_ips[address, service.port] = target
        for address in service.load_balancer:
            target = _target(service.name, Destination.LOAD_BALANCER, policy)
            self._balancers[address, service.port] = target
        if service.node_port is not None:
            target = _target(service.name, Destination.NODE_PORT, policy)
            self._ports[service.node_port] = target

    def target(self, node: str, packet: PacketSeen) -> Target | None:
        """Return the Service that a packet on its way into a node is for, None for anything else.

        A node of another cluster knows nothing of the Services here.
        """
        if node in self.plan.strangers:
            return None
        key = (packet.destination, packet.destination_port)
        found = self._cluster_ips.get(key) or self._balancers.get(key)
        place = self.places.node_named(node)
        if found is None and place is not None and packet.destination in place.addresses:
            found = self._ports.get(packet.destination_port)
        return found

    def expected(self, node: str, family: Family) -> Expected[Proxy]:
        """Return kube-proxy on a node, as far as a family is concerned, and on whose word."""
        proxy, place = self.plan.proxy, self.places.node_named(node)
        if proxy is None or proxy.source is Witness.UNKNOWN:
            return Expected(value=None, source=Witness.UNKNOWN, missing=NO_PROXY)
        try:
            mode = ProxyMode(proxy.mode)
        except ValueError:
            missing = f"kube-proxy's mode {proxy.mode!r} has no rules here ({proxy.source})"
            return Expected(value=None, source=Witness.UNKNOWN, missing=missing)
        detect = DetectLocal(
            mode=proxy.detect_local,
            cluster_cidrs=tuple(map(str, proxy.cluster_cidrs)),
            node_pod_cidrs=() if place is None else tuple(map(str, place.pod_prefixes)),
            bridge_interface=proxy.bridge_interface,
            interface_name_prefix=proxy.interface_name_prefix,
        )
        proxies = kubeproxy.proxies(mode, detect, masquerade_all=proxy.masquerade_all)
        return Expected(value=proxies[family], source=proxy.source)

    def ruling(self, proxy: Proxy, target: Target, passage: Passage) -> Ruling:
        """Return what kube-proxy is expected to do to a packet that was seen passing a node."""
        place = self.places.node_named(passage.node)
        endpoint = self.places.pod(passage.after.destination)
        tap = self.sights.taps.get(passage.before.tap)
        packet = ServicePacket(
            source=passage.before.source,
            destination=target.destination,
            policy=target.policy,
            endpoint=passage.after.destination,
            endpoint_on_node=None if endpoint is None else endpoint.node == passage.node,
            source_is_node=place is not None and passage.before.source in place.addresses,
            source_is_service=self.is_service(passage.before.source),
            in_interface=None if tap is None else tap.interface,
        )
        return kubeproxy.judge(proxy, packet)

    def is_service(self, address: Address) -> bool:
        """Tell whether an address is inside a Service range."""
        return any(address in network for network in self.plan.service_ranges)


def _target(
    name: str, destination: Destination, policy: TrafficPolicy = TrafficPolicy.CLUSTER
) -> Target:
    return Target(name=name, destination=destination, policy=policy)
