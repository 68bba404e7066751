"""Watch: all probes of a run, attached and read together. Synchronous; the loop lives in the roof."""

import resource
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, Self, TypeVar

from dataplane.kernel import netns
from dataplane.kernel.closing import Closing
from dataplane.kernel.hooks import Wish
from dataplane.model.dns import DnsSeen
from dataplane.model.errors import UnsupportedError
from dataplane.model.fallback import FailureSeen, UnreachableSeen
from dataplane.model.seen import (
    ConnectSeen,
    DhcpSeen,
    DiscoverySeen,
    DropSeen,
    FlowSeen,
    PacketSeen,
    ProbeReport,
    TooBigSeen,
)
from dataplane.model.topology import Point, Tap
from probes import failures
from probes.connects import MOST as ATTEMPTS
from probes.connects import Connects
from probes.drops import POINT, Drops
from probes.failures import Failures
from probes.flows import ENTRIES, Flows, Snapshot
from probes.stamps import MOST as PACKETS
from probes.stamps import Stamps
from probes.tracepoints import Tracepoints

SPARE = 256  # descriptors that are left to the rest of the process
PER_TAP, PER_GROUP = 2, 7
SHARE = 4  # flows for each packet or attempt that waits, where there is little room

Mode = Literal["tc", "zero-touch"]
Where = Callable[[str], str | Path | int | None]
T = TypeVar("T")


