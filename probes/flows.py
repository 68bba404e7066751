"""Flows: every packet that passes a tap, counted per direction and 5-tuple.

The program is `bpf/flows.c`. What the table loses is known: the books of each tap count every
packet and every entry that was made, so that entries made minus entries present were evicted.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from dataplane.kernel import bpf, bpfcall, hooks
from dataplane.kernel.closing import Closing
from dataplane.kernel.hooks import Attachment, Direction, Place, Wish
from dataplane.kernel.maps import Rows
from dataplane.model.address import Address, Family
from dataplane.model.errors import ProbeRefusedError
from dataplane.model.seen import FlowSeen, ProbeReport
from dataplane.model.topology import Point, Tap

SOURCE = Path(__file__).parent / "bpf" / "flows.c"
ENTRIES = 131_072
PACKET_PAGES = 1024  # of the ring buffer of stamped packets: 4 MiB, 58,000 events
ALWAYS = 16
SAMPLE_MASK = 0xFF  # beyond the first ones of a flow, one stamp in 256
SLOTS = 64, 65_536  # fewest and most taps that the books have room for
STEADY_READS = 4
PROGRAMS = {
    (2, Direction.INGRESS): "ethernet_ingress",
    (2, Direction.EGRESS): "ethernet_egress",
    (3, Direction.INGRESS): "bare_ingress",
    (3, Direction.EGRESS): "bare_egress",
}


class Books(NamedTuple):
    """What a tap's program counted, both directions together (`struct books` in flows.c)."""

    packets: int
    octets: int
    inserted: int
    unkept: int
    foreign: int
    broken: int
    stamped: int
    lost: int


class Snapshot:
    """The flow table at a moment, raw; a page of it becomes `FlowSeen` when it is asked for."""

    def __init__(self, rows: Rows, taps: Mapping[int, Tap]) -> None:
        self._rows, self._taps = rows, taps

    def __len__(self) -> int:
        return len(self._rows)

    def page(self, start: int = 0, stop: int | None = None) -> Iterator[FlowSeen]:
        """Yield the flows from `start` up to `stop`, in the table's order (none in particular)."""
        for key, shares in self._rows.page(start, stop):
            yield _flow(key, shares, self._taps[key[2]])

    def per_interface(self) -> Counter[int]:
        """Count the entries of each interface index."""
        return Counter(key[2] for key in self._rows.keys())  # noqa: SIM118 - no mapping: only its keys


