"""Programs that were compiled earlier, maybe elsewhere: kept in files, and loaded by bpf(2) alone.

A file has the instructions as BCC gave them, with the maps that they name instead of descriptors, and
with a mark where a number of the machine goes (`Recipe.places`). Its name has a digest of the C text
and of everything that the instructions depend on; there is no file for what was changed since.
The directory is SIXSCOPE_PROGRAMS; `sixscope build-programs` fills it.
"""

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from dataplane.kernel.loading import create_map, load_program
from dataplane.kernel.maps import Layout, Table
from dataplane.kernel.module import LoadFailedError, Module, Recipe, Ring
from dataplane.kernel.ringbuffer import RingReader
from dataplane.model.errors import UnsupportedError

VARIABLE = "SIXSCOPE_PROGRAMS"
FORM = 1  # of the files; another one is another digest
RINGBUF = 27
PER_CPU = frozenset({5, 6, 10})  # hash, array, LRU hash (`enum bpf_map_type`)
# A 64-bit load of a constant that the compiler knows nothing of, so that it makes nothing of it.
PLACED = '({unsigned long long placed;asm("%0 = " #mark " ll":"=r"(placed));placed;})'
_MARK = 0x5358_504C << 32  # "SXPL"
_INSTRUCTION = struct.Struct("=BBhi")
_LOAD_64, _MAP_BY_DESCRIPTOR = 0x18, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A layout, as a file has it: names, and the format of `struct`."""

    names: tuple[str, ...]
    format: str

    @classmethod
    def of(cls, layout: Layout) -> Self:
        """Return the fields of a layout."""
        return cls(names=layout.names, format=layout.codec.format)

    @property
    def layout(self) -> Layout:
        """Return them as a layout."""
        return Layout(names=self.names, codec=struct.Struct(self.format))


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """What a map is made of: `enum bpf_map_type`, entries (octets of a ring buffer), flags.

    `grows_with` is the size of the recipe that `entries` is a multiple of, and `at` its value then.
    """

    name: str
    type: int
    entries: int
    flags: int = 0
    key: Fields | None = None
    value: Fields | None = None
    grows_with: str = ""
    at: int = 1

    def room(self, sizes: Mapping[str, int]) -> int:
        """Return how many entries it has with these sizes."""
        return self.entries * sizes[self.grows_with] // self.at if self.grows_with else self.entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A program: its instructions in hexadecimal, and by index the maps that they load."""

    instructions: str
    maps: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The programs of a recipe, by name, with the maps; `places` are the marks' names in order."""

    digest: str
    maps: tuple[Map, ...]
    programs: Mapping[str, Code]
    places: tuple[str, ...] = ()


