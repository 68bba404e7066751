"""Processes inside a namespace and a control group, which never outlive the one that started them."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM
from typing import Self

from dataplane.kernel import netns
from dataplane.model.errors import LabFailedError, UnsupportedError

ENTER = Path(__file__).with_name("enter.py")
# Where distributions keep daemons; not every root's PATH has them.
PROGRAMS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")
POLL = 0.01  # seconds between two looks at a process that gives no sign of being ready
TAIL, LINES = 4096, 8  # of a log, that an error quotes
ENDED = (-SIGINT, -SIGTERM, -SIGHUP)  # return codes of who was told to end


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a process runs. `binds` are (source, target) mounts that only it sees."""

    netns: Path | None = None
    cgroup: Path | None = None
    binds: tuple[tuple[Path, Path], ...] = ()

    def command(self, argv: Sequence[str], *, parent: int | None = None) -> list[str]:
        """Return the command that enters this place and becomes `argv`; it dies with `parent`."""
        wishes = [] if parent is None else [f"parent={parent}"]
        if self.cgroup is not None:
            wishes.append(f"cgroup={self.cgroup}")
        if self.netns is not None:
            wishes.append(f"netns={self.netns}")
        wishes += [f"bind={source}:{target}" for source, target in self.binds]
        return [sys.executable, "-I", "-S", str(ENTER), *wishes, "--", *argv]


class Process:
    """A running program with its output in a log file. Start it from the event loop's own thread.

    The kernel kills it when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG), so a
    worker thread that is thrown away must not be that thread.
    """

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, child: asyncio.subprocess.Process
    ) -> None:
        self.name, self.argv, self.log = name, tuple(argv), log
        self._child = child
        self._stopped = False

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        place: Placement,
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a program; its standard output and error go to `log` (created with mode 0600)."""
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            child = await asyncio.create_subprocess_exec(
                *place.command(argv, parent=os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
                cwd="/",
                process_group=0,  # Ctrl-C is for us alone: who else dies of it is no news
            )
        finally:
            os.close(output)
        return cls(name, argv, log, child)

    @property
    def pid(self) -> int:
        """Return the process id; the wrapper becomes the program, so it is the program's own."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """Return the exit code, None while it runs, minus the signal's number when one ended it."""
        return self._child.returncode

    @property
    def died(self) -> bool:
        """Return whether the program ended without having been told to."""
        return self.returncode is not None and not self._stopped

    async def ready(
        self, sign: Callable[[], Awaitable[bool]], *, seconds: float, what: str = ""
    ) -> None:
        """Wait until `sign()` is true; LabFailedError when the program ends first or time is up.

        `what` is added to "was not ready" (" on 2001:db8::1").
        """
        end = asyncio.get_running_loop().time() + seconds
        while not await sign():
            with suppress(TimeoutError):
                # Sooner or later one of the two happens: it ends, or it is asked again.
                await asyncio.wait_for(self._child.wait(), POLL)
            if self.returncode is not None:
                raise self.failure(f"ended {self.returncode} before it was ready")
            if asyncio.get_running_loop().time() > end:
                raise self.failure(f"was not ready{what} within {seconds:g} s")

    async def stop(self, *, grace: float = 2.0) -> None:
        """Ask the program to end, kill it after `grace` seconds, and wait until it is gone."""
        self._stopped = True
        try:
            if self.returncode is None:
                with suppress(ProcessLookupError):
                    self._child.send_signal(SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._child.wait(), grace)
        finally:
            if self.returncode is None:
                with suppress(ProcessLookupError):
                    self._child.send_signal(SIGKILL)
        await self._child.wait()

    def tail(self) -> str:
        """Return the last lines of the log."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL))
            words = log.read().decode(errors="replace").strip()
            return "\n".join(words.splitlines()[-LINES:])
        return ""

    def failure(self, what: str) -> LabFailedError:
        """Return an error that says what went wrong with this program, with its last words."""
        return LabFailedError(
            self.name, f"{self.argv[0]} {what}", stderr=self.tail(), log=str(self.log)
        )


def find(program: str, *, package: str) -> str:
    """Return a program's path; UnsupportedError, naming the distribution's package, when there is none."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *PROGRAMS))
    found = shutil.which(program, path=path)
    if found is None:
        raise UnsupportedError(
            f"program {program}",
            needs=f"the distribution's package {package}",
            found="no such program",
        )
    return found


def run(argv: Sequence[str], *, namespace: str, given: str = "", seconds: float = 60.0) -> str:
    """Run a short-lived program inside a namespace (by name) and return its standard output.

    It blocks: use `asyncio.to_thread`. LabFailedError when it ends with an error or takes too long.
    """

    def inside() -> subprocess.CompletedProcess[str]:
        # A child starts in the namespace of the thread that starts it. Ctrl-C is not for it: what
        # is being built is taken down in order by whoever builds it.
        return subprocess.run(
            argv,
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            process_group=0,
        )

    try:
        done = netns.call(namespace, inside)
        if done.returncode in ENDED:
            # Until it has a group of its own, a signal to all of ours ends it before it has begun.
            done = netns.call(namespace, inside)
    except subprocess.TimeoutExpired as failure:
        raise LabFailedError(namespace, " ".join(argv), stderr=str(failure)) from failure
    if done.returncode:
        raise LabFailedError(namespace, " ".join(argv), stderr=done.stderr)
    return done.stdout
