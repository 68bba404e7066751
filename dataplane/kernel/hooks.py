"""Attach programs: TCX and clsact on interfaces, links on control groups, raw tracepoints.

Links (TCX, cgroup, raw tracepoint) hang on a descriptor and vanish with the process, whatever ends it. What the
kernel offers is found out by trying: TCX came with Linux 6.6 (commit e420bed02507).

Interfaces belong to a namespace, and the kernel looks an index up in the namespace of the calling
*thread*, without a word when it finds a different interface there. So everything here that takes
an interface must run inside its namespace (`dataplane.kernel.netns.call`), and compares the name.
"""

import errno
import os
import socket
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

from dataplane.kernel import bpfcall
from dataplane.kernel.closing import Closing
from dataplane.kernel.clsact import Parent, TrafficControl
from dataplane.model.errors import ProbeRefusedError, UnsupportedError

BPF_F_BEFORE = 8  # without a relative program: the head of the list
Wish = Literal["auto", "tcx", "clsact"]
Kind = Literal["tcx", "clsact", "cgroup-link", "raw-tracepoint"]


class Direction(IntEnum):
    """Which way a packet passes an interface, as the namespace that owns it sees it."""

    INGRESS = 0
    EGRESS = 1

    @property
    def tcx(self) -> int:
        """Return the attach type (`BPF_TCX_INGRESS`, `BPF_TCX_EGRESS`)."""
        return 46 + self

    @property
    def parent(self) -> Parent:
        """Return the half of the clsact qdisc."""
        return Parent.EGRESS if self else Parent.INGRESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A hook on an interface of the calling thread's namespace."""

    interface: str
    index: int
    direction: Direction


class CgroupHook(IntEnum):
    """Where a program goes in a control group (`enum bpf_attach_type`)."""

    INET_EGRESS = 1
    SOCK_OPS = 3
    INET4_CONNECT = 10
    INET6_CONNECT = 11
    UDP4_SENDMSG = 14
    UDP6_SENDMSG = 15
    INET_SOCK_RELEASE = 34


class Attachment(Closing):
    """A program on a hook. Closing it takes the program away; a second time nothing happens."""

    def __init__(self, kind: Kind, where: str) -> None:
        self.kind, self.where = kind, where


class LinkAttachment(Attachment):
    """A BPF link: the kernel takes it away with its last descriptor."""

    def __init__(self, kind: Kind, where: str, descriptor: int) -> None:
        super().__init__(kind, where)
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        """Close the link."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FilterAttachment(Attachment):
    """A clsact filter. It keeps a channel into the namespace, so it can be closed from anywhere."""

    def __init__(self, program: int, place: Place) -> None:
        super().__init__("clsact", place.interface)
        self._index, self._parent = place.index, place.direction.parent
        self._control: TrafficControl | None = TrafficControl()
        self._handle: int | None = None
        self._made_qdisc = False
        try:
            self._made_qdisc = self._control.add_qdisc(self._index)
            self._handle = self._control.add_filter(self._index, self._parent, program)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the filter, and the qdisc when it was made here and nothing is left in it."""
        if self._control is None:
            return
        with self._control as control, suppress(FileNotFoundError), _interface_may_be_gone():
            self._control = None
            if self._handle is not None:
                control.delete_filter(self._index, self._parent, self._handle)
            if self._made_qdisc and not any(
                control.filters(self._index, parent) for parent in Parent
            ):
                control.delete_qdisc(self._index)


@contextmanager
def _interface_may_be_gone() -> Iterator[None]:
    """Forgive ENODEV: what was on an interface goes with it."""
    try:
        yield
    except OSError as failure:
        if failure.errno != errno.ENODEV:
            raise


def attach(program: int, place: Place, *, hook: Wish = "auto") -> Attachment:
    """Put a SCHED_CLS program first on an interface of the calling thread's namespace.

    `auto` takes TCX, and clsact where the kernel has none. UnsupportedError when "tcx" was asked
    for in vain; ProbeRefusedError when the index is another interface here, or when the place at
    the head of clsact belongs to somebody else.
    """
    verify(place)
    if hook != "clsact":
        try:
            link = bpfcall.link(program, place.index, place.direction.tcx, flags=BPF_F_BEFORE)
        except OSError as failure:
            if failure.errno != errno.EINVAL:
                raise ProbeRefusedError(place.interface, str(failure)) from failure
            if hook == "tcx":
                raise UnsupportedError(
                    f"a TCX link on {place.interface}",
                    needs="Linux 6.6 or newer",
                    found=str(failure),
                ) from failure
        else:
            return LinkAttachment("tcx", place.interface, link)
    try:
        return FilterAttachment(program, place)
    except OSError as failure:
        why = f"cannot be the first clsact filter: {failure}"
        raise ProbeRefusedError(place.interface, why) from failure


def verify(place: Place) -> None:
    """Check that an index means that interface in the calling thread's namespace."""
    try:
        found = socket.if_indextoname(place.index)
    except OSError:
        found = "no interface"
    if found != place.interface:
        raise ProbeRefusedError(
            place.interface, f"index {place.index} is {found} in its namespace: it was replaced"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Programs of others on one hook: those that see a packet before ours, and those after."""

    ahead: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()


def foreign(place: Place, ours: Container[bytes]) -> Foreign:
    """Find the programs of others around ours, in the calling thread's namespace.

    `ours` are the tags of our programs (`ProgramInfo.tag`): a second process of this project runs
    the same ones, which return "next" and hide nothing. TCX programs run before clsact filters.
    """
    order: list[tuple[str, bool]] = []
    with suppress(OSError):  # no TCX in this kernel
        for number in bpfcall.attached(place.index, place.direction.tcx).programs:
            name, tag = _identity(number)
            order.append((f"TCX program {name} (id {number})", tag in ours))
    with TrafficControl() as control:
        for entry in control.filters(place.index, place.direction.parent):
            _, tag = _identity(entry.program) if entry.program else ("", b"")
            called = f"{entry.kind} filter {entry.name or entry.handle} (pref {entry.preference})"
            order.append((called, tag in ours))
    first = next((place for place, (_, own) in enumerate(order) if own), len(order))
    return Foreign(
        ahead=tuple(called for called, _ in order[:first]),
        behind=tuple(called for called, own in order[first:] if not own),
    )


def _identity(number: int) -> tuple[str, bytes]:
    """Return the name and the tag of the program of that id; both empty when it is gone."""
    try:
        descriptor = bpfcall.program_by_id(number)
    except OSError:
        return "", b""
    try:
        info = bpfcall.program_info(descriptor)
        return info.name, info.tag
    finally:
        os.close(descriptor)


def attach_cgroup(program: int, group: Path, hook: CgroupHook) -> Attachment:
    """Link a program to a control group, beside those of others. OSError as the kernel gives it."""
    descriptor = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        link = bpfcall.link(program, descriptor, int(hook))
    finally:
        os.close(descriptor)
    return LinkAttachment("cgroup-link", str(group), link)


def attach_tracepoint(program: int, name: str) -> Attachment:
    """Link a program to a raw tracepoint, beside those of others: no device and no namespace has it.

    UnsupportedError where the kernel has no tracepoint of that name, or does not give it away.
    """
    try:
        link = bpfcall.raw_tracepoint(program, name)
    except OSError as failure:
        raise UnsupportedError(
            f"the raw tracepoint {name}",
            needs="Linux 4.17 or newer, and CONFIG_TRACEPOINTS",
            found=str(failure),
        ) from failure
    return LinkAttachment("raw-tracepoint", name, link)
