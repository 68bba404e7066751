"""Evidence: everything that a judgement rests on. It never holds answers."""

from dataclasses import dataclass

from dataplane.model.plan import Plan
from dataplane.model.seen import ConnectSeen, FlowSeen, PacketSeen, ProbeReport
from dataplane.model.stimulus import Outcome, Stimulus
from dataplane.model.topology import Tap

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a recording: what was watched, and the plan it is judged against.

    `scenario` names what was run, for the report only; faults are never written down here.
    `plan` is None on a node that has no manifest at hand.
    """

    schema: int = SCHEMA
    version: str
    scenario: str
    engine: str
    plan: Plan | None
    taps: tuple[Tap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A whole recording, in memory."""

    header: Header
    stimuli: tuple[Stimulus, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    flows: tuple[FlowSeen, ...] = ()
    packets: tuple[PacketSeen, ...] = ()
    connects: tuple[ConnectSeen, ...] = ()
    reports: tuple[ProbeReport, ...] = ()
