"""What the endpoint reads from, whether a recording or a session that is still running."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dataplane.api.events import Journal
from dataplane.api.paging import Page, Query
from dataplane.api.tables import Traffic
from dataplane.model.address import Family
from dataplane.model.answer import Answer, RunResult
from dataplane.model.plan import Plan
from dataplane.model.seen import ConnectResult, ConnectSeen, FlowSeen, ProbeReport
from dataplane.model.topology import Tap, Topology

OWNERS = 1000  # so that a metric never has more series than this, however many pods come and go
CROWD = "(others)"
Ending = tuple[str, Family, ConnectResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """How many connection attempts of one owner and family ended in one way; "" is nobody known."""

    owner: str
    family: Family
    result: ConnectResult
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighted:
    """The counts at a moment.

    `families` are the promised ones, empty where nobody promised any. `changes` are changed sources by
    owner, family and whether the rule is known and as it should be; `dropped` are packets by owner
    and the kernel's reason.
    """

    families: tuple[str, ...] = ()
    looks: int = 0
    changes: Mapping[tuple[str, Family, bool], int] = field(default_factory=dict)
    dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Source(Protocol):
    """What the endpoint reads. Nothing here may block the loop; what is not there is None or empty."""

    @property
    def journal(self) -> Journal:
        """The events, for readers to subscribe to."""

    def ready(self) -> bool:
        """Return whether what is asked for can be there: the probes are on, or the recording read."""

    def run(self) -> RunResult | None:
        """Return the result, None until there is one."""

    def plan(self) -> Plan | None:
        """Return the plan, None on a node without a manifest."""

    def topology(self) -> Topology | None:
        """Return what the lab built, None where nothing was built."""

    def taps(self) -> tuple[Tap, ...]:
        """Return the interfaces that are watched."""

    def answers(self) -> tuple[Answer, ...]:
        """Return the answers so far, in the order of their checks' names."""

    def attempts(self) -> tuple[Attempts, ...]:
        """Return the connection attempts, counted; at most OWNERS owners, then CROWD."""

    def sighted(self) -> Sighted:
        """Return what a follower has counted of its node; nothing where there is no follower."""

    async def flows(self, query: Query) -> Page[FlowSeen]:
        """Return flows; GoneError when the walked snapshot is no longer held."""

    async def traffic(self) -> tuple[Traffic, ...]:
        """Return the sums over the flow table as it is now."""

    async def connects(self, query: Query) -> Page[ConnectSeen]:
        """Return connection attempts, the oldest remembered first."""

    async def reports(self) -> tuple[ProbeReport, ...]:
        """Return the probes' books."""
