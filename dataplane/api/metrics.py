"""OpenMetrics 1.0 text: what a monitoring system wants to know, in few series and escaped labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dataplane import __version__
from dataplane.api.books import Books
from dataplane.api.source import Attempts, Sighted
from dataplane.api.tables import Traffic
from dataplane.model.answer import Answer, RunResult, State
from dataplane.model.problem import Severity
from dataplane.model.seen import ProbeReport
from dataplane.model.topology import Tap

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_ESCAPES = str.maketrans(
    dict.fromkeys((*range(32), *range(127, 160)), "�")  # a terminal would obey them
    | {"\\": r"\\", '"': r"\"", "\n": r"\n"}
)
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True, kw_only=True)
class Metric:
    """A metric family. Samples with equal labels are added up: no series may occur twice."""

    name: str
    type: str
    help: str
    unit: str = ""
    samples: dict[Labels, float] = field(default_factory=dict)

    def add(self, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Add a sample."""
        key = tuple((labels or {}).items())
        self.samples[key] = self.samples.get(key, 0) + value

    def lines(self) -> Iterable[str]:
        """Yield the family's lines; none without a sample."""
        if not self.samples:
            return
        yield f"# TYPE {self.name} {self.type}"
        if self.unit:
            yield f"# UNIT {self.name} {self.unit}"
        yield f"# HELP {self.name} {self.help.translate(_ESCAPES)}"
        suffix = {"counter": "_total", "info": "_info"}.get(self.type, "")
        for labels, value in self.samples.items():
            text = ",".join(f'{name}="{escape(content)}"' for name, content in labels)
            yield (
                f"{self.name}{suffix}{{{text}}} {value}" if text else f"{self.name}{suffix} {value}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that the metrics are made of."""

    answers: tuple[Answer, ...]
    run: RunResult | None
    taps: tuple[Tap, ...]
    traffic: tuple[Traffic, ...]
    attempts: tuple[Attempts, ...]
    sighted: Sighted
    reports: tuple[ProbeReport, ...]
    books: Books
    published: int


def escape(text: str) -> str:
    """Escape a label value; control characters, which no name needs, become U+FFFD."""
    return text.translate(_ESCAPES)


def render(measured: Measured) -> bytes:
    """Return the exposition, its last line `# EOF`."""
    families = [
        *_of_answers(measured),
        *_of_traffic(measured),
        *_of_attempts(measured.attempts),
        *_of_sighted(measured.sighted),
        *_of_reports(measured.reports),
        *_of_books(measured),
    ]
    lines = [line for family in families for line in family.lines()]
    return "\n".join([*lines, "# EOF", ""]).encode(errors="replace")


def _of_answers(measured: Measured) -> list[Metric]:
    build = Metric(name="sixscope_build", type="info", help="The version that answers here.")
    build.add(1, {"version": __version__})
    state = Metric(
        name="sixscope_check_state",
        type="gauge",
        help="1 for the state that the check's answer is in, 0 for the others.",
    )
    looked_at = Metric(
        name="sixscope_check_looked_at",
        type="gauge",
        help="Pieces of evidence from the kernel that the answer rests on.",
    )
    findings = Metric(
        name="sixscope_findings", type="gauge", help="Findings of the check, by severity."
    )
    for answer in measured.answers:
        looked_at.add(answer.looked_at, {"check": answer.check})
        for one in State:
            state.add(int(answer.state is one), {"check": answer.check, "state": one.value})
        for severity in Severity:
            count = sum(finding.severity is severity for finding in answer.findings)
            findings.add(count, {"check": answer.check, "severity": severity.value})
    phases = Metric(
        name="sixscope_phase_seconds",
        type="gauge",
        unit="seconds",
        help="How long each phase of the run took.",
    )
    for phase, seconds in measured.run.timings.items() if measured.run else ():
        phases.add(seconds, {"phase": phase})
    return [build, state, looked_at, findings, phases]


def _of_traffic(measured: Measured) -> list[Metric]:
    """Gauges, not counters: what an evicted flow had counted is not in the table any more."""
    flows = Metric(name="sixscope_flows", type="gauge", help="Flows in the flow table.")
    packets = Metric(
        name="sixscope_flow_packets",
        type="gauge",
        unit="packets",
        help="Packets of the flows in the flow table; evicted flows are no longer in it.",
    )
    octets = Metric(
        name="sixscope_flow_bytes",
        type="gauge",
        unit="bytes",
        help="Octets from the IP header on, of the flows in the flow table.",
    )
    owners = {tap.name: tap.owner for tap in measured.taps}
    for sums in measured.traffic:
        labels = {
            "tap": sums.tap,
            "owner": owners.get(sums.tap, ""),
            "family": sums.family.value,
            "direction": "leaving" if sums.leaving else "arriving",
        }
        flows.add(sums.flows, labels)
        packets.add(sums.packets, labels)
        octets.add(sums.bytes, labels)
    return [flows, packets, octets]


def _of_attempts(attempts: tuple[Attempts, ...]) -> list[Metric]:
    metric = Metric(
        name="sixscope_connect_attempts",
        type="counter",
        help="Attempts of a pod's processes to reach somebody, also those that became no packet.",
    )
    for one in attempts:
        labels = {"owner": one.owner, "family": one.family.value, "result": one.result.value}
        metric.add(one.count, labels)
    return [metric]


def _of_sighted(sighted: Sighted) -> list[Metric]:
    if not sighted.looks:  # nobody follows a node here
        return []
    expected = Metric(
        name="sixscope_expected_family",
        type="gauge",
        help="1 for each family that the node's pods were promised; none where nobody said.",
    )
    for family in sighted.families:
        expected.add(1, {"family": family})
    looks = _counter("sixscope_looks", "Looks at the probes that were finished.")
    looks.add(sighted.looks)
    changes = _counter(
        "sixscope_source_changes",
        "Sources of pods' packets that were another one behind the node, each way once.",
    )
    for (owner, of, designed), count in sighted.changes.items():
        labels = {"owner": owner, "family": of.value, "designed": "yes" if designed else "no"}
        changes.add(count, labels)
    dropped = _counter("sixscope_dropped_packets", "Pods' packets that the kernel gave up.")
    for (owner, reason), packets in sighted.dropped.items():
        dropped.add(packets, {"owner": owner, "reason": reason})
    return [expected, looks, changes, dropped]


def _of_reports(reports: tuple[ProbeReport, ...]) -> list[Metric]:
    counted = _counter("sixscope_probe_counted", "Packets or calls that the probe saw.")
    recorded = _counter("sixscope_probe_recorded", "Entries or events that were kept.")
    evicted = _counter("sixscope_probe_evicted_entries", "Table entries pushed out by newer ones.")
    lost = _counter("sixscope_probe_lost_events", "Events that did not fit the probe's buffer.")
    blind = Metric(
        name="sixscope_probe_blind", type="gauge", help="1 where the probe cannot be trusted."
    )
    for report in reports:
        labels = {"probe": report.probe, "where": report.where, "hook": report.hook}
        counted.add(report.counted, labels)
        recorded.add(report.recorded, labels)
        evicted.add(report.evicted, labels)
        lost.add(report.lost, labels)
        blind.add(int(report.blind is not None), labels)
    return [counted, recorded, evicted, lost, blind]


def _of_books(measured: Measured) -> list[Metric]:
    books = measured.books
    dropped = _counter("sixscope_api_dropped_readers", "Readers let go because they were too slow.")
    dropped.add(books.dropped_streams, {"kind": "events"})
    dropped.add(books.dropped_responses, {"kind": "response"})
    connections = _counter(
        "sixscope_api_refused_connections", "Connections refused because there were too many."
    )
    connections.add(books.refused_connections)
    requests = _counter(
        "sixscope_api_refused_requests", "Requests refused for their method, host, token or body."
    )
    requests.add(books.refused_requests)
    handshakes = _counter("sixscope_api_failed_handshakes", "TLS handshakes that came to nothing.")
    handshakes.add(books.failed_handshakes)
    events = _counter("sixscope_api_events", "Events published to the readers of events.")
    events.add(measured.published)
    readers = Metric(name="sixscope_api_event_readers", type="gauge", help="Readers of events now.")
    readers.add(books.streams)
    return [dropped, connections, requests, handshakes, events, readers]


def _counter(name: str, text: str) -> Metric:
    return Metric(name=name, type="counter", help=text)
