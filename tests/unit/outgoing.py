"""The evidence that pods leave behind which go out by a proxy, without a kernel: every packet's way is
written down as the probes of a real lab show it. It knows nothing of checks and verdicts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import Plan, ServerPlan
from dataplane.model.seen import PacketKind
from dataplane.model.stimulus import Endpoint, Outcome, Reach
from tests.unit.handshakes import MS, Seen
from tests.unit.plans import SERVERS, six_only


def by_proxy() -> Plan:
    """Return the plan of an IPv6-only cluster without NAT64, which has an egress proxy."""
    return replace(six_only(nat64_place=None, egress_proxy=True), nat64=None, servers=SERVERS)


@dataclass(kw_only=True)
class Broken:
    """What is broken about the proxy; families are those of its leg outside."""

    deaf: bool = False  # refuses
    mute: bool = False  # takes packets and says nothing
    unreachable: bool = False  # nothing arrives
    unrouted: set[Family] = field(default_factory=set)  # sends nothing
    swallowed: set[Family] = field(default_factory=set)  # gets no answer
    refused: set[Family] = field(default_factory=set)  # gets an RST
    backwards: bool = False  # tries IPv4 first


class Goers(Seen):
    """Pods of a plan and the proxy that they go out by, and what the probes saw of them."""

    def __init__(self, plan: Plan, **broken) -> None:
        super().__init__(plan)
        self.proxy, self.broken = plan.egress, Broken(**broken)

    def drive(self, stimuli: Iterable[Reach]) -> "Goers":
        for stimulus in stimuli:
            self.stimuli.append(stimulus)
            begin = self.now
            outcome = self._go(stimulus)
            self.now += MS
            self.outcomes.append(replace(outcome, started_ns=begin, ended_ns=self.now))
            self.now += 50 * MS
        return self

    def _go(self, stimulus: Reach) -> Outcome:
        pod = self.plan.pod(stimulus.pod)
        own = Endpoint(address=pod.address(Family.IPV6), port=next(self.ports))
        proxy = Endpoint(address=self.proxy.inside[0], port=self.proxy.port)
        way = [(pod.name, True), (pod.node, True)]
        if self.broken.unreachable:
            self.syn(way, own, proxy)
            return _outcome(stimulus.id, "TIMEOUT", own)
        way.append((f"{self.proxy.name}-inside", False))
        if self.broken.mute:
            self.syn(way, own, proxy)
            return _outcome(stimulus.id, "TIMEOUT", own)
        if self.broken.deaf:
            self.syn(way, own, proxy, PacketKind.TCP_RST)
            return _outcome(stimulus.id, "ECONNREFUSED", own)
        self.syn(way, own, proxy, PacketKind.TCP_SYN_ACK)
        server = next(s for s in self.plan.servers if s.dns_name == stimulus.target)
        peer = self._onward(server)
        return _outcome(stimulus.id, None if peer else "PROXY 500", own, peer=peer)

    def _onward(self, server: ServerPlan) -> Endpoint | None:
        """Let the proxy try a server's addresses; return its own end of what was answered."""
        order = (Family.IPV4, Family.IPV6) if self.broken.backwards else tuple(reversed(Family))
        assert self.broken.backwards or order[0] is Family.IPV6
        tried: list[Address] = [a for f in order for a in server.addresses if family_of(a) is f]
        for address in tried:
            family = family_of(address)
            if family in self.broken.unrouted:
                continue
            own = Endpoint(address=self.proxy.address(family), port=next(self.ports))
            there = Endpoint(address=address, port=server.port)
            back = PacketKind.TCP_SYN_ACK
            if family in self.broken.swallowed:
                back = None
            elif family in self.broken.refused:
                back = PacketKind.TCP_RST
            self.syn([(f"{self.proxy.name}-outside", True)], own, there, back)
            if back is PacketKind.TCP_SYN_ACK:
                return own
        return None


def _outcome(stimulus: str, error: str | None, local: Endpoint, **more) -> Outcome:
    return Outcome(
        stimulus=stimulus,
        ok=error is None,
        error=error,
        started_ns=0,
        ended_ns=0,
        local=local,
        **more,
    )
