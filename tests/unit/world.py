"""A world without a kernel: the evidence that a healthy or broken cluster would leave behind.

It carries the stimuli of all checks through a plan's network, hop by hop, and writes down what the
probes would have seen. It knows nothing of checks and verdicts.
"""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import count

from dataplane.model.address import Address, Family, family_of
from dataplane.model.evidence import Evidence, Header
from dataplane.model.plan import Plan, PodPlan, ServicePlan
from dataplane.model.seen import (
    ConnectResult,
    ConnectSeen,
    FlowSeen,
    PacketKind,
    PacketSeen,
    ProbeReport,
)
from dataplane.model.stimulus import Endpoint, Outcome, Reach, Stimulus, Transport
from dataplane.rules.rfc6052 import embed
from tests.unit import network, readings
from tests.unit.network import DROP, METADATA, REFUSE, Faults, Hop, Network

MS = 1_000_000
HOP_NS = 50_000
REQUESTS = {
    Transport.TCP: (PacketKind.TCP_SYN, PacketKind.TCP_SYN_ACK),
    Transport.UDP: (PacketKind.UDP, PacketKind.UDP),
    Transport.ICMP: (PacketKind.ECHO_REQUEST, PacketKind.ECHO_REPLY),
}
PROTOCOLS = {
    PacketKind.TCP_SYN: (6, 6),
    PacketKind.TCP_SYN_ACK: (6, 6),
    PacketKind.TCP_RST: (6, 6),
    PacketKind.UDP: (17, 17),
    PacketKind.ECHO_REQUEST: (1, 58),
    PacketKind.ECHO_REPLY: (1, 58),
}
TCP_FLAGS = {
    PacketKind.TCP_SYN: 0x02,
    PacketKind.TCP_SYN_ACK: 0x12,
    PacketKind.TCP_RST: 0x04,
}  # RFC 9293 section 3.1


