"""Connects: every attempt of a process to reach somebody, and what came of it.

The programs are in `bpf/connects.c`; they hang on control groups. An attempt is an event at the
system call; later events on the same socket say how it ended.
"""

import os
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from dataplane.kernel import bpf, hooks
from dataplane.kernel.bpf import ProgramType
from dataplane.kernel.closing import Closing
from dataplane.kernel.hooks import CgroupHook
from dataplane.model.address import Family
from dataplane.model.seen import ConnectResult, ConnectSeen, ProbeReport
from probes.flows import address

SOURCE = Path(__file__).parent / "bpf" / "connects.c"
SOCKETS = 16_384
EVENT_PAGES = 256  # 1 MiB: 10,000 events
ENTRIES = (
    bpf.Entry(
        name="connect_ipv4", type=ProgramType.CGROUP_SOCK_ADDR, hook=CgroupHook.INET4_CONNECT
    ),
    bpf.Entry(
        name="connect_ipv6", type=ProgramType.CGROUP_SOCK_ADDR, hook=CgroupHook.INET6_CONNECT
    ),
    bpf.Entry(name="sendmsg_ipv4", type=ProgramType.CGROUP_SOCK_ADDR, hook=CgroupHook.UDP4_SENDMSG),
    bpf.Entry(name="sendmsg_ipv6", type=ProgramType.CGROUP_SOCK_ADDR, hook=CgroupHook.UDP6_SENDMSG),
    bpf.Entry(name="outcome", type=ProgramType.SOCK_OPS, hook=CgroupHook.SOCK_OPS),
    bpf.Entry(name="released", type=ProgramType.CGROUP_SOCK, hook=CgroupHook.INET_SOCK_RELEASE),
    bpf.Entry(name="left", type=ProgramType.CGROUP_SKB, hook=CgroupHook.INET_EGRESS),
)
ASKED, CONNECTING, RETRANSMITTED, ESTABLISHED, CLOSED, LEFT, RELEASED = range(1, 8)
CALLS: Mapping[int, Literal["connect", "sendmsg"]] = {1: "connect", 2: "sendmsg"}
ENDS = (ESTABLISHED, CLOSED, LEFT, RELEASED)
MOST = 100_000  # attempts that are kept; older ones are dropped, and reported as evicted
UNREAD = 10_000  # events that may wait, as they came, for the next look
TCP = 6
FIRST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, linux/proc_ns.h
SETTLED_NS = 100_000_000
"""From the system call's hook to the packet takes microseconds; a process that is kept from its CPU
for longer than this looks as if nothing had been sent, until the next look."""


@dataclass(slots=True)
class Attempt:
    """An attempt while its end is awaited. `asked` are the event's fields by name."""

    asked: Mapping[str, Any]
    connecting_ns: int | None = None
    retransmitted_ns: int | None = None
    established_ns: int | None = None
    closed_ns: int | None = None
    expired: bool = False
    left_ns: int | None = None
    released: bool = False
    superseded: bool = False

    def take(self, kind: int, event: Mapping[str, Any]) -> None:
        """Take a later event on the same socket."""
        now = event["time_ns"]
        if kind == CONNECTING:
            self.connecting_ns = now
        elif kind == RETRANSMITTED:
            self.retransmitted_ns, self.expired = now, bool(event["expired"])
        elif kind == ESTABLISHED:
            self.established_ns = now
        elif kind == CLOSED:
            self.closed_ns, self.expired = now, self.expired and not event["answered"]
        elif kind == LEFT:
            self.left_ns = now
        elif kind == RELEASED:
            self.released = True

    def result(self, now: int) -> tuple[ConnectResult, int | None]:
        """Return how it ended as far as is known at `now`, and when (ns), None where nobody knows."""
        if self.asked["protocol"] == TCP:
            return self._stream(now)
        if self.left_ns is not None:
            return ConnectResult.SENT, self.left_ns
        # a connected datagram socket may send at any time; one that was given an address has done so
        over = self.asked["call"] != 1 and self._settled(now)
        if self.released or self.superseded or over:
            return ConnectResult.UNSENT, None
        return ConnectResult.PENDING, None

    def _stream(self, now: int) -> tuple[ConnectResult, int | None]:
        if self.established_ns is not None:
            return ConnectResult.ESTABLISHED, self.established_ns
        if self.closed_ns is not None:
            # without an answer, and before the kernel gave up, it was an ICMP error: a "no", too
            end = ConnectResult.TIMED_OUT if self.expired else ConnectResult.REFUSED
            return end, self.closed_ns
        if self.connecting_ns is None:
            over = self.released or self.superseded or self._settled(now)
            return (ConnectResult.UNSENT if over else ConnectResult.PENDING), None
        if self.released or self.superseded or self.retransmitted_ns is not None:
            return ConnectResult.TIMED_OUT, self.retransmitted_ns
        return ConnectResult.PENDING, None

    def _settled(self, now: int) -> bool:
        return bool(now - self.asked["time_ns"] > SETTLED_NS)


