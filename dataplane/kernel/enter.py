"""Enter a cgroup, a network namespace and a mount namespace of one's own, then become a program.

Run as a script (`python3 -I -S enter.py KEY=VALUE... -- PROGRAM ARGUMENT...`), so it imports nothing
but the standard library. Keys: `parent` (process to die with), `cgroup`, `netns` (paths), `bind`
(SOURCE:TARGET, repeatable; the first one makes the mount namespace private). Ends 126
with one line on stderr when it cannot, 127 when there is no such program.

`ip netns exec` is no replacement: it mounts a fresh /sys, which hides the cgroup tree.
"""

import contextlib
import ctypes
import os
import signal
import sys

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 0x80000
PR_SET_PDEATHSIG = 1
CANNOT, NOT_FOUND = 126, 127  # as shells have it

_libc = ctypes.CDLL(None, use_errno=True)


def main(arguments: list[str]) -> None:
    """Do what the arguments say; does not return when that works."""
    border = arguments.index("--")
    wishes = [argument.partition("=")[::2] for argument in arguments[:border]]
    program = arguments[border + 1 :]
    for key, value in wishes:
        if key == "parent":
            _die_with(int(value))
        elif key == "cgroup":
            _join_cgroup(value)
        elif key == "netns":
            _join_network_namespace(value)
    binds = [value.split(":", 1) for key, value in wishes if key == "bind"]
    if binds:
        _check(_libc.unshare(CLONE_NEWNS), "unshare the mount namespace")
        # Slave, not private: a namespace that is unmounted outside must not be kept alive in here.
        _mount("", "/", MS_REC | MS_SLAVE)
        for source, target in binds:
            _mount(source, target, MS_BIND)
    # Python ignores these two for itself, and an ignored signal is inherited.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 - a shell is just what must not stand between
    except OSError as failure:
        sys.stderr.write(f"enter: {program[0]}: {failure.strerror}\n")
        sys.exit(NOT_FOUND if isinstance(failure, FileNotFoundError) else CANNOT)


def _die_with(parent: int) -> None:
    # The signal comes when the *thread* that started this process ends: start from one that stays.
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "tie the process to its parent")
    if os.getppid() != parent:
        sys.exit(CANNOT)


def _join_cgroup(path: str) -> None:
    with open(path + "/cgroup.procs", "w", encoding="ascii") as members:  # noqa: PTH123 - pathlib costs 5 ms of start
        members.write("0")


def _join_network_namespace(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    _check(_libc.setns(descriptor, CLONE_NEWNET), f"enter {path}")
    os.close(descriptor)


def _mount(source: str, target: str, flags: int) -> None:
    done = _libc.mount(os.fsencode(source), os.fsencode(target), b"none", flags, None)
    _check(done, f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot {what}: {os.strerror(number)}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            main(sys.argv[1:])
        except OSError as failure:
            sys.stderr.write(f"enter: {failure}\n")
    sys.exit(CANNOT)
