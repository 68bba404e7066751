"""Evidence: everything that a judgement rests on. It never holds answers."""

from dataclasses import dataclass

from dataplane.model.plan import Plan
from dataplane.model.seen import (
    AddressSeen,
    ConnectSeen,
    DhcpSeen,
    DiscoverySeen,
    FlowSeen,
    LinkSeen,
    ListenerSeen,
    NeighbourSeen,
    PacketSeen,
    ProbeReport,
    RouteSeen,
    SettingSeen,
    TooBigSeen,
)
from dataplane.model.stimulus import Outcome, Stimulus
from dataplane.model.topology import Tap

SCHEMA = 1
"""The number of the recording's format; when it changes is told in `dataplane.record.lines`."""


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
    too_big: tuple[TooBigSeen, ...] = ()
    discoveries: tuple[DiscoverySeen, ...] = ()
    dhcp: tuple[DhcpSeen, ...] = ()
    connects: tuple[ConnectSeen, ...] = ()
    listeners: tuple[ListenerSeen, ...] = ()
    settings: tuple[SettingSeen, ...] = ()
    routes: tuple[RouteSeen, ...] = ()
    links: tuple[LinkSeen, ...] = ()
    neighbours: tuple[NeighbourSeen, ...] = ()
    addresses: tuple[AddressSeen, ...] = ()
    reports: tuple[ProbeReport, ...] = ()