class Connects(Closing):
    """The programs, linked to control groups, and the attempts that they have reported."""

    def __init__(self, module: bpf.Module, owners: Mapping[str, Path], *, most: int = MOST) -> None:
        self.module = module
        self._owners = dict(owners)
        self._cookies: dict[int, str] = {}
        self._groups: dict[int, str] = {}
        self._layout = module.layout("events_layout")
        self._events = threading.RLock()  # one thread consumes, another one may read
        self._raw: list[bytes] = []
        self._attempts: deque[Attempt] = deque(maxlen=most)
        self._asked = self._handed = 0
        self._latest: dict[int, Attempt] = {}
        self._links = ExitStack()
        self._blind: str | None = None if owners else "no control group was given to watch"
        self.ring = module.ring("events", self._take)

    @classmethod
    def open(cls, owners: Mapping[str, Path], *, most: int = MOST) -> Self:
        """Load the programs and link them to the control group of every owner (version 2 only).

        A group below another one of these gets no link of its own: it would be seen twice. What
        the kernel does not let us link makes the report blind; errors of loading are raised.
        """
        module, foreign_pids = _load()
        probe = cls(module, owners, most=most)
        probe._blind = probe._blind or foreign_pids
        try:
            probe._attach()
        except BaseException:
            probe.close()
            raise
        return probe

    def _attach(self) -> None:
        for path in _roots(self._owners.values()):
            try:
                for entry in ENTRIES:
                    program = self.module.program(entry.name)
                    link = hooks.attach_cgroup(program, path, CgroupHook(entry.hook))
                    self._links.callback(link.close)
            except OSError as failure:
                self._blind = f"{path}: {failure.strerror or failure}"

    def _take(self, event: bytes) -> None:
        with self._events:
            self._raw.append(event)
            if len(self._raw) >= UNREAD:
                self._digest()

    def know(self, cookie: int, owner: str) -> None:
        """Attribute a network namespace (SO_NETNS_COOKIE), where the control group says nothing."""
        self._cookies[cookie] = owner

    def read(self) -> tuple[ConnectSeen, ...]:
        """Return every attempt so far, in the order in which they were made."""
        self._digest()
        now = time.monotonic_ns()
        return tuple(self._seen(attempt, now) for attempt in list(self._attempts))

    def take(self, *, last: bool = False) -> tuple[ConnectSeen, ...]:
        """Return the attempts that have ended, and forget them; with `last` the pending ones, too.

        For those who follow a machine for a long time. `read` does not return them any more.
        """
        with self._events:
            self._digest()
            now = time.monotonic_ns()
            ended: list[Attempt] = []
            waiting: list[Attempt] = []
            for attempt in self._attempts:
                pending = attempt.result(now)[0] is ConnectResult.PENDING
                (waiting if pending and not last else ended).append(attempt)
            self._attempts.clear()
            self._attempts.extend(waiting)
            self._handed += len(ended)
        return tuple(self._seen(attempt, now) for attempt in ended)

    def reports(self) -> tuple[ProbeReport, ...]:
        """Return the one report of this probe; `evicted` are attempts that nobody read in time."""
        self._digest()
        books = self.module.table("books").sums(struct.pack("=I", 0))
        return (
            ProbeReport(
                probe="connects",
                where="cgroup",
                hook="cgroup-link",
                counted=books["calls"],
                recorded=books["recorded"],
                evicted=self._asked - self._handed - len(self._attempts),
                lost=books["lost"],
                blind=self._blind,
            ),
        )

    def close(self) -> None:
        """Take the links away, and unload."""
        self._links.close()
        self.module.close()

    def _digest(self) -> None:
        """Turn events into attempts. After its end, a socket's attempt gets no further events."""
        with self._events:
            events, self._raw = self._raw, []
            for data in events:
                self._note(self._layout.unpack(data))

    def _note(self, event: Mapping[str, Any]) -> None:
        kind, socket = event["kind"], event["socket"]
        before = self._latest.get(socket)
        if kind == ASKED:
            if before is not None:
                before.superseded = True
            self._latest[socket] = Attempt(event)
            self._attempts.append(self._latest[socket])
            self._asked += 1
        elif before is not None:
            before.take(kind, event)
            if kind in ENDS:
                del self._latest[socket]

    def _seen(self, attempt: Attempt, now: int) -> ConnectSeen:
        asked = attempt.asked
        result, end = attempt.result(now)
        return ConnectSeen(
            time_ns=asked["time_ns"],
            pid=asked["pid"],
            comm=asked["comm"].split(b"\0", 1)[0].decode("utf-8", "backslashreplace"),
            owner=self._owner(asked["cgroup"], asked["netns"]),
            netns_cookie=asked["netns"],
            socket_cookie=asked["socket"],
            call=CALLS[asked["call"]],
            protocol=asked["protocol"],
            family=Family.IPV4 if asked["family"] == 4 else Family.IPV6,
            destination=address(asked["destination"], asked["family"]),
            port=asked["port"],
            result=result,
            latency_ns=None if end is None else end - asked["time_ns"],
        )

    def _owner(self, group: int, cookie: int) -> str | None:
        """Name the owner of a control group: it, or one above it, was given; else by namespace."""
        if group not in self._groups:
            # groups come and go (a pod's containers have their own below it): look again, but
            # once only, because what is gone by now will not be found later either
            self._groups.update(_ids(self._owners))
            self._groups.setdefault(group, "")
        return self._groups.get(group) or self._cookies.get(cookie)


