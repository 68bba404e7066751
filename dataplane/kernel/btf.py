"""BTF: what the kernel says of its own types, and where in them its fields lie.

Written from the kernel's Documentation/bpf/btf.rst. A structure's fields move from one kernel to the
next, with the version and with its configuration, so nothing that reads them may be compiled in.
"""

import struct
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from dataplane.model.errors import UnsupportedError

KERNEL = Path("/sys/kernel/btf/vmlinux")
NEEDS = "a kernel built with CONFIG_DEBUG_INFO_BTF"
MAGIC, VERSION = 0xEB9F, 1
INT, PTR, ARRAY, STRUCT, UNION, ENUM = range(1, 7)
TYPEDEF, VOLATILE, CONST, RESTRICT, _, FUNC_PROTO, VAR, DATASEC = range(8, 16)
DECL_TAG, TYPE_TAG, ENUM64 = 17, 18, 19
TRANSPARENT = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG})
# Octets behind a type: so many at once, and so many for each of its members.
TAILS: Mapping[int, tuple[int, int]] = {
    INT: (4, 0),
    ARRAY: (12, 0),
    STRUCT: (0, 12),
    UNION: (0, 12),
    ENUM: (0, 8),
    FUNC_PROTO: (0, 8),
    VAR: (4, 0),
    DATASEC: (0, 12),
    DECL_TAG: (4, 0),
    ENUM64: (0, 12),
}
_HEADER = struct.Struct("=HBBIIIII")
_TYPE = struct.Struct("=III")
_POINTER = 8  # only 64-bit machines have eBPF system calls here (`bpfcall`)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where a field lies in its outermost structure, and how long it is; both in octets."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    type: int
    bits: int
    bitfield: bool


