"""bpf(2): the few commands that BCC has no words for, as the kernel's header `linux/bpf.h` lays them out."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum

from dataplane.model.errors import UnsupportedError

_NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_libc = ctypes.CDLL(None, use_errno=True)


class Command(IntEnum):
    """The first argument of bpf(2) (`enum bpf_cmd`)."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    PROG_LOAD = 5
    PROG_TEST_RUN = 10
    PROG_GET_FD_BY_ID = 13
    MAP_GET_FD_BY_ID = 14
    OBJ_GET_INFO_BY_FD = 15
    PROG_QUERY = 16
    RAW_TRACEPOINT_OPEN = 17
    MAP_LOOKUP_BATCH = 24
    MAP_UPDATE_BATCH = 26
    LINK_CREATE = 28
    LINK_GET_FD_BY_ID = 30
    LINK_GET_NEXT_ID = 31
    ENABLE_STATS = 32


def call(command: Command, attributes: bytes | ctypes.Array[ctypes.c_char]) -> int:
    """Call bpf(2) and return its result; OSError otherwise.

    A buffer is updated in place by the commands that answer into their attributes.
    """
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise UnsupportedError(
            "eBPF", needs=f"one of the machines {', '.join(_NUMBERS)}", found=platform.machine()
        )
    buffer = (
        ctypes.create_string_buffer(attributes, len(attributes))
        if isinstance(attributes, bytes)
        else attributes
    )
    result = int(_libc.syscall(number, int(command), buffer, len(buffer)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf({command.name}): {os.strerror(code)}")
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What BPF_PROG_TEST_RUN gave: the last return value (signed) and the mean time of a run in ns."""

    result: int
    duration_ns: int


def dry_run(program: int, frame: bytes, *, repeat: int = 1, context: bytes = b"") -> DryRun:
    """Run a SCHED_CLS or CGROUP_SKB program on an Ethernet frame without any interface.

    `context` is a `struct __sk_buff` (linux/bpf.h) or empty. OSError(EINVAL) when the frame is
    shorter than the link and network headers it announces: the kernel refuses those.
    """
    data = ctypes.create_string_buffer(frame, len(frame))
    skb = ctypes.create_string_buffer(context, len(context)) if context else None
    attributes = ctypes.create_string_buffer(
        struct.pack(
            "=IIIIQQIIIIQQ",
            program,
            0,  # retval
            len(frame),
            0,  # data_size_out: nothing is changed, so nothing is copied back
            ctypes.addressof(data),
            0,
            repeat,
            0,  # duration
            len(context),
            0,
            ctypes.addressof(skb) if skb is not None else 0,
            0,
        )
    )
    call(Command.PROG_TEST_RUN, attributes)
    (result,) = struct.unpack_from("=i", attributes, 4)
    (duration,) = struct.unpack_from("=I", attributes, 36)
    return DryRun(result=result, duration_ns=duration)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramInfo:
    """What the kernel knows of a loaded program: type number, id, name, translated instructions.

    `tag` is a hash of the instructions: equal programs, in whatever process, have equal tags.
    """

    type: int
    id: int
    tag: bytes
    name: str
    instructions: bytes


def program_info(program: int, *, instructions: bool = False) -> ProgramInfo:
    """Ask the kernel about a program (`struct bpf_prog_info`), behind the verifier's rewriting."""
    size = _info(program, b"", 0)
    translated = ctypes.create_string_buffer(struct.unpack_from("=I", size, 20)[0])
    info = _info(program, translated, len(translated)) if instructions else size
    kind, number = struct.unpack_from("=II", info)
    name = info[64:80].split(b"\0", 1)[0].decode("ascii", "replace")
    code = translated.raw if instructions else b""
    return ProgramInfo(type=kind, id=number, tag=info[8:16], name=name, instructions=code)


def _info(program: int, translated: ctypes.Array[ctypes.c_char] | bytes, length: int) -> bytes:
    # in and out: what is not asked for must come as zeros, or the kernel writes to it
    info = ctypes.create_string_buffer(232)
    if length and not isinstance(translated, bytes):
        struct.pack_into("=I", info, 20, length)
        struct.pack_into("=Q", info, 32, ctypes.addressof(translated))
    _ask(program, info)
    return info.raw


def _ask(descriptor: int, info: ctypes.Array[ctypes.c_char]) -> None:
    attributes = struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info))
    call(Command.OBJ_GET_INFO_BY_FD, attributes)


