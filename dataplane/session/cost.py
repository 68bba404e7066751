"""What watching costs: this process' CPU and memory, and the time that its programs run for others.

The kernel takes programs' times only while somebody asks for it (BPF_ENABLE_STATS), of all programs
of the machine, and that slows every one of them down: so it is done by samples of a second, on
request. Where the process dies in one, the kernel stops taking times with its last descriptor.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dataplane.kernel import bpfcall
from dataplane.kernel.bpfcall import RunTime
from dataplane.model.errors import UnsupportedError

SAMPLE = 1.0  # seconds
OVER = 2  # windows in a row beyond the budget: one alone is a burst
STATUS = Path("/proc/self/status")
NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramCost:
    """One program in the samples: how often it ran, how long altogether, and once (mean, in ns)."""

    program: str
    runs: int
    nanoseconds: int
    per_run: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What watching cost in a window of `seconds`; with `last` since everything was attached.

    Shares are parts of one CPU (0.02 is 2 %), memory is in octets. `sampled` is for how many seconds
    programs were timed; 0 where they were not, and `programs_share` is None then.
    """

    kind: Literal["cost"] = "cost"
    time_ns: int
    last: bool = False
    seconds: float
    cpu_seconds: float
    cpu_share: float
    programs_share: float | None
    share: float
    resident: int
    peak: int
    sampled: float
    programs: tuple[ProgramCost, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """Watching cost more than was allowed, so it ends: shares of one CPU, over `seconds`."""

    kind: Literal["over-budget"] = "over-budget"
    time_ns: int
    budget: float
    share: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The process' own books: when, CPU time in s, resident memory now and at most in octets."""

    time_ns: int
    cpu: float
    resident: int
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Programs' books over so many seconds, summed up by name."""

    seconds: float
    programs: Mapping[str, RunTime]

    def __add__(self, other: "Sample") -> "Sample":
        """Return both together."""
        none = RunTime(runs=0, nanoseconds=0, missed=0)
        return Sample(
            seconds=self.seconds + other.seconds,
            programs={
                name: _sum(self.programs.get(name, none), other.programs.get(name, none))
                for name in self.programs.keys() | other.programs.keys()
            },
        )


NOTHING = Sample(seconds=0.0, programs={})


def account(before: Reading, now: Reading, sample: Sample, *, last: bool = False) -> Cost:
    """Return the cost between two readings, with what was sampled meanwhile."""
    seconds = max(now.time_ns - before.time_ns, 1) / NS
    spent = now.cpu - before.cpu
    total = sum(one.nanoseconds for one in sample.programs.values())
    programs = total / NS / sample.seconds if sample.seconds else None
    return Cost(
        time_ns=now.time_ns,
        last=last,
        seconds=round(seconds, 3),
        cpu_seconds=round(spent, 3),
        cpu_share=round(spent / seconds, 6),
        programs_share=None if programs is None else round(programs, 6),
        share=round(spent / seconds + (programs or 0.0), 6),
        resident=now.resident,
        peak=now.peak,
        sampled=round(sample.seconds, 3),
        programs=tuple(
            ProgramCost(
                program=name,
                runs=one.runs,
                nanoseconds=one.nanoseconds,
                per_run=round(one.nanoseconds / one.runs, 1),
            )
            for name, one in sorted(sample.programs.items())
            if one.runs
        ),
    )


@dataclass(slots=True)
class Budget:
    """How much of one CPU watching may cost, and for how long it has cost more."""

    share: float
    _over: list[Cost] = field(default_factory=list)

    def exceeded(self, cost: Cost) -> OverBudget | None:
        """Take the next window into account; an answer when the last `OVER` ones were all beyond it."""
        self._over = [*self._over, cost] if cost.share > self.share else []
        if len(self._over) < OVER:
            return None
        seconds = sum(one.seconds for one in self._over)
        return OverBudget(
            time_ns=cost.time_ns,
            budget=self.share,
            share=round(sum(one.share * one.seconds for one in self._over) / seconds, 6),
            seconds=round(seconds, 3),
        )


class Meter:
    """Measures what watching costs, from when it was made. `programs` are descriptors by name."""

    def __init__(self, programs: Callable[[], Mapping[str, int]]) -> None:
        self._programs = programs
        self._first = self._before = reading()
        self._samples = self._latest = NOTHING

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Have the kernel take the times of programs while the body runs, and keep ours."""
        descriptor = bpfcall.take_run_times()
        try:
            begin, before = time.monotonic_ns(), self._times()
            yield
            seconds = (time.monotonic_ns() - begin) / NS
            after = self._times()
        finally:
            os.close(descriptor)
        self._latest = Sample(
            seconds=seconds,
            programs={name: _sum(now, before[name], -1) for name, now in after.items()},
        )
        self._samples += self._latest

    def window(self) -> Cost:
        """Return the cost since the last window, with the last sample."""
        before, self._before = self._before, reading()
        return account(before, self._before, self._latest)

    def total(self) -> Cost:
        """Return the cost since the beginning, with all samples."""
        return account(self._first, reading(), self._samples, last=True)

    def _times(self) -> dict[str, RunTime]:
        return {name: bpfcall.run_time(number) for name, number in self._programs().items()}


def require_run_times() -> None:
    """Raise UnsupportedError where the kernel does not take the times of programs on request."""
    try:
        os.close(bpfcall.take_run_times())
    except OSError as failure:
        raise UnsupportedError(
            "measuring what programs cost", needs="Linux 5.8 or newer, and root", found=str(failure)
        ) from failure


def reading() -> Reading:
    """Read the books of this process."""
    memory = dict(
        line.split(":", 1) for line in STATUS.read_text().splitlines() if line.startswith("Vm")
    )
    return Reading(
        time_ns=time.monotonic_ns(),
        cpu=time.process_time(),
        resident=_octets(memory.get("VmRSS", "0 kB")),
        peak=_octets(memory.get("VmHWM", "0 kB")),
    )


def _octets(words: str) -> int:
    return int(words.split(maxsplit=1)[0]) * 1024


def _sum(one: RunTime, other: RunTime, sign: int = 1) -> RunTime:
    return RunTime(
        runs=one.runs + sign * other.runs,
        nanoseconds=one.nanoseconds + sign * other.nanoseconds,
        missed=one.missed + sign * other.missed,
    )