class Btf:
    """The types of one BTF blob. Nothing is resolved before it is asked for."""

    def __init__(self, data: bytes) -> None:
        """Index the types: 0.1 s for the 125,000 of a kernel. UnsupportedError when it is no BTF."""
        if len(data) < _HEADER.size:
            raise _unreadable(f"{len(data)} octets")
        magic, version, _, header, types, length, strings, room = _HEADER.unpack_from(data)
        if (magic, version) != (MAGIC, VERSION):
            raise _unreadable(f"magic {magic:#x}, version {version}")
        if max(header + types + length, header + strings + room) > len(data):
            raise _unreadable(f"sections beyond its {len(data)} octets")
        self._types = data[header + types : header + types + length]
        self._strings = data[header + strings : header + strings + room]
        self._at = array("I", [0])  # the number 0 is void
        at = 0
        try:
            while at < length:
                self._at.append(at)
                word = _TYPE.unpack_from(self._types, at)[1]
                once, each = TAILS.get(word >> 24 & 31, (0, 0))
                at += _TYPE.size + once + (word & 0xFFFF) * each
        except struct.error as cut:
            raise _unreadable(f"a type that is cut off at octet {at}") from cut
        if at > length:
            raise _unreadable(f"a type that is cut off at octet {length}")

    @classmethod
    @lru_cache(maxsize=1)  # several ask at once, a reading takes 0.2 s, and it never changes
    def of_kernel(cls, path: Path = KERNEL) -> "Btf":
        """Read the running kernel's; UnsupportedError where it tells nothing of its types."""
        try:
            return cls(path.read_bytes())
        except OSError as failure:
            raise UnsupportedError(
                "the kernel's own types", needs=NEEDS, found=str(failure)
            ) from failure

    def field(self, structure: str, path: str) -> Field:
        """Find a field by its path (`ns.inum`), through anonymous members as C does it.

        UnsupportedError when there is no such structure or field, or when it is a bit field.
        """
        number, offset = self._named(structure, (STRUCT, UNION)), 0
        for name in path.split("."):
            member = self._member(number, name)
            if member is None:
                raise _absent(f"field {path} of struct {structure}", f"no {name} there")
            if member.bitfield or member.bits % 8:
                raise _absent(f"field {path} of struct {structure}", "a field of bits")
            offset += member.bits // 8
            number = self._plain(member.type)
        return Field(offset=offset, size=self._size(number))

    def enumerators(self, enumeration: str) -> Mapping[int, str]:
        """Return the names of an enumeration by their values; UnsupportedError without it."""
        number = self._named(enumeration, (ENUM,))
        start, (_, word, _) = self._at[number] + _TYPE.size, self._head(number)
        code = "=Ii" if word >> 31 else "=II"
        return {
            value: self._text(name)
            for name, value in struct.iter_unpack(
                code, self._types[start : start + (word & 0xFFFF) * 8]
            )
        }

    def parameters(self, tracepoint: str) -> tuple[str, ...]:
        """Return the types' names of a raw tracepoint's arguments, "" for pointers and plain numbers.

        They stand in a typedef `btf_trace_NAME` for a pointer to a function, whose first parameter is
        no argument of the tracepoint.
        """
        number = self._named(f"btf_trace_{tracepoint}", (TYPEDEF,))
        for kind in (PTR, FUNC_PROTO):
            number = self._plain(self._head(number)[2])
            if self._kind(number) != kind:
                raise _absent(f"tracepoint {tracepoint}", "btf_trace_ is no pointer to a function")
        start, count = self._at[number] + _TYPE.size, self._head(number)[1] & 0xFFFF
        pairs = list(struct.iter_unpack("=II", self._types[start : start + count * 8]))
        types = [self._plain(kind) for _, kind in pairs[1:]]
        return tuple(self._text(self._head(kind)[0]) if kind else "" for kind in types)

    def _named(self, name: str, kinds: tuple[int, ...]) -> int:
        at = self._strings.find(b"\0" + name.encode() + b"\0") + 1
        if at:
            for number in range(1, len(self._at)):
                given, word, _ = self._head(number)
                if given == at and word >> 24 & 31 in kinds:
                    return number
        raise _absent(name, "no type of that name")

    def _member(self, number: int, name: str) -> _Member | None:
        """Look for a member, also within members that have no name of their own."""
        if self._kind(number) not in (STRUCT, UNION):
            return None
        for member in self._members(number):
            if member.name == name:
                return member
            inner = None if member.name else self._member(self._plain(member.type), name)
            if inner is not None:
                return _Member(name, inner.type, member.bits + inner.bits, inner.bitfield)
        return None

    def _members(self, number: int) -> Iterator[_Member]:
        start, (_, word, _) = self._at[number] + _TYPE.size, self._head(number)
        members = self._types[start : start + (word & 0xFFFF) * 12]
        for name, kind, place in struct.iter_unpack("=III", members):
            if word >> 31:  # kind_flag: the width of a bit field stands in the upper octet
                yield _Member(self._text(name), kind, place & 0xFFFFFF, bool(place >> 24))
            else:
                yield _Member(self._text(name), kind, place, bitfield=False)

    def _plain(self, number: int) -> int:
        """Follow typedefs and qualifiers to the type itself."""
        while self._kind(number) in TRANSPARENT:
            number = self._head(number)[2]
        return number

    def _size(self, number: int) -> int:
        kind, (_, _, size) = self._kind(number), self._head(number)
        if kind == PTR:
            return _POINTER
        if kind == ARRAY:
            place = self._at[number] + _TYPE.size
            element, _, count = _TYPE.unpack_from(self._types, place)  # struct btf_array
            return int(count) * self._size(self._plain(element))
        return size if kind in (INT, STRUCT, UNION, ENUM, ENUM64) else 0

    def _kind(self, number: int) -> int:
        return self._head(number)[1] >> 24 & 31 if number else 0

    def _head(self, number: int) -> tuple[int, int, int]:
        if not 0 < number < len(self._at):
            raise _unreadable(f"type {number} of {len(self._at) - 1}")
        name, word, size = _TYPE.unpack_from(self._types, self._at[number])
        return name, word, size

    def _text(self, at: int) -> str:
        return self._strings[at : self._strings.index(b"\0", at)].decode()


def _absent(what: str, found: str) -> UnsupportedError:
    return UnsupportedError(what, needs="a kernel whose BTF tells of it", found=found)


def _unreadable(found: str) -> UnsupportedError:
    return UnsupportedError("the kernel's own types", needs="BTF of version 1", found=found)