def maps_of(program: int) -> tuple[int, ...]:
    """Return the ids of the maps that a program uses (`nr_map_ids`, `map_ids`)."""
    (count,) = struct.unpack_from("=I", _info(program, b"", 0), 52)
    ids = (ctypes.c_uint32 * max(count, 1))()
    info = ctypes.create_string_buffer(232)
    struct.pack_into("=IQ", info, 52, count, ctypes.addressof(ids))
    _ask(program, info)
    return tuple(ids[:count])


def map_kind(descriptor: int) -> tuple[int, int]:
    """Return the type of a map (`enum bpf_map_type`) and how many entries it has room for."""
    info = ctypes.create_string_buffer(88)
    _ask(descriptor, info)
    kind, _, _, _, entries = struct.unpack_from("=IIIII", info)
    return kind, entries


def program_by_id(number: int) -> int:
    """Return a new descriptor for the program of that id; OSError(ENOENT) when it is gone."""
    return call(Command.PROG_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The programs on a hook, in their order, and the revision that grows with every change."""

    programs: tuple[int, ...]
    revision: int


def attached(target: int, hook: int, *, limit: int = 64) -> Attached:
    """Ask which programs are on a hook: `target` is an interface index or a cgroup descriptor.

    OSError(EINVAL) where the kernel has no such hook (TCX before 6.6).
    """
    ids = (ctypes.c_uint32 * limit)()
    attributes = ctypes.create_string_buffer(
        struct.pack("=IIIIQIIQQQQ", target, hook, 0, 0, ctypes.addressof(ids), limit, 0, 0, 0, 0, 0)
    )
    try:
        call(Command.PROG_QUERY, attributes)
    except OSError as failure:
        if failure.errno == errno.ENOSPC:
            return attached(target, hook, limit=limit * 4)
        raise
    (count,) = struct.unpack_from("=I", attributes, 24)
    (revision,) = struct.unpack_from("=Q", attributes, 56)
    return Attached(programs=tuple(ids[:count]), revision=revision)


def link(program: int, target: int, hook: int, *, flags: int = 0) -> int:
    """Create a BPF link and return its descriptor: what it holds attached goes when it is closed."""
    return call(Command.LINK_CREATE, struct.pack("=IIIIIIQ", program, target, hook, flags, 0, 0, 0))


def raw_tracepoint(program: int, name: str) -> int:
    """Attach a program to a raw tracepoint and return the link's descriptor, as `link` does.

    OSError(ENOENT) where the kernel has no tracepoint of that name.
    """
    called = ctypes.create_string_buffer(name.encode())
    attributes = struct.pack("=QIIQ", ctypes.addressof(called), program, 0, 0)
    return call(Command.RAW_TRACEPOINT_OPEN, attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """How often a program ran while times were taken, how long altogether, how often it could not."""

    runs: int
    nanoseconds: int
    missed: int


def take_run_times() -> int:
    """Have the kernel take the time of every program until the returned descriptor is closed."""
    return call(Command.ENABLE_STATS, struct.pack("=I", 0))


def run_time(program: int) -> RunTime:
    """Ask for a program's times (`struct bpf_prog_info`: run_time_ns, run_cnt, recursion_misses)."""
    nanoseconds, runs, missed = struct.unpack_from("=QQQ", _info(program, b"", 0), 192)
    return RunTime(runs=runs, nanoseconds=nanoseconds, missed=missed)


def links() -> Iterator[tuple[int, int, int]]:
    """Yield (id, type as of `enum bpf_link_type`, program's id) of every BPF link of this machine."""
    number = 0
    while True:
        attributes = ctypes.create_string_buffer(struct.pack("=III", number, 0, 0), 12)
        try:
            call(Command.LINK_GET_NEXT_ID, attributes)
        except OSError as failure:
            if failure.errno == errno.ENOENT:
                return
            raise
        (number,) = struct.unpack_from("=I", attributes, 4)
        with suppress(OSError):  # it went away while we looked
            descriptor = call(Command.LINK_GET_FD_BY_ID, struct.pack("=III", number, 0, 0))
            try:
                info = ctypes.create_string_buffer(64)
                _ask(descriptor, info)
            finally:
                os.close(descriptor)
            kind, _, program = struct.unpack_from("=III", info)
            yield number, kind, program
