"""Maps of a loaded program: layouts as the compiler saw them, batch reads, single elements.

A layout is declared once, in C. What stands here turns it into a `struct.Struct`, so that whole
tables are read as bytes and unpacked by the row.
"""

import ctypes
import errno
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataplane.kernel import bpfcall
from dataplane.kernel.bpfcall import Command

BATCH = 32768  # entries that one system call copies out; a 64-CPU machine needs 84 MB for them
_CODES: Mapping[Any, str] = {
    ctypes.c_bool: "?",
    ctypes.c_char: "c",
    ctypes.c_ubyte: "B",
    ctypes.c_byte: "b",
    ctypes.c_ushort: "H",
    ctypes.c_short: "h",
    ctypes.c_uint: "I",
    ctypes.c_int: "i",
    ctypes.c_ulong: "L",
    ctypes.c_long: "l",
    ctypes.c_ulonglong: "Q",
    ctypes.c_longlong: "q",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A C type: the names of its fields in order (nested ones joined by a dot) and how to unpack it.

    Arrays of octets come as `bytes`; a plain integer has one field called `value`.
    """

    names: tuple[str, ...]
    codec: struct.Struct

    @property
    def size(self) -> int:
        """Return the size of the type in octets."""
        return self.codec.size

    def pack(self, **values: int | bytes) -> bytes:
        """Return a value of the type; fields that are not named are zero."""
        unknown = values.keys() - set(self.names)
        if unknown:
            raise KeyError(f"no such field: {', '.join(sorted(unknown))}")
        zero = dict(zip(self.names, self.codec.unpack(bytes(self.size)), strict=True))
        return self.codec.pack(*(zero | values).values())

    def unpack(self, data: bytes) -> dict[str, Any]:
        """Return the fields of one value by name."""
        return dict(zip(self.names, self.codec.unpack(data), strict=True))


def layout_of(ctype: type) -> Layout:
    """Make a layout of a ctypes type, as BCC decodes it from the compiler's record of a table."""
    names: list[str] = []
    code = "=" + _codes(ctype, "", names)
    codec = struct.Struct(code)
    if codec.size != ctypes.sizeof(ctype):
        raise TypeError(f"{code}: {codec.size} octets, the compiler says {ctypes.sizeof(ctype)}")
    return Layout(names=tuple(names), codec=codec)


def _codes(ctype: Any, name: str, names: list[str]) -> str:  # noqa: ANN401 - ctypes' metaclass has no name
    if issubclass(ctype, ctypes.Structure):
        code, end = "", 0
        for field, kind in ctype._fields_:
            if field.startswith("__pad_"):  # BCC's word for a hole
                continue
            offset = getattr(ctype, field).offset
            code += "x" * (offset - end)
            code += _codes(kind, f"{name}.{field}" if name else field, names)
            end = offset + ctypes.sizeof(kind)
        return code + "x" * (ctypes.sizeof(ctype) - end)
    if issubclass(ctype, ctypes.Array):
        if ctype._type_ not in (ctypes.c_ubyte, ctypes.c_char):
            raise TypeError(f"{name}: an array of something other than octets")
        names.append(name)
        return f"{ctypes.sizeof(ctype)}s"
    if ctype not in _CODES:
        raise TypeError(f"{name}: no code for {ctype}")
    names.append(name or "value")
    # native sizes are meant, "=" has standard ones
    return (
        {"L": "Q", "l": "q"}.get(_CODES[ctype], _CODES[ctype]) if _long_is_64() else _CODES[ctype]
    )


def _long_is_64() -> bool:
    return ctypes.sizeof(ctypes.c_long) == 8


def possible_cpus() -> int:
    """Return how many CPUs the kernel could ever have: per-CPU values come once for each."""
    text = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii").strip()
    return int(text.replace(",", "-").split("-")[-1]) + 1


class Table:
    """A map: `key` and `value` are its layouts; `cpus` is 1 unless each CPU has its own value."""

    def __init__(
        self, descriptor: int, *, key: Layout, value: Layout, capacity: int, per_cpu: bool
    ) -> None:
        self.descriptor, self.key, self.value, self.capacity = descriptor, key, value, capacity
        self.cpus = possible_cpus() if per_cpu else 1
        # per-CPU values are copied out in units of 8 octets (kernel/bpf/hashtab.c)
        self.stride = (value.size + 7) // 8 * 8 if per_cpu else value.size

    def get(self, key: bytes) -> bytes | None:
        """Return the value (all CPUs' values, `stride` octets each), None without such a key."""
        key_buffer = ctypes.create_string_buffer(key, self.key.size)
        value = ctypes.create_string_buffer(self.stride * self.cpus)
        attributes = self._element(key_buffer, value)
        try:
            bpfcall.call(Command.MAP_LOOKUP_ELEM, attributes)
        except OSError as failure:
            if failure.errno == errno.ENOENT:
                return None
            raise
        return value.raw

    def put(self, key: bytes, value: bytes, *, flags: int = 0) -> None:
        """Set a value; of a per-CPU map, the same one for every CPU unless all are given."""
        if self.cpus > 1 and len(value) == self.value.size:
            value = value.ljust(self.stride, b"\0") * self.cpus
        if len(value) != (self.stride * self.cpus if self.cpus > 1 else self.value.size):
            raise ValueError(f"a value of {len(value)} octets, the map wants {self.value.size}")
        buffers = (
            ctypes.create_string_buffer(key, self.key.size),
            ctypes.create_string_buffer(value, len(value)),
        )
        bpfcall.call(Command.MAP_UPDATE_ELEM, self._element(*buffers, flags=flags))

    def put_batch(self, keys: bytes, values: bytes, count: int) -> None:
        """Set `count` values at once; of a per-CPU map all CPUs' values, `stride` octets each."""
        if (len(keys), len(values)) != (count * self.key.size, count * self.stride * self.cpus):
            raise ValueError(f"not {count} keys and values: {len(keys)} and {len(values)} octets")
        buffers = (
            ctypes.create_string_buffer(keys, len(keys)),
            ctypes.create_string_buffer(values, len(values)),
        )
        addresses = (ctypes.addressof(buffer) for buffer in buffers)
        attributes = struct.pack("=QQQQIIQQ", 0, 0, *addresses, count, self.descriptor, 0, 0)
        bpfcall.call(Command.MAP_UPDATE_BATCH, attributes)

    def _element(
        self,
        key: ctypes.Array[ctypes.c_char],
        value: ctypes.Array[ctypes.c_char],
        *,
        flags: int = 0,
    ) -> bytes:
        addresses = ctypes.addressof(key), ctypes.addressof(value)
        return struct.pack("=IIQQQ", self.descriptor, 0, *addresses, flags)

    def sums(self, key: bytes) -> dict[str, int]:
        """Return the fields of a value, added up over the CPUs; zeros without such a key."""
        data = self.get(key) or bytes(self.stride * self.cpus)
        rows = [self.value.codec.unpack_from(data, i * self.stride) for i in range(self.cpus)]
        return dict(
            zip(self.value.names, (sum(column) for column in zip(*rows, strict=True)), strict=True)
        )

    def read(self) -> "Rows":
        """Copy the whole map out of the kernel, in batches: about 0.3 s per million entries.

        The map may change meanwhile; each entry is whole, but the set is not of one instant.
        """
        chunks: list[tuple[int, bytes, bytes]] = []
        chunk, width = min(BATCH, self.capacity), self.stride * self.cpus
        token = ctypes.create_string_buffer(64)
        started = False
        key_buffer = ctypes.create_string_buffer(chunk * self.key.size)
        value_buffer = ctypes.create_string_buffer(chunk * width)
        while True:
            attributes = ctypes.create_string_buffer(
                struct.pack(
                    "=QQQQIIQQ",
                    ctypes.addressof(token) if started else 0,
                    ctypes.addressof(token),
                    ctypes.addressof(key_buffer),
                    ctypes.addressof(value_buffer),
                    chunk,
                    self.descriptor,
                    0,
                    0,
                )
            )
            code = 0
            try:
                bpfcall.call(Command.MAP_LOOKUP_BATCH, attributes)
            except OSError as failure:
                code = failure.errno or 0
                if code == errno.ENOSPC:  # one hash bucket holds more than the chunk
                    chunk *= 2
                    key_buffer = ctypes.create_string_buffer(chunk * self.key.size)
                    value_buffer = ctypes.create_string_buffer(chunk * width)
                    continue
                if code != errno.ENOENT:
                    raise
            (count,) = struct.unpack_from("=I", attributes, 32)
            keys = ctypes.string_at(key_buffer, count * self.key.size)
            chunks.append((count, keys, ctypes.string_at(value_buffer, count * width)))
            if code == errno.ENOENT:
                return Rows(self, chunks)
            started = True


class Rows:
    """A copy of a map, in the chunks in which it came, unpacked where and when it is looked at.

    Nothing here copies the whole, so that a thread that reads a million entries does not keep the
    interpreter from the other threads.
    """

    def __init__(self, table: Table, chunks: list[tuple[int, bytes, bytes]]) -> None:
        self._table, self._chunks = table, chunks

    def __len__(self) -> int:
        return sum(count for count, _, _ in self._chunks)

    def keys(self) -> Iterator[tuple[Any, ...]]:
        """Yield the unpacked keys; nothing else is touched."""
        for _, keys, _ in self._chunks:
            yield from self._table.key.codec.iter_unpack(keys)

    def page(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[tuple[Any, ...], tuple[tuple[Any, ...], ...]]]:
        """Yield rows from `start` up to `stop`: a key and one value per CPU, all as tuples."""
        table = self._table
        key, value = table.key.codec, table.value.codec
        shares = [cpu * table.stride for cpu in range(table.cpus)]
        first, last, _ = slice(start, stop).indices(len(self))
        for count, keys, values in self._chunks:
            for row in range(max(first, 0), min(last, count)):
                at = row * table.stride * table.cpus
                yield (
                    key.unpack_from(keys, row * key.size),
                    tuple([value.unpack_from(values, at + share) for share in shares]),
                )
            first, last = first - count, last - count
