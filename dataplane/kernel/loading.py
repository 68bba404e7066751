"""Making maps and loading programs by bpf(2), without a library."""

import ctypes
import errno
import struct
from pathlib import Path

from dataplane.kernel import bpfcall
from dataplane.kernel.bpfcall import Command
from dataplane.kernel.module import Entry, LoadFailedError
from dataplane.model.errors import UnsupportedError

LICENCE = b"GPL"
WORDS = 1 << 20  # octets of the verifier's log
TRIES = 5  # the verifier gives up with EAGAIN where it was interrupted by a signal
NAME = 15  # octets that the kernel keeps of a name


def create_map(  # noqa: PLR0913 - as many as a map has
    name: str, kind: int, *, key: int, value: int, entries: int, flags: int
) -> int:
    """Make a map and return its descriptor; OSError as the kernel gives it.

    UnsupportedError without the right to make any.
    """
    called = name.encode()[:NAME]
    attributes = struct.pack("=IIIIIII16s", kind, key, value, entries, flags, 0, 0, called)
    try:
        return bpfcall.call(Command.MAP_CREATE, attributes)
    except PermissionError as failure:
        raise _no_right(failure) from failure


def load_program(source: Path, entry: Entry, instructions: bytes) -> int:
    """Load a program and return its descriptor.

    LoadFailedError with the verifier's last words; UnsupportedError without the right to load any.
    """
    for _ in range(TRIES):
        try:
            return _load(entry, instructions, None)
        except OSError as failure:
            code, refused = failure.errno, failure
            if code != errno.EAGAIN:
                break
    if code == errno.EPERM:
        raise _no_right(refused) from refused
    log = ctypes.create_string_buffer(WORDS)
    try:
        return _load(entry, instructions, log)
    except OSError as failure:
        words = log.value.decode("utf-8", "replace") or str(failure)
        raise LoadFailedError(source, f"load {entry.name}", words) from failure


def _load(entry: Entry, instructions: bytes, log: ctypes.Array[ctypes.c_char] | None) -> int:
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(LICENCE)
    attributes = struct.pack(
        "=IIQQIIQII16sII",
        int(entry.type),
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
        1 if log is not None else 0,
        len(log) if log is not None else 0,
        ctypes.addressof(log) if log is not None else 0,
        0,  # the kernel's version: asked of kprobes before Linux 5.0
        0,
        entry.name.encode()[:NAME],
        0,
        max(entry.hook, 0),
    )
    return bpfcall.call(Command.PROG_LOAD, attributes)


def _no_right(failure: OSError) -> UnsupportedError:
    return UnsupportedError("eBPF", needs="root, or its right to load programs", found=str(failure))
