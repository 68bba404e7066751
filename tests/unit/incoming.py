"""The evidence that clients of an ingress leave behind, without a kernel: every packet's way is written
down as the probes of a real lab show it. It knows nothing of checks and verdicts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, ip_address

from dataplane.model.address import Address, Family, family_of
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.ingress import BalancerPlan, IngressWish, TargetType
from dataplane.model.plan import Plan
from dataplane.model.seen import FlowSeen, PacketKind
from dataplane.model.stimulus import Endpoint, Outcome, Reach, Resolve, Stimulus
from dataplane.planning.plan import plan as make_plan
from dataplane.rules.proxyprotocol import header_length
from tests.unit.handshakes import MS, Seen

REQUEST = 60  # octets that a client sends
IP = {Family.IPV4: 20, Family.IPV6: 40}
RANGES = {"nodes": "10.0.2.0/24", "pods": "10.1.0.0/16", "services": "10.0.3.0/24"}


def four_only(**wish) -> Plan:
    """Return the plan of an IPv4 cluster behind a dual-stack ingress; balancers send to pods."""
    ranges = {
        kind: (RangeWish(family=Family.IPV4, strategy=Strategy.CIDR, network=IPv4Network(network)),)
        for kind, network in RANGES.items()
    }
    cluster = Cluster(name="four-only", families=(Family.IPV4,), **ranges)
    return make_plan(cluster, ingress=IngressWish(**{"target": TargetType.IP, **wish}))


@dataclass(kw_only=True)
class Broken:
    """What is broken; balancers and pods by name."""

    deaf: set[tuple[str, Family]] = field(default_factory=set)  # refuse
    mute: set[tuple[str, Family]] = field(default_factory=set)  # take packets and say nothing
    unreachable: set[str] = field(default_factory=set)  # nothing arrives
    empty: set[str] = field(default_factory=set)  # have no backends
    strange: set[str] = field(default_factory=set)  # have backends that do not answer
    silent: set[str] = field(default_factory=set)  # send no PROXY protocol
    plain: set[str] = field(default_factory=set)  # pods that read no PROXY protocol
    cutting: set[str] = field(default_factory=set)  # balancers that end what is silent
    unnamed: set[Address] = field(default_factory=set)  # addresses that are missing in DNS
    named: set[Address] = field(default_factory=set)  # addresses that DNS has beyond the plan
    foreign: set[str] = field(default_factory=set)  # pods that send IPv6


class Comers(Seen):
    """Clients, balancers and pods of a plan, and what the probes saw of them."""

    def __init__(self, plan: Plan, broken: Broken | None = None) -> None:
        assert plan.ingress is not None
        super().__init__(plan)
        self.ingress = plan.ingress
        self.broken = broken or Broken()
        self.turn = 0

    def drive(self, stimuli: Iterable[Stimulus]) -> "Comers":
        for stimulus in stimuli:
            self.stimuli.append(stimulus)
            begin = self.now
            if isinstance(stimulus, Resolve):
                outcome = self._resolve(stimulus)
            elif stimulus.pod in {pod.name for pod in self.plan.pods}:
                outcome = self._leave(stimulus)
            else:
                outcome = self._come(stimulus)
            self.now += MS
            # A kept connection lasts while the next ones come.
            end = self.now + (1_500 * MS if isinstance(stimulus, Reach) and stimulus.pause else 0)
            self.outcomes.append(replace(outcome, started_ns=begin, ended_ns=end))
            self.now += 50 * MS
        return self

    def _addresses(self, family: Family) -> list[Address]:
        planned = [a for b in self.ingress.named for a in b.addresses]
        found = [a for a in planned if a not in self.broken.unnamed] + list(self.broken.named)
        return [a for a in found if family_of(a) is family]

    def _resolve(self, stimulus: Resolve) -> Outcome:
        family = Family.IPV6 if stimulus.type == "AAAA" else Family.IPV4
        found = tuple(map(str, self._addresses(family)))
        error = None if found else "NODATA"
        return _outcome(stimulus.id, error, answers=found)

    def _leave(self, stimulus: Reach) -> Outcome:
        """Let a pod try IPv6: no packet of it, or what a broken one sends."""
        if stimulus.pod in self.broken.foreign:
            target = Endpoint(address=ip_address(stimulus.target), port=stimulus.port)
            own = Endpoint(address=ip_address("2001:db8:bad::2"), port=next(self.ports))
            self.syn([(stimulus.pod, True)], own, target)
        return _outcome(stimulus.id, "ENETUNREACH")

    def _come(self, stimulus: Reach) -> Outcome:
        client = next(c for c in self.ingress.clients if c.name == stimulus.pod)
        try:
            targets = [ip_address(stimulus.target)]
        except ValueError:
            targets = self._addresses(stimulus.family)
        attempts, said = [], {}
        for target in targets:
            own = Endpoint(address=client.address(family_of(target)), port=next(self.ports))
            remote = Endpoint(address=target, port=stimulus.port)
            balancer = next(b for b in self.ingress.balancers if target in b.addresses)
            error, said = self._connect(stimulus, client.name, balancer, own, remote)
            attempts.append((remote, error))
            if error is None:
                break
        error = attempts[-1][1] if attempts else "NODATA"
        return _outcome(stimulus.id, error, attempts=tuple(attempts), **said)

    def _connect(self, stimulus, client: str, balancer: BalancerPlan, own, remote):
        name, family = balancer.name, family_of(remote.address)
        front = f"{name}-front"
        if name in self.broken.unreachable:
            self.syn([(client, True)], own, remote)
            return "TIMEOUT", {}
        way = [(client, True), (front, False)]
        if (name, family) in self.broken.mute:
            self.syn(way, own, remote)
            return "TIMEOUT", {}
        if (name, family) in self.broken.deaf:
            self.syn(way, own, remote, back=PacketKind.TCP_RST)
            return "ECONNREFUSED", {}
        self.syn(way, own, remote, back=PacketKind.TCP_SYN_ACK)
        cut = stimulus.pause and name in self.broken.cutting
        self._flow((front, False), own, remote, REQUEST, 400 if cut else 1)
        if name in self.broken.empty:
            return "EBADMSG", {}
        return self._behind(balancer, own, cut=cut)

    def _behind(self, balancer: BalancerPlan, own: Endpoint, *, cut: bool):
        backend = self.ingress.backends[self.turn % len(self.ingress.backends)]
        self.turn += 1
        via = Endpoint(address=balancer.inside[0], port=next(self.ports))
        pod = next(p for p in self.plan.pods if backend.address in p.addresses)
        back = f"{balancer.name}-back"
        way = [(back, True), (pod.node, False), (pod.name, False)]
        if balancer.name in self.broken.strange:
            self.syn(way[:2], via, backend)
            return "TIMEOUT", {}
        self.syn(way, via, backend, back=PacketKind.TCP_SYN_ACK)
        sends = self.ingress.proxy_protocol and balancer.name not in self.broken.silent
        reads = self.ingress.proxy_protocol and pod.name not in self.broken.plain
        header = header_length(family_of(own.address)) if sends else 0
        self._flow((back, True), via, backend, REQUEST + header, 1)
        if cut:
            return "ECONNRESET", {}
        if sends is not reads:
            return "EBADMSG", {}
        return None, {"local": own, "peer": own if sends else via, "via": via, "server": pod.name}

    def passed(self, tap, leaving, source, destination) -> None:
        if tap in {n.name for n in self.plan.nodes} | {p.name for p in self.plan.pods}:
            self._flow((tap, leaving), source, destination, 0, 0)

    def _flow(self, place, source, destination, payload, lasts_ms) -> None:
        family, packets = family_of(source.address), 4
        self.flows.append(
            FlowSeen(
                tap=place[0],
                leaving=place[1],
                family=family,
                protocol=6,
                source=source.address,
                destination=destination.address,
                source_port=source.port,
                destination_port=destination.port,
                packets=packets,
                bytes=packets * (IP[family] + 32) + 8 + payload,
                first_ns=self.now,
                last_ns=self.now + lasts_ms * MS,
            )
        )


def _outcome(stimulus: str, error: str | None, **more) -> Outcome:
    return Outcome(
        stimulus=stimulus, ok=error is None, error=error, started_ns=0, ended_ns=0, **more
    )
