"""What both ends of a connection leave behind at the probes, without a kernel: every packet's way is
written down as the probes of a real lab show it. It knows nothing of checks and verdicts."""

from itertools import count

from dataplane.model.address import family_of
from dataplane.model.evidence import Evidence, Header
from dataplane.model.plan import Plan
from dataplane.model.seen import FlowSeen, PacketKind, PacketSeen, ProbeReport
from dataplane.model.stimulus import Endpoint, Outcome, Stimulus
from dataplane.planning.topology import topology

MS = 1_000_000


class Seen:
    """What the probes saw of a plan's pods and of who talks to them."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.taps = plan, topology(plan).taps
        self.now, self.ports, self.stamps = 1_000 * MS, count(40_000), count(9_000_000)
        self.packets: list[PacketSeen] = []
        self.flows: list[FlowSeen] = []
        self.stimuli: list[Stimulus] = []
        self.outcomes: list[Outcome] = []

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
            flows=tuple(self.flows),
            packets=tuple(self.packets),
            reports=reports,
        )

    def syn(self, way, source: Endpoint, destination: Endpoint, back=None) -> None:
        """Let a SYN go a way of (tap, leaving), and what it is answered with come back."""
        stamp = next(self.stamps)
        answer = stamp if back is PacketKind.TCP_RST else next(self.stamps)
        self.pass_by(PacketKind.TCP_SYN, stamp, way, source, destination)
        if back is not None:
            returned = [(tap, not leaving) for tap, leaving in reversed(way)]
            self.pass_by(back, answer, returned, destination, source)

    def pass_by(self, kind, stamp, way, source, destination) -> None:
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
            self.passed(tap, leaving, source, destination)

    def passed(self, tap, leaving, source: Endpoint, destination: Endpoint) -> None:
        """Take note of a packet that passed a tap just now; nothing by default."""
