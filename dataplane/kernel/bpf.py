"""BCC: compile a C file, load its programs, hand out its maps and ring buffers.

The only importer of bcc, and not needed for programs that were built before (`dataplane.kernel.built`).
BCC compiles against the header tree in `include/` beside this file, so
a machine needs neither kernel headers nor those of a C library.
"""

import atexit
import ctypes
import importlib
import os
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataplane.kernel import built
from dataplane.kernel.built import Built, Map
from dataplane.kernel.maps import Layout, Table, layout_of
from dataplane.kernel.module import (
    TAIL,
    Entry,
    LoadFailedError,
    Module,
    ProgramType,
    Recipe,
    Ring,
)
from dataplane.model.errors import UnsupportedError

__all__ = [
    "TAIL", "Entry", "LoadFailedError", "Module", "ProgramType", "Recipe", "Ring", "build", "load",
    "prepare", "splice",
]  # fmt: skip

HEADERS = Path(__file__).parent / "include"
_INCLUDE = re.compile(r'^#include "([\w./-]+)"$', re.MULTILINE)
_GUARD = re.compile(r"^#ifndef (SIXSCOPE_\w+)$", re.MULTILINE)
# The compiler works in the process: it changes directory, and its words go to descriptor 2.
_compiler = threading.Lock()


class Compiled(Module):
    """A C file, compiled and loaded just now."""

    def __init__(self, source: Path, bcc: Any, programs: Mapping[str, int]) -> None:  # noqa: ANN401 - bcc has no types
        super().__init__(source, programs)
        self._bcc = bcc
        self._tables: dict[str, Table] = {}
        self._rings: dict[str, Ring] = {}

    def instructions(self, name: str) -> bytes:
        """Return a program's instructions as they were given to the kernel, 8 octets each."""
        return bytes(self._bcc.dump_func(name.encode()))

    def table(self, name: str) -> Table:
        """Return a map of the C file, with its layouts as the compiler saw them."""
        if name not in self._tables:
            table = self._bcc.get_table(name.encode())
            kind = type(table).__name__
            self._tables[name] = Table(
                table.map_fd,
                key=layout_of(table.Key),
                value=layout_of(self._leaf(name)),
                capacity=table.max_entries,
                per_cpu="PerCpu" in kind,
            )
        return self._tables[name]

    def layout(self, name: str) -> Layout:
        """Return the layout of a map's values; events have theirs in a map that is never written."""
        return layout_of(self._leaf(name))

    def _leaf(self, name: str) -> Any:  # noqa: ANN401 - a ctypes class
        # the per-CPU tables of BCC present sums; what is wanted is the type that was declared
        table = self._bcc.get_table(name.encode())
        return getattr(table, "sLeaf", table.Leaf)

    def ring(self, name: str, sink: Callable[[bytes], None]) -> Ring:
        """Open a ring buffer; each event's octets go to `sink` when `consume` is called."""
        table = self._bcc[name.encode()]

        def take(_context: Any, data: int, size: int) -> int:  # noqa: ANN401 - ctypes' void pointer
            sink(ctypes.string_at(data, size))
            return 0

        table.open_ring_buffer(take)
        self._rings[name] = Ring(table.map_fd, self._bcc.ring_buffer_consume)
        return self._rings[name]

    def maps(self) -> Iterator[Map]:
        """Yield what each map is made of, as BCC made it."""
        library, handle = self._bcc_functions()
        for number in range(library.bpf_num_tables(handle)):
            name = self._name(library, handle, number)
            table = self._bcc.get_table(name.encode())
            kind = library.bpf_table_type_id(handle, number)
            ring = kind == built.RINGBUF
            yield Map(
                name=name,
                type=kind,
                entries=library.bpf_table_max_entries_id(handle, number),
                flags=library.bpf_table_flags_id(handle, number),
                key=None if ring else built.Fields.of(layout_of(table.Key)),
                value=None if ring else built.Fields.of(self.layout(name)),
            )

    def relocated(self, name: str) -> built.Code:
        """Return a program's instructions without descriptors, and which map is loaded where."""
        library, handle = self._bcc_functions()
        names = {
            library.bpf_table_fd_id(handle, number): self._name(library, handle, number)
            for number in range(library.bpf_num_tables(handle))
        }
        return built.without_descriptors(self.instructions(name), names)

    def _bcc_functions(self) -> tuple[Any, Any]:
        return importlib.import_module("bcc.libbcc").lib, self._bcc.module

    @staticmethod
    def _name(library: Any, handle: Any, number: int) -> str:  # noqa: ANN401 - ctypes' functions
        function = library["bpf_table_name"]  # one of our own: BCC does not say what it returns
        function.restype, function.argtypes = ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_size_t)
        return bytes(function(handle, number)).decode()

    def close(self) -> None:
        """Close everything; a second time nothing happens."""
        if self._bcc is not None:
            bcc, self._bcc = self._bcc, None
            atexit.unregister(bcc.cleanup)
            bcc.cleanup()
            self._tables.clear()
            self._rings.clear()


def load(source: Path, entries: Iterable[Entry], sizes: Mapping[str, int] | None = None) -> Module:
    """Compile a C file and load the named programs; `sizes` become preprocessor definitions.

    Errors as of `prepare`.
    """
    return _compiled(Recipe(source=source, entries=tuple(entries), sizes=sizes or {}))


