"""The evidence that pods leave behind which go out by a proxy, without a kernel: every packet's way is
written down as the probes of a real lab show it. It knows nothing of checks and verdicts."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from dataplane.model.address import Address, Family, family_of
from dataplane.model.evidence import Evidence, Header
from dataplane.model.plan import Plan, ServerPlan
from dataplane.model.seen import PacketKind, PacketSeen, ProbeReport
from dataplane.model.stimulus import Endpoint, Outcome, Reach
from dataplane.planning.topology import topology
from tests.unit.plans import SERVERS, six_only

MS = 1_000_000


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


class Goers:
    """Pods of a plan and the proxy that they go out by, and what the probes saw of them."""

    def __init__(self, plan: Plan, **broken) -> None:
        self.plan, self.proxy, self.broken = plan, plan.egress, Broken(**broken)
        self.taps = topology(plan).taps
        self.now, self.ports, self.stamps = 1_000 * MS, count(40_000), count(9_000_000)
        self.packets: list[PacketSeen] = []
        self.stimuli: list[Reach] = []
        self.outcomes: list[Outcome] = []

    def drive(self, stimuli: Iterable[Reach]) -> "Goers":
        for stimulus in stimuli:
            self.stimuli.append(stimulus)
            begin = self.now
            outcome = self._go(stimulus)
            self.now += MS
            self.outcomes.append(replace(outcome, started_ns=begin, ended_ns=self.now))
            self.now += 50 * MS
        return self

    def evidence(self) -> Evidence:
        header = Header(version="0", scenario="t", engine="tayga", plan=self.plan, taps=self.taps)
        reports = tuple(
            ProbeReport(probe=probe, where=tap.name, hook="tcx")
            for probe in ("flows", "stamps")
            for tap in self.taps
        )
        return Evidence(
            header=header,
            stimuli=tuple(self.stimuli),
            outcomes=tuple(self.outcomes),
            packets=tuple(self.packets),
            reports=reports,
        )

    def _go(self, stimulus: Reach) -> Outcome:
        pod = self.plan.pod(stimulus.pod)
        own = Endpoint(address=pod.address(Family.IPV6), port=next(self.ports))
        proxy = Endpoint(address=self.proxy.inside[0], port=self.proxy.port)
        way = [(pod.name, True), (pod.node, True)]
        if self.broken.unreachable:
            self._syn(way, own, proxy)
            return _outcome(stimulus.id, "TIMEOUT", own)
        way.append((f"{self.proxy.name}-inside", False))
        if self.broken.mute:
            self._syn(way, own, proxy)
            return _outcome(stimulus.id, "TIMEOUT", own)
        if self.broken.deaf:
            self._syn(way, own, proxy, PacketKind.TCP_RST)
            return _outcome(stimulus.id, "ECONNREFUSED", own)
        self._syn(way, own, proxy, PacketKind.TCP_SYN_ACK)
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
            self._syn([(f"{self.proxy.name}-outside", True)], own, there, back)
            if back is PacketKind.TCP_SYN_ACK:
                return own
        return None

    def _syn(self, way, source: Endpoint, destination: Endpoint, back=None) -> None:
        stamp = next(self.stamps)
        answer = stamp if back is PacketKind.TCP_RST else next(self.stamps)
        self._pass(PacketKind.TCP_SYN, stamp, way, source, destination)
        if back is not None:
            returned = [(tap, not leaving) for tap, leaving in reversed(way)]
            self._pass(back, answer, returned, destination, source)

    def _pass(self, kind, stamp, way, source, destination) -> None:
        for tap, leaving in way:
            self.now += MS // 50
            self.packets.append(
                PacketSeen(
                    tap=tap,
                    leaving=leaving,
                    time_ns=self.now,
                    packet=kind,
                    stamp=stamp,
                    family=family_of(source.address),
                    protocol=6,
                    source=source.address,
                    destination=destination.address,
                    source_port=source.port,
                    destination_port=destination.port,
                )
            )


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
