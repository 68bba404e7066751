"""Fallbacks and drops that are faults, as lines for a terminal; not yet printable."""

from collections.abc import Iterator

from dataplane.model.fallback import Fallback
from dataplane.session.dropfindings import DropFinding
from dataplane.session.expecting_text import sides


def lines(told: Fallback | DropFinding) -> Iterator[str]:
    """Yield a line that says what it is about, then one for every side of the finding."""
    if isinstance(told, Fallback):
        who = f"{told.comm}[{told.pid}] in {told.pod}"
        name = told.name or "a host without a known name"
        yield f"FALLBACK {who} to {name}: {told.why}, {told.cost_ms:.1f} ms"
    else:
        who = f"{told.process} in {told.pod}" if told.process else told.pod
        yield f"LOST    {who} at {told.interface}: {told.what}"
    yield from sides(told.finding)
