"""From the command to the verdict: seconds of a whole `sixscope run default`, against the limit."""

import subprocess
import sys
import time
from collections.abc import Iterator

from dataplane.bench.ratio import PAIRS, Row, row

LIMIT = 20.0  # seconds


def rows(*, runs: int = PAIRS) -> Iterator[Row]:
    """Measure whole runs of the default scenario, each a process of its own."""
    yield row(
        "default scenario, command to verdict",
        [_seconds() for _ in range(runs)],
        goal=LIMIT,
        unit="s",
    )


def _seconds() -> float:
    command = [sys.executable, "-m", "dataplane", "run", "default", "--expect"]
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin
