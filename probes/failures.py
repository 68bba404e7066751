"""Failures: the errno that a socket got of the kernel's own accord, by the socket's cookie.

The program is `bpf/failures.c` at the raw tracepoint inet_sk_error_report (Linux 5.14). It tells a
reset from a router's word, which the attempts of `connects` do not. What `connect` answers at once
is not there.
"""

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from dataplane.kernel import bpf, hooks
from dataplane.kernel.btf import Btf
from dataplane.kernel.closing import Closing
from dataplane.kernel.hooks import Attachment
from dataplane.kernel.limits import require_reading
from dataplane.model.fallback import FailureSeen
from dataplane.model.seen import ProbeReport
from probes.tracepoints import place_of

SOURCE = Path(__file__).parent / "bpf" / "failures.c"
POINT = "inet_sk_error_report"
EVENT_PAGES = 16  # 64 KiB: 2,700 events
MOST = 100_000  # events that are kept; older ones are dropped, and reported as evicted
FIELDS = {
    "SOCK_COOKIE": ("sock", "__sk_common.skc_cookie", 8),
    "SOCK_ERROR": ("sock", "sk_err", 4),
}


def recipe(places: Mapping[str, int]) -> bpf.Recipe:
    """Return what is loaded where the fields lie at `places`."""
    return bpf.Recipe(
        source=SOURCE,
        entries=(bpf.Entry(name="reported", type=bpf.ProgramType.RAW_TRACEPOINT),),
        sizes={"EVENT_PAGES": EVENT_PAGES},
        places=places,
    )


class Failures(Closing):
    """The errors of all sockets of this machine that somebody has asked the cookie of."""

    def __init__(self, module: bpf.Module, *, most: int = MOST) -> None:
        self.module = module
        self._layout = module.layout("failures_layout")
        self._events: deque[bytes] = deque(maxlen=most)
        self._taken = self._handed = 0
        self._link: Attachment | None = None
        self.ring = module.ring("failures", self._take)

    @classmethod
    def open(cls, owners: Mapping[str, object]) -> Self:
        """Load, and watch unless nobody is there to be watched (`owners`).

        UnsupportedError where the kernel has no such tracepoint, tells nothing of its types, or lets
        nobody read its memory (lockdown).
        """
        require_reading("errors of sockets")
        kernel = Btf.of_kernel()
        places = {name: place_of(kernel, *field) for name, field in FIELDS.items()}
        opened = cls(bpf.prepare(recipe(places)))
        try:
            if owners:
                opened._link = hooks.attach_tracepoint(opened.module.program("reported"), POINT)
        except BaseException:
            opened.close()
            raise
        return opened

    def _take(self, event: bytes) -> None:
        self._taken += 1
        self._events.append(event)

    def take(self) -> tuple[FailureSeen, ...]:
        """Return the errors that have come since the last call, and forget them."""
        events = [self._events.popleft() for _ in range(len(self._events))]
        self._handed += len(events)
        fields = map(self._layout.unpack, events)
        return tuple(
            FailureSeen(time_ns=one["time_ns"], socket_cookie=one["socket"], errno=one["error"])
            for one in fields
        )

    def reports(self) -> tuple[ProbeReport, ...]:
        """Return the books; `counted` are errors of sockets without a cookie, too."""
        books = self.module.table("failure_books").sums(bytes(4))
        return (
            ProbeReport(
                probe="failures",
                where=POINT,
                hook="raw-tracepoint" if self._link is not None else "none",
                counted=books["errors"],
                recorded=books["recorded"],
                evicted=self._taken - self._handed - len(self._events),
                lost=books["lost"],
            ),
        )

    def close(self) -> None:
        """Let go of the tracepoint, and unload."""
        if self._link is not None:
            self._link.close()
            self._link = None
        self.module.close()
