"""What tests on real interfaces have in common."""

import select
import time
from contextlib import contextmanager
from pathlib import Path

from probes.watch import Watch


@contextmanager
def watching(*taps, **wishes):
    with Watch.open(taps, lambda name: name, {}, connects=False, **wishes) as watch:
        yield watch


def descriptors():
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def eventually(look, wanted, seconds=5.0):
    """Look until it is as wanted: a packet may still be in a queue of the other CPU."""
    poll, end = select.poll(), time.monotonic() + seconds
    while (found := look()) != wanted and time.monotonic() < end:
        poll.poll(5)
    return found
