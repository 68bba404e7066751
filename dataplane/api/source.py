"""What the endpoint reads from, whether a recording or a session that is still running."""

from dataclasses import dataclass
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

    async def flows(self, query: Query) -> Page[FlowSeen]:
        """Return flows; GoneError when the walked snapshot is no longer held."""

    async def traffic(self) -> tuple[Traffic, ...]:
        """Return the sums over the flow table as it is now."""

    async def connects(self, query: Query) -> Page[ConnectSeen]:
        """Return connection attempts, the oldest remembered first."""

    async def reports(self) -> tuple[ProbeReport, ...]:
        """Return the probes' books."""
