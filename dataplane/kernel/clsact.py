"""The clsact qdisc and its bpf filters, by rtnetlink: for kernels without TCX.

What is made here outlives a killed process (tc(8) objects belong to the interface), which is why
every filter carries a name that says whose it is. A foreign filter is never replaced, and a qdisc
is removed only by the one who made it, when nothing is left in it.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from dataplane.kernel.closing import Closing
from dataplane.kernel.rtnetlink import attributes

NAME = "sixscope"
PREFERENCE = 1  # the first to run; a newer handle of one preference runs before an older one

RTM_NEWQDISC, RTM_DELQDISC = 36, 37
RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER = 44, 45, 46
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x300, 0x200, 0x400
TC_H_CLSACT, CLSACT_HANDLE = 0xFFFFFFF1, 0xFFFF0000
TCA_KIND, TCA_OPTIONS = 1, 2
TCA_BPF_FD, TCA_BPF_NAME, TCA_BPF_FLAGS, TCA_BPF_ID = 6, 7, 8, 11
TCA_BPF_FLAG_ACT_DIRECT = 1
ETH_P_ALL = 3
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_TC = struct.Struct("=BxxxiIII")  # struct tcmsg


class Parent(IntEnum):
    """The two halves of a clsact qdisc."""

    INGRESS = 0xFFFFFFF2
    EGRESS = 0xFFFFFFF3


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter that is there. `program` is a BPF program's id, None for other kinds."""

    preference: int
    handle: int
    kind: str
    name: str
    program: int | None

    @property
    def ours(self) -> bool:
        """Tell whether this filter was set by this project, in whatever process."""
        return self.name == NAME


class TrafficControl(Closing):
    """A channel to the traffic control of the namespace in which it is opened, wherever used later."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._sequence = 0

    def close(self) -> None:
        """Close the channel; what was made with it stays."""
        self._socket.close()

    def add_qdisc(self, index: int) -> bool:
        """Make the clsact qdisc of an interface; False when there is one already."""
        try:
            self._change(
                RTM_NEWQDISC,
                NLM_F_CREATE | NLM_F_EXCL,
                _TC.pack(0, index, CLSACT_HANDLE, TC_H_CLSACT, 0)
                + _attribute(TCA_KIND, b"clsact\0"),
            )
        except FileExistsError:
            return False
        return True

    def delete_qdisc(self, index: int) -> None:
        """Remove the clsact qdisc of an interface, with everything in it."""
        message = _TC.pack(0, index, CLSACT_HANDLE, TC_H_CLSACT, 0)
        self._change(RTM_DELQDISC, 0, message + _attribute(TCA_KIND, b"clsact\0"))

    def add_filter(self, index: int, parent: Parent, program: int) -> int:
        """Set a program (a descriptor) as the first filter; return the handle that it got.

        OSError(EINVAL) when something other than bpf filters holds the first preference.
        """
        taken = {entry.handle for entry in self.filters(index, parent)}
        handle = next(number for number in range(2, 0x10000) if number not in taken)
        options = (
            _attribute(TCA_BPF_FD, struct.pack("=I", program))
            + _attribute(TCA_BPF_NAME, f"{NAME}\0".encode())
            + _attribute(TCA_BPF_FLAGS, struct.pack("=I", TCA_BPF_FLAG_ACT_DIRECT))
        )
        self._change(
            RTM_NEWTFILTER,
            NLM_F_CREATE | NLM_F_EXCL,
            _filter(index, parent, handle)
            + _attribute(TCA_KIND, b"bpf\0")
            + _attribute(TCA_OPTIONS, options),
        )
        return handle

    def delete_filter(self, index: int, parent: Parent, handle: int) -> None:
        """Remove the one filter of that handle at our preference."""
        message = _filter(index, parent, handle) + _attribute(TCA_KIND, b"bpf\0")
        self._change(RTM_DELTFILTER, 0, message)

    def filters(self, index: int, parent: Parent) -> tuple[Filter, ...]:
        """List the filters of one half, in the order in which they run; empty without a qdisc."""
        request = _TC.pack(0, index, 0, parent, 0)
        try:
            found = [_read_filter(payload) for payload in self._dump(RTM_GETTFILTER, request)]
        except OSError as failure:
            if failure.errno in (errno.EINVAL, errno.ENOENT, errno.ENODEV):
                return ()
            raise
        # handle 0 is the head of a preference, not a filter
        return tuple(entry for entry in found if entry is not None and entry.handle)

    def sweep(self, index: int) -> tuple[str, ...]:
        """Remove filters that a killed process of ours left on an interface; return their names.

        The qdisc goes, too, when one was removed and nothing is left: empty, it does nothing.
        """
        removed = []
        for parent in Parent:
            for entry in self.filters(index, parent):
                if entry.ours and entry.preference == PREFERENCE:
                    self.delete_filter(index, parent, entry.handle)
                    removed.append(entry.name)
        if removed and not any(self.filters(index, parent) for parent in Parent):
            self.delete_qdisc(index)
        return tuple(removed)

    def _change(self, kind: int, flags: int, payload: bytes) -> None:
        for _ in self._answers(kind, flags | NLM_F_ACK, payload):
            pass

    def _dump(self, kind: int, payload: bytes) -> Iterator[bytes]:
        return self._answers(kind, NLM_F_DUMP, payload)

    def _answers(self, kind: int, flags: int, payload: bytes) -> Iterator[bytes]:
        self._sequence += 1
        length = _HEADER.size + len(payload)
        header = _HEADER.pack(length, kind, flags | NLM_F_REQUEST, self._sequence, 0)
        self._socket.send(header + payload)
        while True:
            data = self._socket.recv(1 << 16)
            at = 0
            while at < len(data):
                size, answer, _, sequence, _ = _HEADER.unpack_from(data, at)
                body = data[at + _HEADER.size : at + size]
                at += (size + 3) & ~3
                if sequence != self._sequence:
                    continue  # the rest of a dump that nobody read to its end
                if answer == NLMSG_DONE:
                    return
                if answer == NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", body)
                    if code:
                        raise OSError(-code, f"rtnetlink({kind}): {os.strerror(-code)}")
                    return
                yield body


def _filter(index: int, parent: Parent, handle: int) -> bytes:
    return _TC.pack(0, index, handle, parent, PREFERENCE << 16 | socket.htons(ETH_P_ALL))


def _attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", len(value) + 4, kind) + value + padding


def _read_filter(payload: bytes) -> Filter | None:
    if len(payload) < _TC.size:
        return None
    _, _, handle, _, info = _TC.unpack_from(payload)
    given = attributes(payload[_TC.size :])
    options = attributes(given.get(TCA_OPTIONS, b""))
    program = options.get(TCA_BPF_ID)
    return Filter(
        preference=info >> 16,
        handle=handle,
        kind=_text(given.get(TCA_KIND, b"")),
        name=_text(options.get(TCA_BPF_NAME, b"")),
        program=struct.unpack("=I", program)[0] if program else None,
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")