class World:
    """The network of a plan, with faults, and what its probes have seen."""

    def __init__(self, plan: Plan, faults: Faults | None = None, *, alike: bool = False) -> None:
        """With `alike`, all datagrams that answer look the same: one stamp for all of them."""
        self.plan = plan
        self.alike = alike
        self.faults = faults or Faults()
        self.network = Network(plan, self.faults)
        self.taps = self.network.taps
        self.now = 1_000 * MS
        self.ports = count(40_000)
        self.stamps = count(7_000_000)
        self.stimuli: list[Stimulus] = []
        self.outcomes: list[Outcome] = []
        self.passed: list[PacketSeen] = []
        self.carried: dict[tuple, int] = {}  # octets of transfers, by flow
        self.packets: list[PacketSeen] = []
        self.connects: list[ConnectSeen] = []

    def evidence(self) -> Evidence:
        """Return everything that was seen so far, with clean books."""
        header = Header(
            version="0", scenario="test", engine=self.plan.engine, plan=self.plan, taps=self.taps
        )
        reports = [
            ProbeReport(probe=probe, where=tap.name, hook="tcx")
            for probe in ("flows", "stamps")
            for tap in self.taps
        ]
        reports.append(ProbeReport(probe="connects", where="cgroup", hook="cgroup-link"))
        return Evidence(
            header=header,
            stimuli=tuple(self.stimuli),
            outcomes=tuple(self.outcomes),
            flows=tuple(self._flows()),
            packets=tuple(self.packets),
            connects=tuple(self.connects),
            listeners=tuple(readings.listeners(self.plan, self.faults)),
            settings=tuple(readings.settings(self.plan, self.faults, self.taps)),
            routes=tuple(readings.routes(self.plan, self.faults)),
            links=tuple(readings.links(self.plan, self.faults, self.taps)),
            reports=(*reports, *readings.reports(self.plan)),
        )

    def _flows(self) -> list[FlowSeen]:
        flows: dict[tuple, FlowSeen] = {}
        for p in self.passed:
            key = _flow_of(p)
            carried = self.carried.get(key, 0)
            flow = flows.get(key)
            if flow is not None:
                flows[key] = replace(flow, packets=flow.packets + 1, last_ns=p.time_ns)
                continue
            flows[key] = FlowSeen(
                tap=p.tap,
                leaving=p.leaving,
                family=p.family,
                protocol=p.protocol,
                source=p.source,
                destination=p.destination,
                source_port=p.source_port,
                destination_port=p.destination_port,
                packets=1,
                bytes=60 + carried,
                largest=network.full(p.family) if carried else p.length,
                first_ns=p.time_ns,
                last_ns=p.time_ns,
                tcp_flags=TCP_FLAGS.get(p.packet, 0),
            )
        return list(flows.values())

    # --- what is done -----------------------------------------------------------------------

    def drive(self, stimuli: Iterable[Stimulus]) -> "World":
        """Carry stimuli out, one after the other."""
        for stimulus in stimuli:
            self.stimuli.append(stimulus)
            begin = self.now
            if isinstance(stimulus, Reach):
                outcome = self._reach(stimulus)
            else:
                outcome = self._resolve(stimulus)
            self.outcomes.append(replace(outcome, started_ns=begin, ended_ns=self.now))
            self.now += 100 * MS
        return self

    def _reach(self, stimulus: Reach) -> Outcome:
        pod = self.plan.pod(stimulus.pod)
        try:
            targets = [ip_address(stimulus.target)]
        except ValueError:
            targets = self._lookup(pod, stimulus.target)
        attempts = []
        for target in targets:
            error = self.attempt(
                pod, stimulus.transport, target, stimulus.port, octets=stimulus.octets
            )
            attempts.append((Endpoint(address=target, port=stimulus.port), error))
            if error is None:
                break
        error = attempts[-1][1] if attempts else "TIMEOUT"
        return Outcome(
            stimulus=stimulus.id,
            ok=error is None,
            error=error,
            started_ns=0,
            ended_ns=0,
            remote=attempts[-1][0] if attempts and error is None else None,
            attempts=tuple(attempts),
            pid=self._pid(pod),
        )

    def _resolve(self, stimulus) -> Outcome:
        answered = self._ask(self.plan.pod(stimulus.pod))
        error, answers = self.answer(stimulus.name, stimulus.type) if answered else ("TIMEOUT", ())
        return Outcome(
            stimulus=stimulus.id,
            ok=error is None,
            error=error,
            answers=tuple(map(str, answers)),
            started_ns=0,
            ended_ns=0,
        )

    def answer(self, name: str, kind: str) -> tuple[str | None, list[Address]]:
        """Return what the resolver answers."""
        prefix = None
        if self.plan.nat64 and not self.faults.dns64_off:
            prefix = self.faults.dns64 or self.plan.nat64.prefix
        zone = {server.dns_name: server.addresses for server in self.plan.servers}
        zone["ipv4only.arpa"] = (IPv4Address("192.0.0.170"), IPv4Address("192.0.0.171"))
        zone |= {service.dns_name: self._records(service) for service in self.plan.services}
        if name not in zone:
            return "NXDOMAIN", []
        four = [a for a in zone[name] if isinstance(a, IPv4Address)]
        six = [a for a in zone[name] if isinstance(a, IPv6Address)]
        if kind == "A":
            return None, four
        if six or prefix is None:
            return None, six
        return None, [embed(prefix, address) for address in four]

    def _records(self, service: ServicePlan) -> tuple[Address, ...]:
        without = self.faults.without_records
        own = tuple(a for a in service.addresses if family_of(a) not in without)
        return own + self.faults.foreign_records

    def _lookup(self, pod: PodPlan, name: str) -> list[Address]:
        if not self._ask(pod):
            return []
        return self.answer(name, "AAAA")[1] + self.answer(name, "A")[1]

    def _ask(self, pod: PodPlan) -> bool:
        """Ask the resolver, over each family that the pod has until one answers."""
        for own in pod.addresses:
            server = next(a for a in self.plan.dns_addresses if a.version == own.version)
            stamps = (next(self.stamps), next(self.stamps))
            kinds = (PacketKind.UDP, PacketKind.UDP)
            sport = next(self.ports)
            result = self._exchange(pod, kinds, server, 53, sport=sport, stamps=stamps)
            self._connect(pod, 17, server, 53, result=ConnectResult.SENT)
            if result is None:
                return True
            self.now += 1_000 * MS
        return False

    def attempt(
        self, pod: PodPlan, transport: Transport, target: Address, port: int, *, octets: int = 0
    ) -> str | None:
        """Try to reach somebody; return the errno name, None when it worked."""
        stamp = next(self.stamps)
        stamps = (stamp, next(self.stamps) if transport is Transport.TCP else stamp)
        if self.alike and transport is Transport.UDP:
            stamps = (stamp, 4_711)
        sport = next(self.ports) if port else 77
        began = self.now
        result = self._exchange(
            pod, REQUESTS[transport], target, port or 77, sport=sport, stamps=stamps, octets=octets
        )
        ends = {
            None: ConnectResult.ESTABLISHED,
            "TIMEOUT": ConnectResult.TIMED_OUT,
            "ECONNREFUSED": ConnectResult.REFUSED,
            "ENETUNREACH": ConnectResult.UNSENT,
        }
        if result == "TIMEOUT":
            self.now += 1_000 * MS
        if transport is Transport.TCP:
            self._connect(pod, 6, target, port, result=ends[result], began=began)
        elif transport is Transport.UDP:
            unsent = result == "ENETUNREACH"
            end = ConnectResult.UNSENT if unsent else ConnectResult.SENT
            self._connect(pod, 17, target, port, result=end, began=began)
        return result

    def _connect(
        self,
        pod: PodPlan,
        protocol: int,
        target: Address,
        port: int,
        *,
        result: ConnectResult,
        began: int | None = None,
    ) -> None:
        self.connects.append(
            ConnectSeen(
                time_ns=self.now if began is None else began,
                pid=self._pid(pod),
                comm="client",
                owner=pod.name,
                netns_cookie=1,
                socket_cookie=len(self.connects),
                call="connect",
                protocol=protocol,
                family=family_of(target),
                destination=target,
                port=port,
                result=result,
                latency_ns=MS,
            )
        )

    def _pid(self, pod: PodPlan) -> int:
        others = self.plan.neighbour.pods if self.plan.neighbour else ()
        return 1000 + [p.name for p in (*self.plan.pods, *others)].index(pod.name)

    # --- the network ------------------------------------------------------------------------

    def _exchange(
        self,
        pod: PodPlan,
        kinds: tuple[PacketKind, PacketKind],
        target: Address,
        port: int,
        *,
        sport: int,
        stamps: tuple[int, int],
        octets: int = 0,
    ) -> str | None:
        """Send a request and carry the answer back; return the error, None when it came."""
        family = family_of(target)
        if (pod.name, family) in self.faults.unsent:
            return "ENETUNREACH"
        leaks = target == METADATA and pod.name in self.faults.leaking
        clat = self.plan.clat and pod.clat_address and pod.name not in self.faults.without_clat
        if pod.address(family) is None and not leaks and not clat:
            return "ENETUNREACH"
        hops, end = self.network.there(pod, target, port, sport)
        datagram = octets if kinds[0] is PacketKind.UDP else 0
        hops, end = self.network.narrowed(hops, end, datagram)
        self._show(kinds[0], stamps[0], hops, datagram)
        if end == DROP:
            return "TIMEOUT"
        if end == REFUSE:
            refusal = [hop.back() for hop in reversed(hops) if hop.owner == hops[0].owner]
            self._show(PacketKind.TCP_RST, stamps[0], refusal)
            return "ECONNREFUSED"
        deaf = self.network.deaf(hops[-1]) and kinds[0] is not PacketKind.ECHO_REQUEST
        kind = PacketKind.TCP_RST if deaf else kinds[1]
        back, end = self.network.back(hops)
        back, end = self.network.narrowed(back, end, datagram)
        if not deaf or kinds[0] is PacketKind.TCP_SYN:
            self._show(kind, stamps[0] if deaf else stamps[1], back, datagram)
        if end is None and octets and kinds[0] is PacketKind.TCP_SYN and not deaf:
            end = self._transfer(hops, back, octets)
        if end is not None:
            return "TIMEOUT"
        return "ECONNREFUSED" if deaf else None

    def _transfer(self, there: list[Hop], back: list[Hop], octets: int) -> str | None:
        """Let full packets follow a handshake, one way and then the other."""
        for way in (there, back):
            hops, end = self.network.narrowed(way, None, octets)
            for hop in hops:
                packet = hop.packet
                self.carried[(hop.tap, hop.leaving, 6, *_ends_of(packet))] = octets
            if end is not None:
                return end
        return None

    def _show(self, kind: PacketKind, stamp: int, hops: list[Hop], octets: int = 0) -> None:
        """Let the probes see a packet's way; with octets, a datagram that carries as many."""
        for hop in hops:
            self.now += HOP_NS
            family = family_of(hop.packet.source)
            shown, own = (kind, stamp) if hop.inner is None else (PacketKind.UDP, -stamp)
            packet = PacketSeen(
                tap=hop.tap,
                leaving=hop.leaving,
                time_ns=self.now,
                packet=shown,
                stamp=own,
                family=family,
                protocol=PROTOCOLS[shown][family is Family.IPV6],
                source=hop.packet.source,
                destination=hop.packet.destination,
                source_port=hop.packet.source_port,
                destination_port=hop.packet.destination_port,
                length=octets + (28 if family is Family.IPV4 else 48) if octets else 60,
            )
            self.passed.append(packet)
            if not (packet.source.is_link_local or packet.destination.is_link_local):
                self.packets.append(packet)  # what stays on a link gets no stamp


def _ends_of(packet: PacketSeen | network.Packet) -> tuple:
    return (packet.source, packet.destination, packet.source_port, packet.destination_port)


def _flow_of(packet: PacketSeen) -> tuple:
    return (packet.tap, packet.leaving, packet.protocol, *_ends_of(packet))
