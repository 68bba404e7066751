"""Programs that were built: what is in a file, and what becomes of it when it is loaded."""

import struct
from pathlib import Path

import pytest

from dataplane.kernel import built
from dataplane.kernel.built import Code, Fields, Map
from dataplane.kernel.module import Entry, ProgramType, Recipe
from dataplane.model.errors import UnsupportedError

EXIT = struct.pack("=BBhi", 0x95, 0, 0, 0)


def wide(value, *, source=0, register=1):
    low, high = struct.unpack("=iI", struct.pack("=Q", value))
    return struct.pack("=BBhi", 0x18, source << 4 | register, 0, low) + struct.pack("=II", 0, high)


def recipe(**changes):
    fields = {
        "source": Path("some.c"),
        "entries": (Entry(name="some", type=ProgramType.SCHED_CLS),),
        "sizes": {"ROOM": 8},
        "places": {"FIELD": 0, "OTHER": 0},
        "switches": {},
    }
    return Recipe(**{**fields, **changes})


def made(code, **changes):
    layout = Fields(names=("value",), format="=I")
    maps = (Map(name="table", type=1, entries=16, key=layout, value=layout),)
    return built.assemble(recipe(**changes), "text", maps, {"some": code}, {"table": "ROOM"})


def test_descriptors_become_names_and_names_become_descriptors():
    code = built.without_descriptors(wide(7, source=1) + EXIT, {7: "table"})
    assert code.maps == {0: "table"}
    assert bytes.fromhex(code.instructions) == wide(0, source=1) + EXIT
    assert built.filled(code, {"table": 12}, []) == wide(12, source=1) + EXIT


def test_a_descriptor_that_is_nobodys_is_an_error():
    with pytest.raises(KeyError):
        built.without_descriptors(wide(7, source=1) + EXIT, {8: "table"})


@pytest.mark.parametrize("number", [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF_FFFF_FFFF])
def test_marks_become_numbers(number):
    code = Code(instructions=(wide(built.mark(1)) + EXIT).hex(), maps={})
    assert built.filled(code, {}, [5, number]) == wide(number) + EXIT


def test_constants_that_are_no_marks_stay():
    ordinary = b"".join(wide(value) for value in (0, 1, 0xFFFF_FFFF_FFFF_FFFF)) + EXIT
    assert built.filled(Code(instructions=ordinary.hex(), maps={}), {}, [9]) == ordinary


def test_a_mark_without_a_number_is_an_error():
    with pytest.raises(ValueError, match="mark 2, of 2 places"):
        built.filled(Code(instructions=wide(built.mark(2)).hex(), maps={}), {}, [1, 2])


def test_the_second_half_of_a_wide_load_is_no_instruction():
    hidden = struct.pack("=BBhi", 0x18, 1, 0, 0) + struct.pack("=BBhi", 0x18, 0x11, 0, 7)
    assert built.without_descriptors(hidden + EXIT, {}).maps == {}


def test_what_a_map_has_room_for_grows_with_its_size_only():
    (table,) = made(Code(instructions=EXIT.hex(), maps={})).maps
    assert [table.room({"ROOM": size}) for size in (8, 16, 1024)] == [16, 32, 2048]
    assert Map(name="fixed", type=2, entries=1).room({"ROOM": 99}) == 1


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"sizes": {"ROOM": 4096}}, True),
        ({"places": {"FIELD": 24, "OTHER": 8}}, True),
        ({"sizes": {"SPACE": 8}}, False),
        ({"places": {"FIELD": 0}}, False),
        ({"switches": {"NESTED": 1}}, False),
        ({"entries": (Entry(name="some", type=ProgramType.CGROUP_SKB, hook=1),)}, False),
    ],
)
def test_the_digest_has_what_the_instructions_depend_on(changes, same):
    assert (built.digest(recipe(**changes), "text") == built.digest(recipe(), "text")) is same
    assert built.digest(recipe(), "other text") != built.digest(recipe(), "text")


def test_what_was_written_is_found_and_what_has_changed_since_is_not(tmp_path, monkeypatch):
    value = made(Code(instructions=EXIT.hex(), maps={0: "table"}))
    built.write(recipe(), value, tmp_path)
    assert built.find(recipe(), "text") is None, "nobody said where"
    monkeypatch.setenv(built.VARIABLE, str(tmp_path))
    assert built.find(recipe(), "text") == value
    assert built.find(recipe(sizes={"ROOM": 99}), "text") == value
    assert built.find(recipe(), "changed") is None


def test_a_spoilt_file_says_which_and_what_writes_it(tmp_path, monkeypatch):
    path = built.write(recipe(), made(Code(instructions="", maps={})), tmp_path)
    path.write_text(path.read_text()[:40])
    monkeypatch.setenv(built.VARIABLE, str(tmp_path))
    with pytest.raises(UnsupportedError, match="build-programs") as caught:
        built.find(recipe(), "text")
    assert str(path) in str(caught.value)


def test_without_a_compiler_it_says_that_nothing_was_built_either(tmp_path, monkeypatch):
    lacking = UnsupportedError("eBPF", needs="BCC", found="no module")
    assert built.mention(lacking, recipe()) is lacking
    monkeypatch.setenv(built.VARIABLE, str(tmp_path))
    assert f"nothing in {tmp_path} was built of this some.c" in str(
        built.mention(lacking, recipe())
    )
