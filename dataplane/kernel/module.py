"""What loaded programs are to whoever uses them, whether they were compiled just now or built earlier."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from dataplane.kernel.closing import Closing
from dataplane.kernel.maps import Layout, Table

TAIL = 4000  # characters of the compiler's or verifier's output that an error keeps


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A C file with the programs to load of it, and what it is compiled with.

    `sizes` are sizes of maps and nothing else. `places` are numbers that depend on the machine, as
    where fields lie in structures of its kernel: instructions that were built have room for them.
    `switches` choose what the instructions are, so other values are other programs.
    """

    source: Path
    entries: tuple[Entry, ...]
    sizes: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    switches: Mapping[str, int] = field(default_factory=dict)

    @property
    def definitions(self) -> dict[str, int]:
        """Return everything that the compiler is told."""
        return {**self.sizes, **self.places, **self.switches}


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
    """Loaded programs and their maps. Closing it closes both; links hold their own."""

    def __init__(self, source: Path, programs: Mapping[str, int]) -> None:
        self.source = source
        self._programs = dict(programs)

    def program(self, name: str) -> int:
        """Return the descriptor of a program."""
        return self._programs[name]

    @property
    def programs(self) -> tuple[str, ...]:
        """Return the names of the loaded programs."""
        return tuple(self._programs)

    @abstractmethod
    def instructions(self, name: str) -> bytes:
        """Return a program's instructions as they were given to the kernel, 8 octets each."""

    @abstractmethod
    def table(self, name: str) -> Table:
        """Return a map of the C file, with its layouts as the compiler saw them."""

    @abstractmethod
    def layout(self, name: str) -> Layout:
        """Return the layout of a map's values; events have theirs in a map that is never written."""

    @abstractmethod
    def ring(self, name: str, sink: Callable[[bytes], None]) -> Ring:
        """Open a ring buffer; each event's octets go to `sink` when `consume` is called."""
