"""Network namespaces: create, remove, enter. Entering happens on a thread that is thrown away.

`setns` changes one thread only, so nothing here ever touches the caller's thread: a thread that
came back from a namespace in a wrong state can never be handed out again.
"""

import ctypes
import fcntl
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

DIRECTORY = Path("/run/netns")
CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 0x100000
MNT_DETACH = 2
SO_NETNS_COOKIE = 71  # include/uapi/asm-generic/socket.h

P = ParamSpec("P")
T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> Path:
    """Return where the namespace of that name is mounted (as `ip netns` has it)."""
    return DIRECTORY / name


def names(prefix: str = "") -> Iterator[str]:
    """Yield the names of the mounted namespaces that begin with `prefix`."""
    if DIRECTORY.is_dir():
        yield from sorted(
            entry.name for entry in DIRECTORY.iterdir() if entry.name.startswith(prefix)
        )


def create(name: str) -> None:
    """Create a namespace and mount it under its name; FileExistsError when the name is taken."""
    create_each([name])


def create_each(many: Iterable[str], inside: Callable[[str], None] | None = None) -> None:
    """Create namespaces one after the other and call `inside(name)` within each.

    One thread walks through all of them: a thread per namespace would cost more than the
    namespace. What exists when an error comes stays; the caller knows the names and removes them.
    """
    _share_directory()

    def walk() -> None:
        for name in many:
            target = path(name)
            os.close(os.open(target, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o000))
            try:
                _check(_libc.unshare(CLONE_NEWNET), "unshare a network namespace")
                _mount("/proc/thread-self/ns/net", str(target), MS_BIND)
            except BaseException:
                target.unlink()
                raise
            if inside is not None:
                inside(name)

    _on_own_thread(walk)


def remove(name: str) -> None:
    """Unmount a namespace and forget its name; nothing happens when there is none."""
    target = path(name)
    _libc.umount2(os.fsencode(target), MNT_DETACH)
    with suppress(FileNotFoundError):
        target.unlink()


def call(where: str | Path | int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function inside a namespace (a name, a path or a descriptor) and return its result.

    Sockets opened inside stay there, and so do processes started there. The caller waits; from a
    coroutine use `asyncio.to_thread`.
    """

    def enter_and_call() -> T:
        enter(where)
        return function(*args, **kwargs)

    return _on_own_thread(enter_and_call)


def call_each(many: Iterable[str], function: Callable[[str], None]) -> None:
    """Call `function(name)` inside each of the namespaces, one after the other, on one thread."""

    def walk() -> None:
        for name in many:
            enter(name)
            function(name)

    _on_own_thread(walk)


def cookie() -> int:
    """Return the cookie of the calling thread's namespace, as eBPF programs know it; 0 for unknown.

    Before Linux 5.14 (commit e8b9eab99232) nobody can tell.
    """
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        octets = probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        return int.from_bytes(octets, sys.byteorder)
    return 0


def enter(where: str | Path | int) -> None:
    """Move the calling thread into a namespace, for good. Only for threads and processes of one's own."""
    if isinstance(where, int):
        _check(_libc.setns(where, CLONE_NEWNET), f"enter the namespace behind descriptor {where}")
        return
    target = path(where) if isinstance(where, str) else where
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(descriptor, CLONE_NEWNET), f"enter {target}")
    finally:
        os.close(descriptor)


def _on_own_thread(function: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as failure:  # noqa: BLE001 - handed over to the caller's thread
            failures.append(failure)

    thread = threading.Thread(target=body, name="netns", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _share_directory() -> None:
    """Make /run/netns a shared mount, as `ip netns add` does, so that every mount namespace sees it.

    Only the kernel knows whether it is one already: `os.path.ismount` cannot see a bind mount of a
    directory onto itself, and each further one would double all mounts below it.
    """
    DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
    directory = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        if _is_mount_point(DIRECTORY):
            return
        _mount(str(DIRECTORY), str(DIRECTORY), MS_BIND | MS_REC)
        _mount("", str(DIRECTORY), MS_SHARED | MS_REC)
    finally:
        os.close(directory)


def _is_mount_point(directory: Path) -> bool:
    # The mount point is the fifth field (proc_pid_mountinfo(5)).
    with Path("/proc/self/mountinfo").open("rb") as mounts:
        wanted = os.fsencode(directory.resolve())
        return any(line.split(b" ", 5)[4] == wanted for line in mounts)


def _mount(source: str, target: str, flags: int) -> None:
    done = _libc.mount(os.fsencode(source), os.fsencode(target), b"none", flags, None)
    _check(done, f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")
