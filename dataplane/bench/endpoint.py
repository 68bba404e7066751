"""How long the endpoint's event loop stands still while 100,000 flows are read from the kernel.

The client is a process of its own; the loop's longest gap is taken by a heartbeat on the loop that
serves. Each measurement reads the kernel anew: a page, the metrics, a page of one family.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator

from dataplane.api.live import LiveSource
from dataplane.api.server import serve
from dataplane.api.settings import Settings
from dataplane.api.tables import PagedFlows
from dataplane.bench.programs import fill, tap
from dataplane.bench.ratio import PAIRS, Row, row
from probes.flows import Flows

COUNT, LIMIT_MS, BEAT = 100_000, 50.0, 0.001
PATHS = ("/api/v1/flows?limit=1000", "/metrics", "/api/v1/flows?family=IPv6&limit=1000")
CLIENT = """
import sys, urllib.request
for path in sys.argv[2:]:
    urllib.request.urlopen(sys.argv[1] + path, timeout=30).read()
"""


def rows(*, runs: int = PAIRS) -> Iterator[Row]:
    """Measure; needs root and BCC."""
    with Flows.open([tap()], entries=2 * COUNT) as flows:
        fill(flows, COUNT)
        gaps = asyncio.run(_gaps(flows, runs))
    yield row("event loop's longest gap, 100,000 flows served", gaps, goal=LIMIT_MS, unit="ms")


async def _gaps(flows: Flows, runs: int) -> list[float]:
    source = LiveSource()
    source.describe(plan=None, taps=flows.taps)
    source.watch(flows=lambda: PagedFlows(flows.read()), fresh=0.0)
    async with serve(source, Settings(host="127.0.0.1", port=0)) as endpoint:
        return [await _longest_gap(endpoint.urls[0]) for _ in range(runs)]


async def _longest_gap(url: str) -> float:
    """Return the longest time in ms for which nothing else ran while a client read everything."""
    loop = asyncio.get_running_loop()
    last, longest, over = time.perf_counter(), 0.0, False

    def beat() -> None:
        nonlocal last, longest
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        if not over:
            loop.call_later(BEAT, beat)

    beat()
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, url, *PATHS, stdout=subprocess.DEVNULL
    )
    code = await child.wait()
    over = True
    if code:
        raise RuntimeError(f"the client ended {code}")
    return longest * 1000
