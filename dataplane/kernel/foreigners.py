"""Programs of others on the interfaces of a namespace, and what they do that hides packets from us.

`bpf_redirect_peer` moves a packet into the other namespace of a veth pair, past everything on the host's
end: neither traffic control nor the raw tracepoints there see it (net/core/filter.c, `skb_do_redirect`).
Which helpers a program calls stands in its instructions, as distances from `__bpf_call_base`.
"""

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from dataplane.kernel import bpfcall, symbols
from dataplane.kernel.bpfcall import Command
from dataplane.kernel.clsact import Parent, TrafficControl

BASE, PEER = "__bpf_call_base", "bpf_redirect_peer"
TCX = 46, 47
CALL = 0x85
PROG_ARRAY = 3  # enum bpf_map_type
_INSTRUCTION = struct.Struct("=BBhi")


def attached(indexes: Iterable[int]) -> tuple[int, ...]:
    """Return the ids of all traffic control's programs on interfaces of the calling thread's namespace."""
    found: dict[int, None] = {}
    with TrafficControl() as control:
        for index in indexes:
            for hook in TCX:
                with suppress(OSError):  # no TCX in this kernel
                    found |= dict.fromkeys(bpfcall.attached(index, hook).programs)
            for parent in Parent:
                filters = control.filters(index, parent)
                found |= dict.fromkeys(one.program for one in filters if one.program)
    return tuple(found)


def past_the_host_side(programs: Iterable[int]) -> tuple[str, ...]:
    """Return the names of programs (ids) that bring packets to pods past the host's side, in order.

    Tail calls are followed. A kernel that shows no addresses, even to root, shows none of this.
    """
    programs = tuple(programs)
    distance = _distance() if programs else None
    if distance is None:
        return ()
    found = []
    for number in programs:
        for one in _reached(number):
            with suppress(OSError):  # it has gone meanwhile
                descriptor = bpfcall.program_by_id(one)
                try:
                    info = bpfcall.program_info(descriptor, instructions=True)
                finally:
                    os.close(descriptor)
                if distance in _calls(info.instructions):
                    found.append(f"{info.name} (id {one})")
    return tuple(dict.fromkeys(found))


def _distance() -> int | None:
    """Return how far the helper lies behind what calls are counted from; None when it is not told."""
    wanted = {name: number for number, _, name in symbols.shown() if name in (BASE, PEER)}
    return wanted[PEER] - wanted[BASE] if len(wanted) == 2 else None


def _calls(instructions: bytes) -> Iterator[int]:
    for code, registers, _, immediate in _INSTRUCTION.iter_unpack(instructions):
        if code == CALL and not registers >> 4:
            yield immediate


def _reached(number: int) -> Iterator[int]:
    """Yield a program and all those that its tail calls may lead to, each once (ids)."""
    todo, seen, arrays = [number], {number}, set[int]()
    while todo:
        yield (one := todo.pop())
        for array in _arrays(one) - arrays:
            arrays.add(array)
            fresh = set(_members(array)) - seen
            seen |= fresh
            todo += sorted(fresh)


def _arrays(program: int) -> set[int]:
    """Return the ids of a program's maps; empty when it has gone."""
    try:
        descriptor = bpfcall.program_by_id(program)
    except OSError:
        return set()
    try:
        return set(bpfcall.maps_of(descriptor))
    finally:
        os.close(descriptor)


def _members(array: int) -> Iterator[int]:
    """Yield the ids of the programs in a map for tail calls; nothing for any other map."""
    try:
        descriptor = bpfcall.call(Command.MAP_GET_FD_BY_ID, struct.pack("=III", array, 0, 0))
    except OSError:
        return
    try:
        kind, entries = bpfcall.map_kind(descriptor)
        if kind != PROG_ARRAY:
            return
        key, value = ctypes.c_uint32(), ctypes.c_uint32()
        places = ctypes.addressof(key), ctypes.addressof(value)
        attributes = struct.pack("=IIQQQ", descriptor, 0, *places, 0)
        for number in range(entries):
            key.value = number
            with suppress(OSError):  # an empty place
                bpfcall.call(Command.MAP_LOOKUP_ELEM, attributes)
                yield value.value
    finally:
        os.close(descriptor)
