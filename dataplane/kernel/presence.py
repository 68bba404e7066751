"""Telling whether another process of ours is at work in a network namespace, without leaving a file.

An abstract UNIX socket lives in the network namespace of its process and goes with it, whatever
ends it. That is the very thing to ask before its filters are called left-overs.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "sixscope/"


@contextmanager
def present(what: str) -> Iterator[None]:
    """Be seen by `others(what)` in this thread's network namespace while the body runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sign:
        sign.bind(f"\0{PREFIX}{what}/{os.getpid()}")
        yield


def others(what: str) -> tuple[int, ...]:
    """Return the process ids that are present in this thread's network namespace, ours not among them."""
    begin = f"@{PREFIX}{what}/"
    found = set()
    for line in Path("/proc/thread-self/net/unix").read_text().splitlines():
        name = line.rpartition(" ")[2]
        if name.startswith(begin) and (number := name.removeprefix(begin)).isdigit():
            found.add(int(number))
    return tuple(sorted(found - {os.getpid()}))