class Flows(Closing):
    """The packet program and its table. Taps are told apart by interface index alone."""

    source: ClassVar[Path] = SOURCE
    programs: ClassVar[tuple[bpf.Entry, ...]] = tuple(
        bpf.Entry(name=name, type=bpf.ProgramType.SCHED_CLS) for name in PROGRAMS.values()
    )

    def __init__(self, module: bpf.Module, taps: tuple[Tap, ...], mask: int) -> None:
        self.module, self.taps = module, taps
        self._mask = mask
        self._by_index = {tap.index: tap for tap in taps}
        self._table, self._books = module.table("flows"), module.table("books")
        self._attached: dict[str, list[Attachment]] = {}
        self._blind: dict[str, str] = {}
        self.passed_by: tuple[str, ...] = ()
        """Programs that bring packets to pods past the host side of their interfaces."""
        # Of taps whose place in the books was another one's before, and of those that have gone.
        self._before: dict[str, Books] = {}
        self._closed: dict[str, Books] = {}
        self._tags = frozenset(
            bpfcall.program_info(module.program(name)).tag for name in module.programs
        )

    @classmethod
    def open(
        cls,
        taps: Iterable[Tap],
        *,
        stamping: bool = False,
        names: bool = False,
        entries: int = ENTRIES,
        room: int = 0,
    ) -> Self:
        """Compile and load; nothing is attached yet. `room` is for how many taps the books shall be.

        With `names` DNS messages and ICMP's "unreachable" are handed over beside what is stamped.

        ProbeRefusedError when two taps have one interface index. Errors of `dataplane.kernel.bpf`.
        """
        taps = tuple(taps)
        slots = _slots(taps, room)
        module = bpf.prepare(cls.recipe(entries, slots, cls.places(slots)))
        settings = module.table("settings")
        settings.put(
            settings.key.pack(),
            settings.value.pack(
                tap_mask=slots - 1,
                stamping=int(stamping),
                always=ALWAYS,
                sample_mask=SAMPLE_MASK,
                names=int(names),
            ),
        )
        return cls(module, taps, slots - 1)

    @classmethod
    def recipe(cls, entries: int, slots: int, places: Mapping[str, int]) -> bpf.Recipe:
        """Return what is loaded for a table of so many entries, and books of so many taps."""
        sizes = {"FLOW_ENTRIES": entries, "TAP_SLOTS": slots, "PACKET_PAGES": PACKET_PAGES}
        return bpf.Recipe(source=cls.source, entries=cls.programs, sizes=sizes, places=places)

    @classmethod
    def places(cls, slots: int) -> Mapping[str, int]:  # noqa: ARG003 - others need it
        """Return the numbers of this machine that the instructions have room for."""
        return {}

    def attach(self, tap: Tap, *, hook: Wish = "auto") -> None:
        """Watch a tap, both directions. Call this inside the tap's namespace.

        ProbeRefusedError and UnsupportedError as of `hooks.attach`; then nothing is attached to it.
        """
        mine = self._attached.setdefault(tap.name, [])
        try:
            for direction in Direction:
                program = self.module.program(PROGRAMS[tap.layer, direction])
                mine.append(hooks.attach(program, _place(tap, direction), hook=hook))
        except BaseException:
            self.detach(tap)
            raise

    def join(self, tap: Tap, *, hook: Wish = "auto") -> None:
        """Take one more tap in, and watch it. Call this inside the tap's namespace.

        ProbeRefusedError where its place in the books is that of another tap; else as of `attach`.
        """
        for other in self.taps:
            if other.name not in self._closed and not (other.index ^ tap.index) & self._mask:
                raise ProbeRefusedError(
                    tap.interface, f"its place in the books is that of {other.interface}"
                )
        self._before[tap.name] = self._counted(tap)
        self._by_index[tap.index] = tap  # before the first packet is counted
        self.taps = (*self.taps, tap)
        try:
            self.attach(tap, hook=hook)
        except BaseException:
            self.taps = tuple(known for known in self.taps if known is not tap)
            raise

    def leave(self, tap: Tap) -> None:
        """Let a tap go whose interface is gone; what was counted stays."""
        self.detach(tap)
        self._closed[tap.name] = self.books(tap)

    def tap(self, index: int) -> Tap:
        """Return the tap of an interface; KeyError when there is none."""
        return self._by_index[index]

    def detach(self, tap: Tap) -> None:
        """Stop watching a tap; what was counted stays."""
        for attachment in reversed(self._attached.pop(tap.name, [])):
            attachment.close()

    def examine(self, tap: Tap) -> None:
        """Look for programs of others that make a tap blind. Call this inside its namespace.

        Whoever runs before us may have taken or rewritten packets. Whoever runs after us where
        packets leave the node may rewrite the source, which is then not seen.
        """
        reasons = []
        for direction in Direction:
            try:
                hooks.verify(_place(tap, direction))
            except ProbeRefusedError as failure:
                reasons.append(failure.why)
                break
            found = hooks.foreign(_place(tap, direction), self._tags)
            side = direction.name.lower()
            reasons += [f"{name} runs before the probe at {side}" for name in found.ahead]
            if direction is Direction.EGRESS and tap.point in (Point.UPLINK, Point.EDGE):
                reasons += [f"{name} runs behind the probe at {side}" for name in found.behind]
        if reasons:
            self._blind[tap.name] = "; ".join(reasons)
        else:
            self._blind.pop(tap.name, None)

    def books(self, tap: Tap) -> Books:
        """Return what was counted at a tap, both directions and all CPUs together."""
        if tap.name in self._closed:
            return self._closed[tap.name]
        counted, before = self._counted(tap), self._before.get(tap.name)
        if before is None:
            return counted
        return Books(*(now - then for now, then in zip(counted, before, strict=True)))

    def _counted(self, tap: Tap) -> Books:
        slot = (tap.index & self._mask) * 2
        sums = [self._books.sums(struct.pack("=I", slot + direction)) for direction in Direction]
        return Books(**{name: sum(side[name] for side in sums) for name in Books._fields})

    def read(self) -> Snapshot:
        """Copy the flow table out of the kernel: about 0.03 s for 100,000 flows."""
        return Snapshot(self._table.read(), self._by_index)

    def reports(self) -> tuple[ProbeReport, ...]:
        """Return the books of every tap.

        Evictions are exact when no flow began while the table was read, which is tried a few times;
        otherwise they are an upper bound.
        """
        for _ in range(STEADY_READS):
            before = {tap.name: self.books(tap) for tap in self.taps}
            snapshot = self.read()
            books = {tap.name: self.books(tap) for tap in self.taps}
            if all(before[name].inserted == book.inserted for name, book in books.items()):
                break
        present = snapshot.per_interface()
        return tuple(
            ProbeReport(
                probe="flows",
                where=tap.name,
                hook=self.hook(tap),
                counted=books[tap.name].packets,
                recorded=present[tap.index],
                evicted=max(0, books[tap.name].inserted - present[tap.index]),
                lost=books[tap.name].unkept,
                blind=self.blind(tap),
            )
            for tap in self.taps
        )

    def hook(self, tap: Tap) -> str:
        """Return how a tap is watched: `tcx`, `clsact`, `raw-tracepoint`, or `none`."""
        return next((attachment.kind for attachment in self._attached.get(tap.name, [])), "none")

    def blind(self, tap: Tap) -> str | None:
        """Return why a tap cannot be trusted, None when it can."""
        if tap.name in self._closed:
            return "its interface is gone"
        if tap.name not in self._attached:
            return "not attached"
        reasons = [self._blind[tap.name]] if tap.name in self._blind else []
        if self.passed_by and tap.leaving_is_ingress:
            names = ", ".join(self.passed_by)
            reasons.append(f"{names} brings packets to pods past it (bpf_redirect_peer)")
        return "; ".join(reasons) or None

    def close(self) -> None:
        """Take every program away, and unload."""
        for tap in self.taps:
            self.detach(tap)
        self.module.close()


