"""BTF from octets that are made here: every kind of type that is passed over, and every way to fail."""

import struct
from pathlib import Path

import pytest

from dataplane.kernel import btf
from dataplane.kernel.btf import Btf, Field
from dataplane.model.errors import UnsupportedError
from probes import tracepoints

KIND_FLAG = 1 << 31


class Types:
    """Builds a BTF blob; each call adds a type and returns its number."""

    def __init__(self):
        self.types, self.strings, self.count = b"", b"\0", 0

    def text(self, name):
        if not name:
            return 0
        self.strings += name.encode() + b"\0"
        return len(self.strings) - len(name) - 1

    def add(self, kind, name="", size=0, *, members=(), tail=b"", flag=0):
        word = kind << 24 | len(members) | flag
        self.types += struct.pack("=III", self.text(name), word, size) + tail
        for member in members:
            self.types += struct.pack(f"={len(member)}I", *member)
        self.count += 1
        return self.count

    def structure(self, name, size, *members, flag=0):
        rows = [(self.text(field), kind, place) for field, kind, place in members]
        return self.add(btf.STRUCT, name, size, members=rows, flag=flag)

    def blob(self):
        header = struct.pack(
            "=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings)
        )
        return header + self.types + self.strings


@pytest.fixture
def types():
    made = Types()
    made.u8 = made.add(btf.INT, "u8", 1, tail=bytes(4))
    made.u32 = made.add(btf.INT, "u32", 4, tail=bytes(4))
    made.alias = made.add(btf.TYPEDEF, "alias", made.add(btf.CONST, "", made.u32))
    made.pointer = made.add(btf.PTR, "", made.u8)
    made.array = made.add(btf.ARRAY, tail=struct.pack("=III", made.alias, made.u32, 3))
    # types of other shapes lie between, and must be passed over exactly
    made.add(16, "double", 8)
    made.add(14, "variable", made.u8, tail=bytes(4))
    made.add(15, ".data", 4, members=[(1, 2, 3), (4, 5, 6)])
    made.add(17, "tag", made.u8, tail=bytes(4))
    made.add(btf.ENUM64, "wide", 8, members=[(0, 0, 0)])
    made.add(7, "declared")
    inner = made.structure("", 8, ("first", made.u32, 0), ("second", made.u32, 32))
    union = made.add(btf.UNION, "", 8, members=[(made.text("raw"), made.u8, 0), (0, inner, 0)])
    named = made.structure("named", 4, ("count", made.alias, 0))
    made.structure(
        "packet",
        60,
        ("next", made.pointer, 0),
        ("", union, 64),
        ("ns", named, 128),
        ("list", made.array, 160),
        flag=KIND_FLAG,
    )
    made.structure(
        "flags", 4, ("bit", made.u32, 1 << 24 | 3), ("whole", made.u32, 32), flag=KIND_FLAG
    )
    return made


@pytest.mark.parametrize(
    ("structure", "path", "offset", "size"),
    [
        ("packet", "next", 0, 8),
        ("packet", "raw", 8, 1),
        ("packet", "second", 12, 4),  # through a union and a structure without names
        ("packet", "ns", 16, 4),
        ("packet", "ns.count", 16, 4),
        ("packet", "list", 20, 12),
        ("flags", "whole", 4, 4),
    ],
)
def test_a_field_is_where_c_has_it(types, structure, path, offset, size):
    assert Btf(types.blob()).field(structure, path) == Field(offset=offset, size=size)


@pytest.mark.parametrize(
    ("structure", "path", "words"),
    [
        (
            "nothing",
            "x",
            "nothing: needs a kernel whose BTF tells of it; found no type of that name",
        ),
        ("declared", "x", "no type of that name"),  # a forward declaration has no fields
        ("variable", "x", "no type of that name"),
        ("packet", "third", "field third of struct packet: .* found no third there"),
        ("packet", "ns.other", "found no other there"),
        ("packet", "next.x", "found no x there"),  # not through a pointer
        ("flags", "bit", "found a field of bits"),
    ],
)
def test_what_is_not_there_is_named(types, structure, path, words):
    with pytest.raises(UnsupportedError, match=words):
        Btf(types.blob()).field(structure, path)


def test_enumerators_with_and_without_signs(types):
    values = [(types.text("A"), 0), (types.text("B"), 0xFFFFFFFF)]
    types.add(btf.ENUM, "plain", 4, members=values)
    types.add(btf.ENUM, "signed", 4, members=values, flag=KIND_FLAG)
    read = Btf(types.blob())
    assert read.enumerators("plain") == {0: "A", 0xFFFFFFFF: "B"}
    assert read.enumerators("signed") == {0: "A", -1: "B"}
    with pytest.raises(UnsupportedError, match=r"packet: .* no type of that name"):
        read.enumerators("packet")


def test_the_arguments_of_a_tracepoint(types):
    reason = types.add(btf.ENUM, "reason", 4)
    rows = [(0, kind) for kind in (types.pointer, types.pointer, reason, types.pointer)]
    function = types.add(btf.FUNC_PROTO, members=rows)
    types.add(btf.TYPEDEF, "btf_trace_drop", types.add(btf.PTR, "", function))
    types.add(btf.TYPEDEF, "btf_trace_odd", types.u32)
    read = Btf(types.blob())
    assert read.parameters("drop") == ("", "reason", "")
    with pytest.raises(UnsupportedError, match=r"tracepoint odd: .* no pointer to a function"):
        read.parameters("odd")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda blob: blob[:0], "found 0 octets"),
        (lambda blob: b"\0\0" + blob[2:], "found magic 0x0, version 1"),
        (lambda blob: blob[:2] + b"\2" + blob[3:], "version 2"),
        (lambda blob: blob[:-1], "sections beyond its"),
        (lambda blob: blob[:12] + struct.pack("=I", 15) + blob[16:], "cut off at octet"),
    ],
)
def test_octets_that_are_no_btf(types, spoil, words):
    with pytest.raises(UnsupportedError, match=words):
        Btf(spoil(types.blob()))


def test_a_type_that_points_beyond_the_others(types):
    types.structure("wrong", 4, ("field", 4000, 0))
    with pytest.raises(UnsupportedError, match="found type 4000 of"):
        Btf(types.blob()).field("wrong", "field")


def test_a_kernel_that_tells_nothing(tmp_path):
    with pytest.raises(UnsupportedError, match="needs a kernel built with CONFIG_DEBUG_INFO_BTF"):
        Btf.of_kernel(tmp_path / "vmlinux")


@pytest.mark.needs("btf")
def test_this_kernel():
    """The places are in order, within their structures, and none is that of another field."""
    kernel = Btf.of_kernel(Path("/sys/kernel/btf/vmlinux"))
    found = tracepoints.places(kernel)
    packet = [found[name] for name in tracepoints.TOGETHER]
    assert len(set(packet)) == len(packet)
    assert found["SKB_DATA_LEN"] == found["SKB_LEN"] + 4  # neighbours since Linux 2.6
    assert found["SKB_FIRST"] <= min(packet)
    assert max(packet) < found["SKB_FIRST"] + found["SKB_ROOM"]
    reasons = kernel.enumerators("skb_drop_reason")
    assert {"SKB_DROP_REASON_NO_SOCKET", "SKB_DROP_REASON_NETFILTER_DROP"} <= set(reasons.values())
    assert "skb_drop_reason" in kernel.parameters("kfree_skb")
