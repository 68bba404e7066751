"""What a run has left on the machine, read without the project's own code."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def left_of(run: str) -> list[str]:
    """Return in words everything that carries the run's name."""
    found = [f"namespace {name}" for name in _names(Path("/run/netns")) if f"sx-{run}-" in name]
    if (Path("/run/sixscope") / run).exists():
        found.append(f"directory of {run}")
    found += [f"cgroup {path}" for path in _cgroups() if path.endswith(f"/sixscope-{run}")]
    found += [f"process {pid}: {words}" for pid, words in _processes().items() if run in words]
    return found


def gone(look, *, seconds=5):
    """Return whether `look()` becomes empty; the kernel ends orphans in its own time.

    Twice in a row: a process that forks and ends while /proc is being read is seen in neither form.
    """
    end, empty = time.monotonic() + seconds, 0
    while empty < 2:
        empty = 0 if look() else empty + 1
        if time.monotonic() > end:
            return False
    return True


def members(cgroup: Path) -> list[int]:
    """Return the processes of a control group."""
    return [int(word) for word in (cgroup / "cgroup.procs").read_text().split()]


def _names(directory: Path) -> list[str]:
    return [entry.name for entry in directory.iterdir()] if directory.is_dir() else []


def _cgroups() -> list[str]:
    mounts = subprocess.run(
        ["findmnt", "-n", "-o", "TARGET", "-t", "cgroup2"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    return [str(path) for mount in mounts for path in Path(mount).iterdir() if path.is_dir()]


def _processes() -> dict[int, str]:
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "pytest" not in words:
                found[int(entry.name)] = words
    return found