def address(octets: bytes, family: int) -> Address:
    """Return the address that a key holds (16 octets, IPv4 in the last four)."""
    return IPv4Address(octets[12:]) if family == 4 else IPv6Address(octets)


def leaving(tap: Tap, egress: int) -> bool:
    """Tell whether a packet of that direction leaves the owner of the tap."""
    return tap.leaving_is_ingress != bool(egress)


def _flow(key: tuple[Any, ...], shares: tuple[tuple[Any, ...], ...], tap: Tap) -> FlowSeen:
    source, destination, _, source_port, destination_port, protocol, family, egress, _ = key
    used = [share for share in shares if share[0]]
    columns = zip(*used, strict=True) if used else [(0,)] * 7
    packets, octets, first, last, fragments, flags, lengths = columns
    tcp_flags = 0
    for share in flags:
        tcp_flags |= share
    return FlowSeen(
        tap=tap.name,
        leaving=leaving(tap, egress),
        family=Family.IPV4 if family == 4 else Family.IPV6,
        protocol=protocol,
        source=address(source, family),
        destination=address(destination, family),
        source_port=source_port,
        destination_port=destination_port,
        packets=sum(packets),
        bytes=sum(octets),
        first_ns=min(first),
        # the coarse clock may lie a tick before the exact one that the first packet got
        last_ns=max(*last, *first),
        tcp_flags=tcp_flags,
        fragments=sum(fragments),
        largest=max(lengths),
    )


def _place(tap: Tap, direction: Direction) -> Place:
    return Place(interface=tap.interface, index=tap.index, direction=direction)


def _slots(taps: tuple[Tap, ...], room: int) -> int:
    """Return the smallest power of two, not below `room`, by which all indexes are different."""
    indexes: dict[int, Tap] = {}
    for tap in taps:
        other = indexes.setdefault(tap.index, tap)
        if other is not tap:
            raise ProbeRefusedError(
                tap.interface,
                f"it has index {tap.index}, and so has {other.interface} of {other.name}",
            )
    slots, most = SLOTS
    while slots <= most:
        if slots >= room and len({index % slots for index in indexes}) == len(indexes):
            return slots
        slots *= 2
    names = ", ".join(tap.interface for tap in taps)
    raise ProbeRefusedError(names, f"their indexes do not fit books of {most} places")
