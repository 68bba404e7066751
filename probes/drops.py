"""Drops: packets that the kernel gave up, with its own reason, the place, and the packet's tuple.

The program is `bpf/drops.c` at the raw tracepoint kfree_skb; nothing is attached to any device. A
reason is the kernel's (`enum skb_drop_reason` of its BTF), a place the function that gave it up.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Self

from dataplane.kernel import bpf, hooks
from dataplane.kernel.btf import Btf
from dataplane.kernel.closing import Closing
from dataplane.kernel.hooks import Attachment
from dataplane.kernel.limits import require_reading
from dataplane.kernel.symbols import Symbols
from dataplane.model.address import Family
from dataplane.model.errors import UnsupportedError
from dataplane.model.seen import DropSeen, ProbeReport
from probes.flows import address
from probes.tracepoints import PLACES, place_of

SOURCE = Path(__file__).parent / "bpf" / "drops.c"
POINT, REASONS, PREFIX = "kfree_skb", "skb_drop_reason", "SKB_DROP_REASON_"
ENTRIES, PLACE_ENTRIES = 16_384, 4_096
FIELDS = {
    **{name: PLACES[name] for name in PLACES if not name.startswith(("SHARED", "SKB_END"))},
    "SKB_NETWORK": ("sk_buff", "network_header", 2),
}


REASON = 2  # which argument the reason is, wherever it is one so far: (skb, location, reason, ...)


def recipe(places: Mapping[str, int], reason: int = REASON) -> bpf.Recipe:
    """Return what is loaded where the fields lie at `places`."""
    return bpf.Recipe(
        source=SOURCE,
        entries=(bpf.Entry(name="dropped", type=bpf.ProgramType.RAW_TRACEPOINT),),
        sizes={"DROP_ENTRIES": ENTRIES, "PLACE_ENTRIES": PLACE_ENTRIES},
        places=places,
        switches={"REASON": reason},
    )


class Drops(Closing):
    """The packets that were dropped in namespaces and on interfaces that are asked for."""

    def __init__(self, module: bpf.Module, reasons: Mapping[int, str]) -> None:
        self.module, self._reasons = module, reasons
        self._table, self._places = module.table("drops"), module.table("dropping")
        self._link: Attachment | None = None
        self._owners: dict[tuple[int, int], tuple[str, str]] = {}

    @classmethod
    def open(cls, owners: Mapping[int, str]) -> Self:
        """Load, and watch the namespaces of these cookies; `owners` says whose each of them is.

        UnsupportedError where the kernel tells no reasons (before Linux 5.17), nothing of its types, or
        lets nobody read its memory (lockdown).
        """
        require_reading("drops")
        kernel = Btf.of_kernel()
        arguments = kernel.parameters(POINT)
        if REASONS not in arguments:
            raise UnsupportedError(
                "reasons of drops", needs="Linux 5.17 or newer", found=f"no {REASONS} at {POINT}"
            )
        places = {name: place_of(kernel, *field) for name, field in FIELDS.items()}
        module = bpf.prepare(recipe(places, arguments.index(REASONS)))
        opened = cls(module, kernel.enumerators(REASONS))
        try:
            for cookie, owner in owners.items():
                opened.know(cookie, owner)
            opened._link = hooks.attach_tracepoint(module.program("dropped"), POINT)
        except BaseException:
            opened.close()
            raise
        return opened

    def know(self, cookie: int, owner: str, *, index: int = 0, interface: str = "") -> None:
        """Look at the drops of a namespace too, or of one interface (`index`) in it."""
        self._owners[cookie, index] = owner, interface
        place = self._places.key.pack(cookie=cookie, index=index)
        self._places.put(place, self._places.value.pack(value=1))

    def read(self) -> tuple[DropSeen, ...]:
        """Return what was dropped so far, by tuple, reason and place; in no particular order."""
        found = []
        for key, ((packets, first, last),) in self._table.read().page():
            source, destination, index, source_port, destination_port = key[:5]
            protocol, family, _, _, reason, location, cookie = key[5:]
            known = self._owners.get((cookie, index)) or self._owners.get((cookie, 0))
            owner, interface = known or ("", "")
            name = self._reasons.get(reason, str(reason))
            found.append(
                DropSeen(
                    owner=owner,
                    interface=interface or str(index),
                    reason=name.removeprefix(PREFIX),
                    place=self._symbols.name(location),
                    family=Family.IPV4 if family == 4 else Family.IPV6,
                    protocol=protocol,
                    source=address(source, family),
                    destination=address(destination, family),
                    source_port=source_port,
                    destination_port=destination_port,
                    packets=packets,
                    first_ns=first,
                    last_ns=last,
                )
            )
        return tuple(found)

    def reports(self) -> tuple[ProbeReport, ...]:
        """Return the books: all places together."""
        books = self.module.table("drop_books").sums(bytes(4))
        return (
            ProbeReport(
                probe="drops",
                where=POINT,
                hook="raw-tracepoint",
                counted=books["packets"],
                recorded=books["packets"] - books["unkept"],
                lost=books["unkept"],
            ),
        )

    def close(self) -> None:
        """Let go of the tracepoint, and unload."""
        if self._link is not None:
            self._link.close()
            self._link = None
        self.module.close()

    @cached_property
    def _symbols(self) -> Symbols:
        return Symbols()
