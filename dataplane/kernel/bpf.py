"""BCC: compile a C file, load its programs, hand out its maps and ring buffers.

The only importer of bcc. BCC compiles against the header tree in `include/` beside this file, so
a machine needs neither kernel headers nor those of a C library.
"""

import atexit
import ctypes
import os
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from dataplane.kernel.closing import Closing
from dataplane.kernel.maps import Layout, Table, layout_of
from dataplane.model.errors import UnsupportedError

HEADERS = Path(__file__).parent / "include"
TAIL = 4000  # characters of the compiler's or verifier's output that an error keeps
_INCLUDE = re.compile(r'^#include "([\w./-]+)"$', re.MULTILINE)
_GUARD = re.compile(r"^#ifndef (SIXSCOPE_\w+)$", re.MULTILINE)
# The compiler works in the process: it changes directory, and its words go to descriptor 2.
_compiler = threading.Lock()


class ProgramType(IntEnum):
    """What a program is for (`enum bpf_prog_type`)."""

    SCHED_CLS = 3
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    SOCK_OPS = 13
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A program of a C file: the function, its type and, for cgroup programs, where it may go.

    `hook` is a number of `enum bpf_attach_type`, -1 where the type says enough.
    """

    name: str
    type: ProgramType
    hook: int = -1


class LoadFailedError(Exception):
    """A C file did not compile, or the kernel's verifier refused one of its programs."""

    def __init__(self, source: Path, step: str, output: str) -> None:
        self.source, self.step, self.output = source, step, output
        super().__init__(
            f"{source.name}: cannot {step}:\n{output[-TAIL:].strip() or 'no reason given'}"
        )


class Ring:
    """A ring buffer: `descriptor` becomes readable with events, `consume` hands each to the sink.

    The sink gets the octets of one event; it must not raise.
    """

    def __init__(self, descriptor: int, consume: Callable[[], None]) -> None:
        self.descriptor, self._consume = descriptor, consume

    def consume(self) -> None:
        """Take everything that is there and return; never waits."""
        self._consume()


class Module(Closing):
    """A C file, compiled and loaded. Closing it closes its programs and maps; links hold their own."""

    def __init__(self, source: Path, bcc: Any, programs: Mapping[str, int]) -> None:  # noqa: ANN401 - bcc has no types
        self.source = source
        self._bcc = bcc
        self._programs = dict(programs)
        self._tables: dict[str, Table] = {}
        self._rings: dict[str, Ring] = {}

    def program(self, name: str) -> int:
        """Return the descriptor of a program."""
        return self._programs[name]

    @property
    def programs(self) -> tuple[str, ...]:
        """Return the names of the loaded programs."""
        return tuple(self._programs)

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

    def close(self) -> None:
        """Close everything; a second time nothing happens."""
        if self._bcc is not None:
            bcc, self._bcc = self._bcc, None
            atexit.unregister(bcc.cleanup)
            bcc.cleanup()
            self._tables.clear()
            self._rings.clear()


def load(source: Path, entries: Iterable[Entry], sizes: Mapping[str, int] | None = None) -> Module:
    """Compile a C file and load the named programs.

    `sizes` become preprocessor definitions. They are for sizes of maps, and for where fields lie in
    structures of this very kernel: whatever else steers a program is written into a map, so that the
    instructions stay the same everywhere.
    UnsupportedError without BCC or without the right to load; LoadFailedError with the last words
    of the compiler or verifier.
    """
    flags = [f"-D{name}={value}" for name, value in (sizes or {}).items()]
    text = splice(source)
    with _compiler, _environment(), _output() as output:
        library = _bcc_library()
        try:
            compiled = library.BPF(text=text.encode(), cflags=flags)
        except Exception as failure:
            raise _failed(source, "compile it", output(), failure) from failure
        programs: dict[str, int] = {}
        try:
            for entry in entries:
                programs[entry.name] = compiled.load_func(
                    entry.name.encode(), int(entry.type), None, entry.hook
                ).fd
        except Exception as failure:
            words = output()
            atexit.unregister(compiled.cleanup)
            compiled.cleanup()
            raise _failed(source, f"load {entry.name}", words, failure) from failure
    return Module(source, compiled, programs)


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
