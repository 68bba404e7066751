"""What the packet program costs at raw tracepoints, next to an empty one on the same packets.

BPF_PROG_TEST_RUN does not repeat programs of this type, so real packets pass the loopback device of
a namespace of our own, and the kernel takes the time of both programs (BPF_ENABLE_STATS, which ends
with its descriptor). Its two looks at the clock are in both times: the ratio is what a packet costs
with them, and a little smaller than without. Other traffic of the machine runs through both, too.
"""

import fcntl
import os
import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dataplane.bench.ratio import PAIRS, Row, row
from dataplane.kernel import bpf, bpfcall, hooks, netns
from dataplane.model.topology import Point, Tap
from probes.tracepoints import POINTS, Tracepoints

PACKETS = 20_000  # of one measurement
GOAL = 8.0
EMPTY = "/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\nint empty(void *context) { return 0; }\n"
ADDRESSES = {"IPv6": "::1", "IPv4": "127.0.0.1"}
SIOCSIFFLAGS, IFF_UP = 0x8914, 1  # linux/sockios.h, linux/if.h
PAYLOAD = bytes(range(64))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contest:
    """Our program and an empty one at the same tracepoint."""

    ours: int
    empty: int

    def ratio(self, send: Callable[[], None]) -> float:
        before = [bpfcall.run_time(program) for program in (self.ours, self.empty)]
        send()
        means = []
        for program, then in zip((self.ours, self.empty), before, strict=True):
            now = bpfcall.run_time(program)
            means.append((now.nanoseconds - then.nanoseconds) / (now.runs - then.runs))
        return means[0] / means[1]


def rows() -> Iterator[Row]:
    """Measure packets that are watched, flows and stamps, and packets of interfaces that are not."""
    name = f"sx-bench-{secrets.token_hex(3)}"
    netns.create(name)
    try:
        netns.call(name, _loopback_up)
        with ExitStack() as stack:
            contests = stack.enter_context(_contests(name))
            for family, address in ADDRESSES.items():
                sender = stack.enter_context(_sender(name, address))
                for point, contest in contests["lo"].items():
                    title = f"zero-touch, flows and stamps, {family} UDP, {point}"
                    yield _measured(title, contest, sender)
            for point, contest in contests["other"].items():
                yield _measured(f"zero-touch, not watched, {point}", contest, sender)
    finally:
        netns.remove(name)


def _measured(title: str, contest: _Contest, send: Callable[[], None]) -> Row:
    contest.ratio(send)  # caches are warm after this
    return row(title, [contest.ratio(send) for _ in range(PAIRS)], goal=GOAL)


@contextmanager
def _contests(name: str) -> Iterator[dict[str, dict[str, _Contest]]]:
    """Attach everything: one program that watches `lo`, one that watches an interface of no packets."""
    with ExitStack() as stack:
        stack.callback(os.close, bpfcall.take_run_times())
        found: dict[str, dict[str, _Contest]] = {}
        for watched in ("lo", "other"):
            probe = stack.enter_context(Tracepoints.open([_tap(name)], stamping=True))
            where = name if watched == "lo" else stack.enter_context(_elsewhere())
            netns.call(where, probe.attach, _tap(name))
            found[watched] = {
                point: _Contest(
                    ours=probe.module.program(program),
                    empty=stack.enter_context(_empty(point)),
                )
                for program, point in POINTS.items()
            }
        yield found


@contextmanager
def _elsewhere() -> Iterator[str]:
    """Make one more namespace, through whose loopback device nothing passes."""
    name = f"sx-bench-{secrets.token_hex(3)}"
    netns.create(name)
    try:
        yield name
    finally:
        netns.remove(name)


@contextmanager
def _empty(point: str) -> Iterator[int]:
    with TemporaryDirectory() as directory:
        source = Path(directory) / "empty.c"
        source.write_text(EMPTY, encoding="ascii")
        entry = bpf.Entry(name="empty", type=bpf.ProgramType.RAW_TRACEPOINT)
        with bpf.load(source, [entry]) as module:
            program = module.program("empty")
            with hooks.attach_tracepoint(program, point):
                yield program


@contextmanager
def _sender(name: str, address: str) -> Iterator[Callable[[], None]]:
    """Return what sends `PACKETS` datagrams through `lo` to a socket that nobody reads."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def open_both() -> tuple[socket.socket, socket.socket]:
        return socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)

    receiver, sender = netns.call(name, open_both)
    with receiver, sender:
        receiver.bind((address, 0))
        sender.connect(receiver.getsockname()[:2])

        def send() -> None:
            for _ in range(PACKETS):
                sender.send(PAYLOAD)

        yield send


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        fcntl.ioctl(channel, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def _tap(name: str) -> Tap:
    return Tap(
        name="bench",
        namespace=name,
        interface="lo",
        index=1,
        point=Point.POD,
        owner="bench",
        leaving_is_ingress=False,
    )