def digest(recipe: Recipe, text: str) -> str:
    """Return what tells these instructions from all others: never what sizes and places are."""
    parts = [
        FORM,
        text,
        [(entry.name, int(entry.type), entry.hook) for entry in recipe.entries],
        sorted(recipe.sizes),
        sorted(recipe.places),
        sorted(recipe.switches.items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def mark(number: int) -> int:
    """Return the constant that stands for a place, by its number among the sorted names."""
    return _MARK | number


def without_descriptors(instructions: bytes, maps: Mapping[int, str]) -> Code:
    """Take the descriptors of maps out of instructions; KeyError for one that is nobody's."""
    data, found = bytearray(instructions), {}
    for index, load, imm in _wide(instructions):
        if load == _MAP_BY_DESCRIPTOR:
            found[index] = maps[imm & 0xFFFF_FFFF]
            struct.pack_into("=i", data, index * 8 + 4, 0)
    return Code(instructions=data.hex(), maps=found)


def assemble(
    recipe: Recipe,
    text: str,
    maps: Iterable[Map],
    programs: Mapping[str, Code],
    grows: Mapping[str, str],
) -> Built:
    """Put together what was compiled; `grows` says for maps with which size they grow."""
    fields = ({name: getattr(one, name) for name in Map.__slots__} for one in maps)
    grown = (
        {**one, "grows_with": grows[one["name"]], "at": recipe.sizes[grows[one["name"]]]}
        if one["name"] in grows
        else one
        for one in fields
    )
    return Built(
        digest=digest(recipe, text),
        maps=tuple(Map(**one) for one in grown),
        programs=programs,
        places=tuple(sorted(recipe.places)),
    )


def write(recipe: Recipe, made: Built, directory: Path) -> Path:
    """Write a file of a directory and return its path."""
    path = _path(recipe, made.digest, directory)
    path.write_text(json.dumps(asdict(made), separators=(",", ":")) + "\n", encoding="ascii")
    return path


def find(recipe: Recipe, text: str) -> Built | None:
    """Return what was built of a recipe, None where there is nothing; UnsupportedError when it is spoilt."""
    where = os.environ.get(VARIABLE)
    if not where:
        return None
    wanted = digest(recipe, text)
    path = _path(recipe, wanted, Path(where))
    try:
        found = TypeAdapter(Built).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as failure:
        raise UnsupportedError(
            f"programs in {path}", needs="a file of `sixscope build-programs`", found=str(failure)
        ) from failure
    return found if found.digest == wanted else None


def mention(lacking: UnsupportedError, recipe: Recipe) -> UnsupportedError:
    """Say of what was missing for compiling that nothing was built either, where that was looked for."""
    where = os.environ.get(VARIABLE)
    if not where:
        return lacking
    found = f"{lacking.found}; and nothing in {where} was built of this {recipe.source.name}"
    return UnsupportedError(lacking.what, needs=lacking.needs, found=found)


def load(found: Built, recipe: Recipe) -> "Loaded":
    """Make the maps that are used, and load the programs; errors as of `bpf.prepare`."""
    used = {name for code in found.programs.values() for name in code.maps.values()}
    places = [recipe.places[name] for name in found.places]
    with ExitStack() as stack:
        maps: dict[str, int] = {}
        programs: dict[str, int] = {}
        given: dict[str, bytes] = {}
        for one in found.maps:
            if one.name in used:
                maps[one.name] = _opened(stack, partial(_create, one, recipe))
        for entry in recipe.entries:
            given[entry.name] = filled(found.programs[entry.name], maps, places)
            loading = partial(load_program, recipe.source, entry, given[entry.name])
            programs[entry.name] = _opened(stack, loading)
        return Loaded(
            recipe=recipe,
            found=found,
            programs=programs,
            maps=maps,
            given=given,
            stack=stack.pop_all(),
        )


def filled(code: Code, maps: Mapping[str, int], places: list[int]) -> bytes:
    """Return instructions with descriptors of maps, and with numbers for marks.

    ValueError when a place has a mark and no number.
    """
    data = bytearray.fromhex(code.instructions)
    for index, load_of, imm in _wide(bytes(data)):
        if index in code.maps:
            struct.pack_into("=i", data, index * 8 + 4, maps[code.maps[index]])
        elif not load_of and imm & ~0xFFFF == _MARK:
            number = imm & 0xFFFF
            if number >= len(places):
                raise ValueError(f"instruction {index} has mark {number}, of {len(places)} places")
            low, high = struct.unpack("=iI", struct.pack("=Q", places[number]))
            struct.pack_into("=i", data, index * 8 + 4, low)
            struct.pack_into("=I", data, index * 8 + 12, high)
    return bytes(data)


class Loaded(Module):
    """Programs that were built earlier, and the maps that they use."""

    def __init__(  # noqa: PLR0913 - everything that loading gave
        self,
        *,
        recipe: Recipe,
        found: Built,
        programs: Mapping[str, int],
        maps: Mapping[str, int],
        given: Mapping[str, bytes],
        stack: ExitStack,
    ) -> None:
        super().__init__(recipe.source, programs)
        self._sizes, self._descriptors, self._given = recipe.sizes, dict(maps), dict(given)
        self._maps = {one.name: one for one in found.maps}
        self._stack = stack

    def instructions(self, name: str) -> bytes:
        """Return a program's instructions as they were given to the kernel."""
        return self._given[name]

    def table(self, name: str) -> Table:
        """Return a map that a program uses."""
        one = self._maps[name]
        if one.key is None or one.value is None:
            raise TypeError(f"{name} is a ring buffer")
        return Table(
            self._descriptors[name],
            key=one.key.layout,
            value=one.value.layout,
            capacity=one.room(self._sizes),
            per_cpu=one.type in PER_CPU,
        )

    def layout(self, name: str) -> Layout:
        """Return the layout of a map's values."""
        value = self._maps[name].value
        if value is None:
            raise TypeError(f"{name} is a ring buffer")
        return value.layout

    def ring(self, name: str, sink: Callable[[bytes], None]) -> Ring:
        """Open a ring buffer."""
        descriptor, size = self._descriptors[name], self._maps[name].room(self._sizes)
        reader = self._stack.enter_context(RingReader(descriptor, size))
        return Ring(descriptor, lambda: reader.consume(sink))

    def close(self) -> None:
        """Close everything; a second time nothing happens."""
        self._stack.close()
        self._descriptors.clear()


def _wide(instructions: bytes) -> Iterable[tuple[int, int, int]]:
    """Yield the 64-bit loads: index, kind (the source register's place) and constant."""
    wide = None
    for index, (code, registers, _, imm) in enumerate(_INSTRUCTION.iter_unpack(instructions)):
        if wide is not None:
            at, kind, low = wide
            yield at, kind, (imm & 0xFFFF_FFFF) << 32 | low
            wide = None
        elif code == _LOAD_64:
            wide = index, registers >> 4, imm & 0xFFFF_FFFF


def _path(recipe: Recipe, digested: str, directory: Path) -> Path:
    return directory / f"{recipe.source.stem}-{digested[:16]}.json"


def _opened(stack: ExitStack, open_it: Callable[[], int]) -> int:
    descriptor = open_it()
    stack.callback(os.close, descriptor)
    return descriptor


def _create(one: Map, recipe: Recipe) -> int:
    try:
        return create_map(
            one.name,
            one.type,
            key=one.key.layout.size if one.key else 0,
            value=one.value.layout.size if one.value else 0,
            entries=one.room(recipe.sizes),
            flags=one.flags,
        )
    except OSError as failure:
        raise LoadFailedError(recipe.source, f"make the map {one.name}", str(failure)) from failure