def prepare(recipe: Recipe) -> Module:
    """Load the programs of a recipe: those that were built before where there are, else compiled.

    What steers a program otherwise than by the recipe is written into a map, so that the
    instructions stay the same everywhere. UnsupportedError without BCC or without the right to
    load; LoadFailedError with the last words of the compiler or verifier.
    """
    found = built.find(recipe, splice(recipe.source))
    if found is not None:
        return built.load(found, recipe)
    try:
        return _compiled(recipe)
    except UnsupportedError as lacking:
        raise built.mention(lacking, recipe) from lacking


def _compiled(recipe: Recipe, more: Iterable[str] = (), *, load: bool = True) -> Compiled:
    source = recipe.source
    flags = [*more, *(f"-D{name}={value}" for name, value in recipe.definitions.items())]
    text = splice(source)
    with _compiler, _environment(), _output() as output:
        library = _bcc_library()
        try:
            compiled = library.BPF(text=text.encode(), cflags=flags)
        except Exception as failure:
            raise _failed(source, "compile it", output(), failure) from failure
        programs: dict[str, int] = {}
        try:
            for entry in recipe.entries if load else ():
                programs[entry.name] = compiled.load_func(
                    entry.name.encode(), int(entry.type), None, entry.hook
                ).fd
        except Exception as failure:
            words = output()
            atexit.unregister(compiled.cleanup)
            compiled.cleanup()
            raise _failed(source, f"load {entry.name}", words, failure) from failure
    return Compiled(source, compiled, programs)


def build(recipe: Recipe) -> Built:
    """Compile a recipe into what `prepare` finds on a machine without a compiler.

    Needs the right to make maps, as compiling does with BCC. Every place is compiled as a mark that
    is exchanged when the programs are loaded; how a map grows with a size is found by doubling it.
    Errors as of `prepare`, and ValueError where a size is part of the instructions.
    """
    marks = {name: built.mark(number) for number, name in enumerate(sorted(recipe.places))}
    holes = ["-DPLACED(mark)=" + built.PLACED]
    holes += [f"-D{name}=PLACED({mark:#x})" for name, mark in marks.items()]
    plain = replace(recipe, places={})
    with _compiled(plain, holes, load=False) as first:
        maps = {one.name: one for one in first.maps()}
        taken = {entry.name: first.relocated(entry.name) for entry in recipe.entries}
    grows: dict[str, str] = {}
    for size, value in recipe.sizes.items():
        doubled = replace(plain, sizes={**recipe.sizes, size: value * 2})
        with _compiled(doubled, holes, load=False) as other:
            if taken != {entry.name: other.relocated(entry.name) for entry in recipe.entries}:
                raise ValueError(f"{recipe.source.name}: {size} is part of the instructions")
            for one in other.maps():
                if one.entries != maps[one.name].entries:
                    grows[one.name] = size
    return built.assemble(recipe, splice(recipe.source), tuple(maps.values()), taken, grows)


def _failed(
    source: Path, step: str, words: str, failure: Exception
) -> LoadFailedError | UnsupportedError:
    """Tell a program that is wrong from a process that may not load any."""
    reason = words.strip() or str(failure)
    if "not permitted" in reason or "super-user" in str(failure):
        found = reason.splitlines()[0]
        return UnsupportedError("eBPF", needs="root, or its right to load programs", found=found)
    return LoadFailedError(source, step, reason)


def splice(source: Path) -> str:
    """Return a C file with its own headers put in place of the includes, each once.

    BCC rewrites map calls in the main file only, and finds a program's functions only there.
    Headers are looked for beside the file, then in `include/`.
    """
    seen: set[Path] = set()

    def expand(path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        pieces, at, line = [f'#line 1 "{path.name}"\n'], 0, 1
        for match in _INCLUDE.finditer(text):
            pieces.append(text[at : match.start()])
            line += text.count("\n", at, match.end()) + 1
            at = match.end() + 1
            header = _header(match[1], path)
            if header not in seen:
                seen.add(header)
                pieces.append(expand(header))
            pieces.append(f'#line {line} "{path.name}"\n')
        return "".join(pieces) + text[at:]

    return expand(source)


def _header(name: str, includer: Path) -> Path:
    for directory in (includer.parent, HEADERS):
        if (directory / name).is_file():
            return directory / name
    raise FileNotFoundError(f"{includer.name}: no header called {name}")


def _bcc_library() -> Any:  # noqa: ANN401 - bcc has no types
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not ours: invalid escapes in its docstrings
            # here, because it brings LLVM along: 80 MB that only a process that loads shall carry
            import bcc  # noqa: PLC0415 - see above
    except (ImportError, OSError) as failure:
        raise UnsupportedError(
            "eBPF", needs="BCC for Python (Debian and Ubuntu: python3-bpfcc)", found=str(failure)
        ) from failure
    return bcc


@contextmanager
def _environment() -> Iterator[None]:
    """Point BCC at our headers; it reads its configuration from the environment only."""
    ours = {"BCC_KERNEL_SOURCE": str(HEADERS)}
    before = {name: os.environ.get(name) for name in (*ours, "BCC_LINUX_VERSION_CODE", "ARCH")}
    for name in before:
        os.environ.pop(name, None)
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _output() -> Iterator[Callable[[], str]]:
    """Catch what is written to descriptor 2; hand it on where nothing failed: it is not ours then."""
    with tempfile.TemporaryFile() as caught:
        before = os.dup(2)

        def words() -> str:
            return os.pread(caught.fileno(), os.fstat(caught.fileno()).st_size, 0).decode(
                "utf-8", "replace"
            )

        try:
            os.dup2(caught.fileno(), 2)
            yield words
        finally:
            os.dup2(before, 2)
            os.close(before)
        with suppress(OSError):
            os.write(2, words().encode())
