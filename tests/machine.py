"""The machine as a test session found it: what has to be there, unchanged, when the session is over.

Read without the project's own code (only /proc, /sys and the distribution's tools), because it
judges that code.
"""

import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.capabilities import BPF_PROG_QUERY, BPF_TCX_EGRESS, BPF_TCX_INGRESS, bpf

TOKEN = "SIXSCOPE_TEST_SESSION"  # noqa: S105 - the name of a variable that marks our processes
OURS = ("sx-", "sixscope")
# Things of these kinds that were there before are of somebody else's lab (only such names are read):
# it ends when its owner likes, and what a dead one has left is swept by any run. Gone is no finding.
OF_LABS = {"network namespace", "cgroup", "run directory", "mount"}
SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/ipv6/neigh/default/gc_thresh3",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/default/accept_dad",
)

State = dict[str, frozenset[str]]


def state() -> State:
    """Return what the machine looks like now, by kind of thing."""
    return {
        "network namespace": _names(Path("/run/netns"), OURS),
        "interface": frozenset(name for _, name in socket.if_nameindex()),
        "nftables table": _lines("nft", "list", "tables"),
        "qdisc": frozenset(
            line.split(" parent ")[0] for line in _lines("tc", "qdisc", "show") if "clsact" in line
        ),
        "TCX program": frozenset(_tcx()),
        "cgroup": frozenset(_cgroups()),
        "run directory": _names(Path("/run/sixscope"), ("",)),
        "mount": frozenset(_mounts()),
        "sysctl": frozenset(f"{name} = {_read(Path('/proc/sys') / name)}" for name in SYSCTLS),
    }


def differences(before: State, after: State) -> list[str]:
    """Return in words what has come and what has gone between two states."""
    words = []
    for kind, was in before.items():
        now = after[kind]
        words += [f"{kind} left behind: {name}" for name in sorted(now - was)]
        if kind not in OF_LABS:
            words += [f"{kind} gone: {name}" for name in sorted(was - now)]
    return words


def processes(token: str) -> dict[int, str]:
    """Return the processes, other than this one, that this session started."""
    return {pid: p.command for pid, p in _every_process().items() if p.belongs_to(token)}


def strangers(token: str) -> dict[int, str]:
    """Return other sixscope and pytest processes: someone else is working on this machine too."""
    every = _every_process()
    above, pid = set(), os.getpid()
    while pid in every:
        above.add(pid)
        pid = every[pid].parent
    return {
        pid: p.command
        for pid, p in every.items()
        if pid not in above and p.is_of_our_kind and not p.belongs_to(token)
    }


def wait_for_end(pids: dict[int, str], seconds: float) -> dict[int, str]:
    """Wait until processes have ended; return those that are still there after `seconds` each."""
    left = {}
    for pid, command in pids.items():
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(seconds * 1000):
                left[pid] = command
            os.close(descriptor)
    return left


def end(pids: dict[int, str]) -> None:
    """Kill processes of this session that have outlived it, after they were reported."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    arguments: tuple[str, ...]
    parent: int
    environment: bytes

    @property
    def command(self) -> str:
        """Return the command line, cut to what a message can bear."""
        return " ".join(self.arguments)[:120]

    @property
    def is_of_our_kind(self) -> bool:
        """Say whether it is a lab, a probe or a test session, whoever started it."""
        names = {Path(word).name for word in self.arguments[:2]}
        modules = set(self.arguments[2:4]) if "-m" in self.arguments[1:3] else set()
        return bool(names & {"sixscope", "pytest"} or modules & {"dataplane", "pytest"})

    def belongs_to(self, token: str) -> bool:
        """Say whether the session of that token started the process (a tracker ends by itself)."""
        mark = f"{TOKEN}={token}".encode()
        return mark in self.environment.split(b"\0") and "resource_tracker" not in self.command


def _every_process() -> dict[int, _Process]:
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):  # it ended while we looked
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            found[int(entry.name)] = _Process(
                arguments=tuple(arguments[:-1]),
                parent=int((entry / "stat").read_text().rpartition(")")[2].split()[1]),
                environment=(entry / "environ").read_bytes(),
            )
    return found


def _names(directory: Path, prefixes: tuple[str, ...]) -> frozenset[str]:
    if not directory.is_dir():
        return frozenset()
    return frozenset(e.name for e in directory.iterdir() if e.name.startswith(prefixes))


def _lines(*command: str) -> frozenset[str]:
    with suppress(FileNotFoundError):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        return frozenset(line.strip() for line in done.stdout.splitlines())
    return frozenset()


def _tcx() -> list[str]:
    """Return the ids of the programs on the host's interfaces (`union bpf_attr`, "query")."""
    found = []
    most = 64
    ids = (ctypes.c_uint32 * most)()
    for index, name in socket.if_nameindex():
        for kind, direction in ((BPF_TCX_INGRESS, "ingress"), (BPF_TCX_EGRESS, "egress")):
            query = struct.pack("<IIIIQII", index, kind, 0, 0, ctypes.addressof(ids), most, 0)
            with suppress(OSError):  # no TCX in this kernel, or not our business
                (count,) = struct.unpack_from("<I", bpf(BPF_PROG_QUERY, query), 4 + 24)
                found += [f"{name} {direction} {number}" for number in ids[:count]]
    return found


def _cgroups() -> list[str]:
    roots = [
        Path(line.split()[1])
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if line.split()[2] in {"cgroup", "cgroup2"}
    ]
    return [
        str(Path(directory) / name)
        for root in roots
        for directory, names, _ in os.walk(root)
        for name in names
        if name.startswith(OURS)
    ]


def _mounts() -> list[str]:
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [
        place
        for place in places
        if any(part.startswith(OURS) for part in Path(place).parts)
        and not place.startswith("/run/netns/")  # listed as namespaces
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as failure:
        return str(failure.strerror)
