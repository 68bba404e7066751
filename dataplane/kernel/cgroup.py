"""Control groups, version 2: a subtree per run, in which every process of the run lives."""

import ctypes
import os
import select
import signal
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from dataplane.model.errors import UnsupportedError

# The same numbers on every architecture (include/uapi/asm-generic/unistd.h), since Linux 5.2.
SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT = 430, 431, 432
FSOPEN_CLOEXEC, FSMOUNT_CLOEXEC, FSCONFIG_CMD_CREATE = 1, 1, 6


def root() -> Path:
    """Return a directory that is the root of the version 2 hierarchy.

    That is where it is mounted, by type and not by name (hybrid systems keep it beside version 1).
    Where no writable mount is visible, a detached one is made that no other process sees and that ends with
    this one. UnsupportedError when the kernel gives none.
    """
    visible = _visible()
    # A container may show its hierarchy read-only; a mount of one's own is not.
    return visible if visible is not None and os.access(visible, os.W_OK) else _detached()


def create(name: str) -> Path:
    """Create the subtree `name` below the root; UnsupportedError when cgroups are read-only here."""
    path = root() / name
    try:
        path.mkdir(exist_ok=True)
    except OSError as failure:
        raise UnsupportedError(
            "a control group per pod",
            needs=f"a writable cgroup2 hierarchy at {path.parent}",
            found=failure.strerror or str(failure),
        ) from failure
    return path


def remove(path: Path, *, seconds: float = 5.0) -> None:
    """Kill every process below `path` and remove the subtree; nothing happens when there is none.

    TimeoutError when a process does not die within `seconds`.
    """
    if not path.is_dir():
        return
    kill(path)
    _wait_until_empty(path, time.monotonic() + seconds)
    for directory, _, _ in os.walk(path, topdown=False):
        with suppress(FileNotFoundError):
            Path(directory).rmdir()


def kill(path: Path) -> None:
    """Send SIGKILL to every process of the subtree."""
    switch = path / "cgroup.kill"
    if switch.exists():  # since Linux 5.14 (commit 661ee6280931)
        switch.write_text("1")
        return
    for pid in members(path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def members(path: Path) -> list[int]:
    """List the processes of the subtree."""
    found: list[int] = []
    for directory, _, _ in os.walk(path):
        with suppress(FileNotFoundError):
            lines = (Path(directory) / "cgroup.procs").read_text().split()
            found.extend(int(line) for line in lines)
    return found


def of_process(pid: int) -> Path:
    """Return the version 2 group that a process is in."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            return root() / path.lstrip("/")
    return root()


def _wait_until_empty(path: Path, deadline: float) -> None:
    with (path / "cgroup.events").open("rb", buffering=0) as events:
        changed = select.poll()
        changed.register(events, select.POLLPRI)
        while True:
            events.seek(0)
            if b"populated 0" in events.read(256):
                return
            left = deadline - time.monotonic()
            if left <= 0:
                who = ", ".join(map(str, members(path)))
                raise TimeoutError(f"{path}: killed, but still there: {who}")
            changed.poll(min(left, 0.1) * 1000)
            kill(path)  # a fork may have raced with the first one where cgroup.kill is missing


def _visible() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            # Octal escapes as of proc_pid_mountinfo(5); the mount point is the fifth field.
            return Path(before.split()[4].encode().decode("unicode_escape"))
    return None


@cache
def _detached() -> Path:
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: object) -> int:
        result = int(libc.syscall(number, *arguments))
        if result < 0:
            code = ctypes.get_errno()
            raise UnsupportedError(
                "a control group per pod",
                needs="a visible cgroup2 mount, or the right to mount one (Linux 5.2, CAP_SYS_ADMIN)",
                found=os.strerror(code),
            )
        return result

    context = call(SYS_FSOPEN, b"cgroup2", FSOPEN_CLOEXEC)
    try:
        call(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
        mount = call(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, 0)
    finally:
        os.close(context)
    return Path(f"/proc/{os.getpid()}/fd/{mount}")
