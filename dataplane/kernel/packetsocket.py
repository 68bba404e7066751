"""Packets as they pass an interface, copied by a packet socket (packet(7)); nothing is changed.

The kernel hands a socket a copy of every frame that its interface receives or sends, which is what
tcpdump lives on. The socket vanishes with its descriptor.
"""

import ctypes
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from dataplane.kernel import netns
from dataplane.kernel.closing import Closing
from dataplane.model.topology import Tap
from dataplane.model.trace import Captured

ALL_PROTOCOLS = 0x0003  # ETH_P_ALL
OUTGOING = 4  # PACKET_OUTGOING
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 26, 33, 35  # asm-generic/socket.h
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA = 263, 6, 8  # linux/if_packet.h
ROOM = 4 << 20  # octets of a socket's queue
LONGEST = 65_600  # octets of a frame that are kept
MOST = 20_000  # frames that are kept; older ones are given up, and counted
HEAD = 192  # octets that are kept of a frame, where only what opens something is wanted
TIMESPEC = struct.Struct("=qq")
AUXDATA = struct.Struct("=IIIHHHH")  # its second number is the length that the frame had

# Classic BPF (Documentation/networking/filter.rst): opcodes, and where the IP header begins.
LOAD, LOAD_BEHIND, HEADER_LENGTH = 0x30, 0x50, 0xB1
SHIFT, JUMP, EQUAL, ANY_BIT, RETURN = 0x74, 0x05, 0x15, 0x45, 0x06
IP = 0x1_0000_0000 - 0x10_0000  # SKF_NET_OFF, as an unsigned number
KEEP, REJECT = 17, 18  # where the program ends
OPENING: tuple[tuple[int, int, int, int], ...] = (  # opcode, operand, where to if so, and if not
    (LOAD, IP, 0, 0),
    (SHIFT, 4, 0, 0),
    (EQUAL, 4, 10, 3),
    (LOAD, IP + 6, 0, 0),  # IPv6: next header
    (EQUAL, 17, KEEP, 5),
    (EQUAL, 58, KEEP, 6),
    (EQUAL, 44, KEEP, 7),
    (EQUAL, 6, 8, REJECT),
    (LOAD, IP + 40 + 13, 0, 0),
    (JUMP, 16 - 10, 0, 0),
    (LOAD, IP + 9, 0, 0),  # IPv4: protocol
    (EQUAL, 17, KEEP, 12),
    (EQUAL, 1, KEEP, 13),
    (EQUAL, 6, 14, REJECT),
    (HEADER_LENGTH, IP, 0, 0),
    (LOAD_BEHIND, IP + 13, 0, 0),
    (ANY_BIT, 0x06, KEEP, REJECT),  # TCP: SYN, RST
    (RETURN, HEAD, 0, 0),
    (RETURN, 0, 0, 0),
)

Where = Callable[[str], str | Path | int | None]


class PacketSockets(Closing):
    """A packet socket on every tap. Nobody waits on them: `drain` takes what has come.

    With `opening`, only the beginning of what opens or complains is copied: SYN and RST, datagrams,
    ICMP; a connection's segments stay where they are.
    """

    def __init__(self, *, opening: bool) -> None:
        self._opening = opening
        self._sockets: list[tuple[Tap, socket.socket]] = []
        self._frames: deque[Captured] = deque(maxlen=MOST)
        self._taken = 0
        self._lost: dict[str, int] = {}
        self._apart = time.time_ns() - time.monotonic_ns()

    @classmethod
    def open(cls, taps: Sequence[Tap], where: Where, *, opening: bool = False) -> Self:
        """Open a socket per tap, in the tap's namespace (`where`, None: the calling thread's)."""
        opened = cls(opening=opening)
        try:
            for tap in taps:
                target = where(tap.namespace)
                if target is None:
                    opened.join(tap)
                else:
                    netns.call(target, opened.join, tap)
        except BaseException:
            opened.close()
            raise
        return opened

    def join(self, tap: Tap) -> None:
        """Copy from one more tap, in the calling thread's namespace."""
        # Protocol 0: nothing comes before it is bound.
        channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._sockets.append((tap, channel))
        channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        channel.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        channel.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        if self._opening:
            _attach(channel)
        channel.bind((tap.interface, ALL_PROTOCOLS))

    def drain(self) -> None:
        """Take every frame that has come."""
        for tap, channel in self._sockets:
            while (frame := self._receive(tap, channel)) is not None:
                self._frames.append(frame)
                self._taken += 1
            _, dropped = struct.unpack("=II", channel.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            if dropped:  # the kernel begins anew with each reading
                self._lost[tap.name] = self._lost.get(tap.name, 0) + dropped

    def frames(self) -> tuple[Captured, ...]:
        """Return the frames so far, in the order of time."""
        return tuple(sorted(self._frames, key=lambda frame: frame.time_ns))

    def gaps(self) -> tuple[str, ...]:
        """Return what was not kept, in words."""
        found = [
            f"{name}: {number} frames were not captured" for name, number in self._lost.items()
        ]
        given_up = self._taken - len(self._frames)
        return (*found, f"{given_up} captured frames were given up") if given_up else tuple(found)

    def close(self) -> None:
        """Close every socket; what was taken stays."""
        for _, channel in self._sockets:
            channel.close()
        self._sockets.clear()

    def _receive(self, tap: Tap, channel: socket.socket) -> Captured | None:
        try:
            octets, told, _, sender = channel.recvmsg(
                LONGEST, socket.CMSG_SPACE(TIMESPEC.size) + socket.CMSG_SPACE(AUXDATA.size)
            )
        except OSError:  # nothing has come; or its interface has gone, which is told once
            return None
        wall, length = time.time_ns(), len(octets)
        for level, kind, data in told:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = TIMESPEC.unpack_from(data)
                wall = seconds * 1_000_000_000 + nanoseconds
            elif (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                length = AUXDATA.unpack_from(data)[1]
        return Captured(
            tap=tap.name,
            egress=sender[2] == OUTGOING,
            layer=tap.layer,
            time_ns=wall - self._apart,
            wall_ns=wall,
            octets=octets,
            length=length,
        )


def _attach(channel: socket.socket) -> None:
    """Attach the filter `OPENING` (struct sock_fprog)."""
    code = b"".join(
        struct.pack("=HBBI", opcode, yes and yes - at - 1, no and no - at - 1, operand)
        for at, (opcode, operand, yes, no) in enumerate(OPENING)
    )
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", len(OPENING), ctypes.addressof(kept))
    channel.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
