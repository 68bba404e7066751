"""The claim on a run: a directory, a lock that dies with its owner, and a manifest of what is made.

The manifest is written before anything is made, so that whoever finds the lock free knows all that
a killed owner may have left (`labs.sweep`).
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from dataplane.model.errors import LabFailedError

LOCK, MANIFEST = "lock", "run.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run makes: `namespaces` by mounted name, `cgroup` by its name below the root."""

    run: str
    pid: int
    namespaces: tuple[str, ...]
    cgroup: str

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Read a run's manifest; None when its owner died before it wrote one."""
        try:
            found = json.loads((directory / MANIFEST).read_text())
        except FileNotFoundError:
            return None
        return cls(
            run=found["run"],
            pid=found["pid"],
            namespaces=tuple(found["namespaces"]),
            cgroup=found["cgroup"],
        )

    def write(self, directory: Path) -> None:
        """Write the manifest so that a reader sees all of it or nothing."""
        draft = directory / f"{MANIFEST}.new"
        draft.write_text(json.dumps(asdict(self)))
        draft.rename(directory / MANIFEST)


class Claim:
    """A run's directory (mode 0700) with its lock held."""

    def __init__(self, directory: Path, lock: int) -> None:
        self.directory = directory
        self._lock = lock

    @classmethod
    def take(cls, directory: Path) -> Self:
        """Create the directory and lock it; LabFailedError when the run exists already."""
        with _runs_locked(directory.parent):
            try:
                directory.mkdir(mode=0o700)
            except FileExistsError as failure:
                raise LabFailedError(
                    directory.name,
                    "claiming the run's name",
                    stderr=f"{directory} exists: choose another name, end that run, "
                    "or let `sixscope doctor --sweep` remove what a killed one left",
                ) from failure
            return cls(directory, _locked(directory))

    @classmethod
    def inherit(cls, directory: Path) -> Self | None:
        """Lock what a dead owner left; None while its owner lives or when it is gone."""
        with _runs_locked(directory.parent), suppress(BlockingIOError, FileNotFoundError):
            return cls(directory, _locked(directory))
        return None

    def release(self) -> None:
        """Remove the directory, then give up the lock."""
        runs = self.directory.parent
        with _runs_locked(runs):
            shutil.rmtree(self.directory, ignore_errors=True)
            os.close(self._lock)
            with suppress(OSError):
                runs.rmdir()  # the last one puts out the light


def is_alive(directory: Path) -> bool:
    """Return whether the owner of a run still holds its lock."""
    if not directory.is_dir():
        return False
    with _runs_locked(directory.parent), suppress(FileNotFoundError):
        try:
            os.close(_locked(directory))
        except BlockingIOError:
            return True
    return False


def _locked(directory: Path) -> int:
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(lock)
        raise
    return lock


@contextmanager
def _runs_locked(runs: Path) -> Iterator[None]:
    """Hold the lock on the directory of all runs, so that starting and sweeping do not meet.

    The lock is on the directory itself: it needs no file that would have to stay behind.
    """
    while True:
        runs.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            descriptor = os.open(runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(runs, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Return whether the path leads to what was opened: it may have been removed meanwhile."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