class Watch(Closing):
    """Probes on taps and control groups. Everything is taken away again by `close`, or by dying.

    `consume` may be called from any thread; `descriptors` become readable when it has work to do.
    """

    def __init__(self, taps: Sequence[Tap], where: Where) -> None:
        self._taps, self._where = tuple(taps), where
        self._stack = ExitStack()
        self._consuming = threading.Lock()
        self._flows: Flows | None = None
        self._stamps: Stamps | None = None
        self._connects: Connects | None = None
        self._drops: Drops | None = None
        self._failures: Failures | None = None
        self._absent: list[ProbeReport] = []
        self._count = False

    @classmethod
    def open(  # noqa: PLR0913 - the switches have names, and defaults that hardly anybody changes
        cls,
        taps: Sequence[Tap],
        where: Where,
        cgroups: Mapping[str, Path],
        *,
        mode: Mode = "tc",
        hook: Wish = "auto",
        flows: bool = True,
        stamps: bool = True,
        connects: bool = True,
        room: int = 0,
        entries: int = ENTRIES,
        passed_by: Sequence[str] = (),
        drops: Mapping[int, str] | None = None,
        names: bool = False,
    ) -> Self:
        """Load the programs once, and attach them to every tap and control group.

        `where` tells for a tap's namespace what `dataplane.kernel.netns` shall enter (None: the
        one we are in). `cgroups` are the version 2 groups of the owners whose processes are
        watched; `room` is for how many taps there shall be with those that join later, `entries` for
        how many flows. By `mode` packets are seen at traffic control (`hook` says how), or at raw
        tracepoints; `passed_by` are programs that bring packets to pods past the host side, which is
        blind then. With `drops` (owners by the cookies of their namespaces) drops there and at the
        taps are told of, with `names` (and stamps) what forensics needs: DNS messages, ICMP's
        "unreachable" and errors of sockets. Errors:
        UnsupportedError, ProbeRefusedError, LoadFailedError; then nothing stays.
        """
        watch = cls(taps, where)
        _make_room(PER_TAP * len(watch._taps) + PER_GROUP * len(cgroups) + SPARE)
        try:
            if flows or stamps:
                program = Tracepoints if mode == "zero-touch" else Flows
                watch._flows = program.open(
                    watch._taps, stamping=stamps, names=names, entries=entries, room=room
                )
                watch._flows.passed_by = tuple(passed_by)
                watch._count = flows
                watch._stack.callback(watch._flows.close)
                if stamps:
                    watch._stamps = Stamps(watch._flows, most=kept(entries, PACKETS))
                watch._attach(watch._flows, hook)
            if drops is not None:
                watch._open_drops(drops)
            if connects:
                watch._connects = Connects.open(cgroups, most=kept(entries, ATTEMPTS))
                watch._stack.callback(watch._connects.close)
                watch._learn_cookies(watch._connects)
            if names:
                watch._open_failures(cgroups)
        except BaseException:
            watch.close()
            raise
        return watch

    def join(self, tap: Tap, *, hook: Wish = "auto") -> None:
        """Watch one more tap; errors as of `Flows.join`."""
        if self._flows is None:
            return
        _make_room(PER_TAP * (len(self._taps) + 1) + SPARE)
        flows, target = self._flows, self._where(tap.namespace)
        if target is None:
            flows.join(tap, hook=hook)
        else:
            netns.call(target, lambda: flows.join(tap, hook=hook))
        self._taps = (*self._taps, tap)
        self._learn_place(tap)

    def leave(self, tap: Tap) -> None:
        """Let a tap go whose interface is gone; what was seen there stays."""
        self._taps = tuple(known for known in self._taps if known.name != tap.name)
        if self._flows is not None:
            self._flows.leave(tap)

    @property
    def programs(self) -> dict[str, int]:
        """Return the descriptors of the loaded programs, by their names."""
        probes = (self._flows, self._drops, self._connects, self._failures)
        return {
            name: probe.module.program(name)
            for probe in probes
            if probe is not None
            for name in probe.module.programs
        }

    @property
    def _ringed(self) -> tuple[Stamps | Connects | Failures | None, ...]:
        return (self._stamps, self._connects, self._failures)

    @property
    def descriptors(self) -> list[int]:
        """Return the descriptors of the ring buffers, for an event loop to wait on."""
        rings = [probe.ring for probe in self._ringed if probe is not None]
        return [ring.descriptor for ring in rings]

    def consume(self) -> None:
        """Take everything out of the ring buffers; never waits for events."""
        with self._consuming:
            for probe in self._ringed:
                if probe is not None:
                    probe.ring.consume()

    def snapshot(self) -> Snapshot | None:
        """Copy the flow table, to be turned into flows page by page; None without flows.

        About 0.02 s for 100,000 flows and 0.6 s for a million, outside the interpreter's lock: an
        event loop calls this in a thread.
        """
        return self._flows.read() if self._flows is not None and self._count else None

    def flows(self) -> tuple[FlowSeen, ...]:
        """Return every flow in the table."""
        snapshot = self.snapshot()
        return tuple(snapshot.page()) if snapshot is not None else ()

    def each_flow(self) -> Iterator[FlowSeen]:
        """Yield every flow in the table, one made after the other: none but the caller keeps them."""
        snapshot = self.snapshot()
        if snapshot is not None:
            yield from snapshot.page()

    def packets(self) -> tuple[PacketSeen, ...]:
        """Return every stamped packet so far."""
        if self._stamps is None:
            return ()
        self.consume()
        return self._stamps.read()

    def too_big(self) -> tuple[TooBigSeen, ...]:
        """Return every message so far that said "packet too big"."""
        if self._stamps is None:
            return ()
        self.consume()
        return self._stamps.too_big()

    def discoveries(self) -> tuple[DiscoverySeen, ...]:
        """Return every message of neighbour discovery so far."""
        if self._stamps is None:
            return ()
        self.consume()
        return self._stamps.discoveries()

    def dhcp(self) -> tuple[DhcpSeen, ...]:
        """Return every DHCPv6 message so far."""
        if self._stamps is None:
            return ()
        self.consume()
        return self._stamps.dhcp()

    def connects(self) -> tuple[ConnectSeen, ...]:
        """Return every attempt so far."""
        if self._connects is None:
            return ()
        self.consume()
        return self._connects.read()

    def drops(self) -> tuple[DropSeen, ...]:
        """Return what the kernel gave up so far, by tuple, reason and place."""
        return self._drops.read() if self._drops is not None else ()

    def know(self, cookie: int, owner: str) -> None:
        """Tell of drops in the namespace of that cookie, too, or whose it is by now."""
        if self._drops is not None:
            self._drops.know(cookie, owner)

    def take_packets(self) -> tuple[PacketSeen, ...]:
        """Return the stamped packets since the last call, and forget them."""
        if self._stamps is None:
            return ()
        with self._consuming:
            self._stamps.ring.consume()
            return self._stamps.take()

    def take_dns(self) -> tuple[DnsSeen, ...]:
        """Return the DNS messages since the last call, and forget them."""
        if self._stamps is None:
            return ()
        with self._consuming:
            self._stamps.ring.consume()
            return self._stamps.take_dns()

    def take_unreachable(self) -> tuple[UnreachableSeen, ...]:
        """Return the messages that said "unreachable" since the last call, and forget them."""
        if self._stamps is None:
            return ()
        with self._consuming:
            self._stamps.ring.consume()
            return self._stamps.take_unreachable()

    def take_failures(self) -> tuple[FailureSeen, ...]:
        """Return the errors of sockets since the last call, and forget them."""
        if self._failures is None:
            return ()
        self.consume()
        return self._failures.take()

    def take_connects(self, *, last: bool = False) -> tuple[ConnectSeen, ...]:
        """Return the attempts that have ended, and forget them; with `last` the pending ones, too."""
        if self._connects is None:
            return ()
        self.consume()
        return self._connects.take(last=last)

    def reports(self) -> tuple[ProbeReport, ...]:
        """Return the books of every probe at every place, after a look at who else is there."""
        reports: tuple[ProbeReport, ...] = ()
        if self._flows is not None:
            self._examine(self._flows)
            if self._count:
                reports += self._flows.reports()
        for probe in (self._stamps, self._drops, self._connects, self._failures):
            if probe is not None:
                reports += probe.reports()
        return (*reports, *self._absent)

    def close(self) -> None:
        """Take every probe away; a second time nothing happens."""
        self._stack.close()
        self._flows = self._stamps = self._drops = self._connects = self._failures = None

    def _open_drops(self, owners: Mapping[int, str]) -> None:
        """Begin to tell of drops; where that cannot be, the report says why."""
        try:
            self._drops = Drops.open(owners)
        except UnsupportedError as failure:
            self._miss("drops", POINT, failure)
            return
        self._stack.callback(self._drops.close)
        for tap in self._taps:
            self._learn_place(tap)

    def _open_failures(self, owners: Mapping[str, Path]) -> None:
        """Begin to tell of errors of sockets; where that cannot be, the report says why."""
        try:
            self._failures = Failures.open(owners)
        except UnsupportedError as failure:
            self._miss("failures", failures.POINT, failure)
            return
        self._stack.callback(self._failures.close)

    def _miss(self, probe: str, where: str, failure: UnsupportedError) -> None:
        self._absent.append(ProbeReport(probe=probe, where=where, hook="none", blind=str(failure)))

    def _learn_place(self, tap: Tap) -> None:
        drops, target = self._drops, self._where(tap.namespace)
        if drops is None:
            return
        cookie = netns.cookie() if target is None else netns.call(target, netns.cookie)
        drops.know(cookie, tap.owner, index=tap.index, interface=tap.interface)

    def _attach(self, flows: Flows, hook: Wish) -> None:
        def attach_each(taps: list[Tap]) -> None:
            for tap in taps:
                flows.attach(tap, hook=hook)

        self._in_each_namespace(attach_each)

    def _examine(self, flows: Flows) -> None:
        def examine_each(taps: list[Tap]) -> None:
            for tap in taps:
                flows.examine(tap)

        self._in_each_namespace(examine_each)

    def _learn_cookies(self, connects: Connects) -> None:
        """Let a pod's network namespace stand for the pod, where its processes' groups are unknown."""

        def cookie(taps: list[Tap]) -> None:
            owners = {tap.owner for tap in taps if tap.point is Point.POD}
            hosts = any(tap.leaving_is_ingress for tap in taps)
            if len(owners) == 1 and not hosts and (number := netns.cookie()):
                connects.know(number, owners.pop())

        self._in_each_namespace(cookie)

    def _in_each_namespace(self, function: Callable[[list[Tap]], None]) -> None:
        by_namespace: dict[str, list[Tap]] = {}
        for tap in self._taps:
            by_namespace.setdefault(tap.namespace, []).append(tap)
        for namespace, taps in by_namespace.items():
            target = self._where(namespace)
            if target is None:
                function(taps)
            else:
                netns.call(target, function, taps)


def kept(entries: int, most: int) -> int:
    """Return how much of something else is kept where there is room for so many flows: at most `most`.

    Whoever has less room than usual for flows has little for everything.
    """
    return most if entries >= ENTRIES else min(most, entries // SHARE)


def _make_room(descriptors: int) -> None:
    """Raise the soft limit of open files to what the links need, as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = descriptors if hard == resource.RLIM_INFINITY else min(descriptors, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