def recipe(*, nested: bool = False) -> bpf.Recipe:
    """Return what is loaded; `nested` tells process ids of another namespace than the first one."""
    return bpf.Recipe(
        source=SOURCE,
        entries=ENTRIES,
        sizes={"SOCKETS": SOCKETS, "EVENT_PAGES": EVENT_PAGES},
        switches={"NESTED": 1} if nested else {},
    )


def _load() -> tuple[bpf.Module, str | None]:
    """Load the programs; say why process ids will not be those that we ourselves see, if so."""
    ours = Path("/proc/self/ns/pid").stat()
    if ours.st_ino == FIRST_PID_NAMESPACE:
        return bpf.prepare(recipe()), None
    try:
        module = bpf.prepare(recipe(nested=True))
    except bpf.LoadFailedError:
        why = "process ids are the host's, not those of our process namespace (needs Linux 6.10)"
        return bpf.prepare(recipe()), why
    # as the kernel packs a device number inside (linux/kdev_t.h)
    device = os.major(ours.st_dev) << 20 | os.minor(ours.st_dev)
    settings = module.table("settings")
    settings.put(settings.key.pack(), settings.value.pack(device=device, inode=ours.st_ino))
    return module, None


def _ids(owners: Mapping[str, Path]) -> Iterator[tuple[int, str]]:
    """Yield the id of every group at and below each owner's: on cgroup2 it is the inode number."""
    for owner, path in sorted(owners.items(), key=lambda item: len(item[1].parts)):
        for directory, _, _ in os.walk(path):
            with suppress(FileNotFoundError):
                yield Path(directory).stat().st_ino, owner


def _roots(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the paths that lie below none of the others."""
    # Not resolved: a mount that is detached has no other name than /proc/PID/fd/N.
    given = {path.absolute() for path in paths}
    for path in sorted(given):
        if not given.intersection(path.parents):
            yield path
