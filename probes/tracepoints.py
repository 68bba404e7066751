"""Tracepoints: the packet program with nothing attached to any device (zero-touch).

The program is `bpf/tracepoints.c`, which is `bpf/flows.c` with other eyes: table, books and events
are the same, so whatever reads `Flows` reads this. It sees packets before traffic control's ingress
and behind its egress, and so also what a foreign program there drops, rewrites or hides.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from dataplane.kernel import bpf, hooks, netlink, netns
from dataplane.kernel.btf import Btf
from dataplane.kernel.hooks import Attachment, Direction, Place
from dataplane.kernel.limits import require_reading
from dataplane.kernel.maps import Table
from dataplane.kernel.rtnetlink import NetlinkError
from dataplane.model.errors import ProbeRefusedError, UnsupportedError
from dataplane.model.topology import Tap
from probes.flows import Flows

SOURCE = Path(__file__).parent / "bpf" / "tracepoints.c"
POINTS: Mapping[str, str] = {"received": "netif_receive_skb", "sent": "net_dev_start_xmit"}
# Kinds of devices to which another one hands packets on without a word at netif_receive_skb
# (`another_round` in net/core/dev.c).
ABOVE = frozenset({"vlan", "bond", "team", "macvlan", "macvtap", "ipvlan", "ipvtap"})
# What the program reads of the kernel: structure, field, and the octets that it takes it for.
PLACES: Mapping[str, tuple[str, str, int]] = {
    "SKB_DEV": ("sk_buff", "dev", 8),
    "SKB_LEN": ("sk_buff", "len", 4),
    "SKB_DATA_LEN": ("sk_buff", "data_len", 4),
    "SKB_HEAD": ("sk_buff", "head", 8),
    "SKB_DATA": ("sk_buff", "data", 8),
    "SKB_END": ("sk_buff", "end", 4),
    "SKB_PROTOCOL": ("sk_buff", "protocol", 2),
    "DEVICE_INDEX": ("net_device", "ifindex", 4),
    "DEVICE_NET": ("net_device", "nd_net.net", 8),
    "NET_COOKIE": ("net", "net_cookie", 8),
    "SHARED_GSO": ("skb_shared_info", "gso_size", 2),
    "SHARED_SEGMENTS": ("skb_shared_info", "gso_segs", 2),
}
# Those of a packet that are read at once; as far apart as this they may be.
TOGETHER = ("SKB_LEN", "SKB_DATA_LEN", "SKB_HEAD", "SKB_DATA", "SKB_END", "SKB_PROTOCOL")
MOST_APART = 256


def places(kernel: Btf) -> dict[str, int]:
    """Find where the fields lie, as `bpf/tracepoints.c` wants to be told.

    UnsupportedError where one is not there, not as long as it is taken for, or too far from others,
    and where no program may read them.
    """
    require_reading("watching at raw tracepoints")
    found = {name: place_of(kernel, *field) for name, field in PLACES.items()}
    if found.pop("SHARED_SEGMENTS") != found["SHARED_GSO"] + 2:
        raise _laid_out("gso_segs behind gso_size in struct skb_shared_info", "another order")
    first = min(found[name] for name in TOGETHER)
    room = max(found[name] + PLACES[name][2] for name in TOGETHER) - first
    if room > MOST_APART:
        raise _laid_out(f"fields of struct sk_buff within {MOST_APART} octets", f"{room} octets")
    return {**found, "SKB_FIRST": first, "SKB_ROOM": room}


def place_of(kernel: Btf, structure: str, path: str, size: int) -> int:
    """Find where a field lies, in octets; UnsupportedError where it is not there, or of another size."""
    field = kernel.field(structure, path)
    if field.size != size:
        raise _laid_out(
            f"a field {path} of struct {structure} that has {size} octets", str(field.size)
        )
    return field.offset


def _laid_out(needs: str, found: str) -> UnsupportedError:
    return UnsupportedError("watching at raw tracepoints", needs=needs, found=found)


def missing() -> str | None:
    """Return why nothing can be watched at raw tracepoints here, None where it can."""
    try:
        kernel = Btf.of_kernel()
        places(kernel)
        for point in POINTS.values():
            kernel.parameters(point)
    except UnsupportedError as failure:
        return str(failure)
    return None


def is_above(index: int) -> bool:
    """Tell whether an interface of the calling thread's namespace is one of `ABOVE`."""
    try:
        return netlink.link(index)["kind"] in ABOVE
    except NetlinkError:
        return False  # it has gone, which others say


class Tracepoints(Flows):
    """The packet program at two raw tracepoints. Taps are told apart by namespace and index."""

    source: ClassVar[Path] = SOURCE
    programs: ClassVar[tuple[bpf.Entry, ...]] = tuple(
        bpf.Entry(name=name, type=bpf.ProgramType.RAW_TRACEPOINT) for name in POINTS
    )

    def __init__(self, module: bpf.Module, taps: tuple[Tap, ...], mask: int) -> None:
        super().__init__(module, taps, mask)
        self._links: list[Attachment] = []
        self._above: set[str] = set()
        self._watched = module.table("watched")

    @classmethod
    def places(cls, slots: int) -> Mapping[str, int]:
        """Return where the kernel's fields lie; UnsupportedError where its BTF does not tell."""
        return {**places(Btf.of_kernel()), "TAP_MASK": slots - 1}

    def attach(self, tap: Tap, *, hook: hooks.Wish = "auto") -> None:  # noqa: ARG002 - there is only one way
        """Watch a tap, both directions. Call this inside the tap's namespace.

        ProbeRefusedError when the index is another interface there; UnsupportedError where the
        kernel has no such tracepoints, or does not tell namespaces apart.
        """
        _verify(tap)
        if is_above(tap.index):
            self._above.add(tap.name)
        cookie = netns.cookie()
        if not cookie:
            raise UnsupportedError(
                "watching at raw tracepoints",
                needs="Linux 5.14 or newer",
                found="no SO_NETNS_COOKIE",
            )
        if not self._links:
            self._begin()
        value = self._watched.value.pack(
            cookie=cookie, index=tap.index, ethernet=int(tap.layer == 2)
        )
        place = self._watched.key.pack(value=tap.index & self._mask)
        self._watched.put(place, value)
        self._attached[tap.name] = [_Entry(self._watched, place, tap.interface)]

    def examine(self, tap: Tap) -> None:
        """Look whether a tap's interface is still the one that was meant; see `Flows.examine`.

        Programs of others at traffic control hide nothing from here.
        """
        self._blind.pop(tap.name, None)
        try:
            _verify(tap)
        except ProbeRefusedError as failure:
            self._blind[tap.name] = failure.why
        else:
            if tap.name in self._above:
                self._blind[tap.name] = "what arrives is seen only at the device below it"

    def close(self) -> None:
        """Let go of the tracepoints, and unload."""
        self._end()
        super().close()

    def _begin(self) -> None:
        try:
            for name, point in POINTS.items():
                self._links.append(hooks.attach_tracepoint(self.module.program(name), point))
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        while self._links:
            self._links.pop().close()


class _Entry(Attachment):
    """A tap among those that the programs look at; it goes with the programs."""

    def __init__(self, table: Table, place: bytes, where: str) -> None:
        super().__init__("raw-tracepoint", where)
        self._table, self._place = table, place

    def close(self) -> None:
        self._table.put(self._place, self._table.value.pack())


def _verify(tap: Tap) -> None:
    place = Place(interface=tap.interface, index=tap.index, direction=Direction.INGRESS)
    hooks.verify(place)
