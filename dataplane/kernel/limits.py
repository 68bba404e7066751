"""What bounds this process on this machine, read from files: lockdown, memory of its group, AppArmor.

Nothing is tried here. `root` is where the files are; the functions read the same tree elsewhere.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dataplane.model.errors import UnsupportedError

ROOT = Path("/")
UNLIMITED = 1 << 60  # what version 1 writes for no limit is near 2^63
CONFIDENTIALITY = "confidentiality"


def lockdown(root: Path = ROOT) -> str:
    """Return the mode of the kernel's lockdown (kernel_lockdown.7): none, integrity, confidentiality.

    "none" as well where the kernel has none, or its securityfs cannot be seen.
    """
    with suppress(OSError):
        words = (root / "sys/kernel/security/lockdown").read_text().split()
        return next((word.strip("[]") for word in words if word.startswith("[")), "none")
    return "none"


def require_reading(what: str, root: Path = ROOT) -> None:
    """Raise UnsupportedError where no program may read the kernel's memory (bpf_probe_read_kernel)."""
    if lockdown(root) == CONFIDENTIALITY:
        raise UnsupportedError(
            what,
            needs="a kernel that lets programs read its memory",
            found="lockdown=confidentiality forbids it",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit:
    """The tightest limit on the memory of this process' control groups, in octets, and what is left."""

    limit: int
    room: int
    group: str


def memory_limit(root: Path = ROOT) -> MemoryLimit | None:
    """Return the limit that leaves least room, of the own group or one above it; None without any."""
    found = [limit for directory in _memory_groups(root) if (limit := _limit(directory, root))]
    return min(found, key=lambda one: one.room, default=None)


def _memory_groups(root: Path) -> Iterator[Path]:
    """Yield the directories of the own groups that bound memory, from the own one upwards.

    A container that has a namespace of control groups calls its own "/"; one that has none sees the
    host's path, and a mount whose root is that very path.
    """
    with suppress(OSError):
        own = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
        for number, controllers, path in own:
            version = 2 if number == "0" else 1
            if version == 1 and "memory" not in controllers.split(","):
                continue
            for mounted, point in _mounts(mounts, version):
                group = root / point.lstrip("/")
                inner = path.removeprefix(mounted.rstrip("/")) if path.startswith(mounted) else "/"
                below = group / inner.lstrip("/")
                yield from (one for one in (below, *below.parents) if one.is_relative_to(group))


def _mounts(mounts: list[str], version: int) -> Iterator[tuple[str, str]]:
    """Yield root and mount point of the hierarchies of that version that may have memory in them."""
    for line in mounts:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if (
            (kind == "cgroup2")
            if version == 2
            else (kind == "cgroup" and "memory" in options.split(","))
        ):
            fields = before.split()
            yield fields[3], fields[4]


def _limit(directory: Path, root: Path) -> MemoryLimit | None:
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # no such file, or "max"
            most = int((directory / limit).read_text())
            if most < UNLIMITED:
                used = int((directory / usage).read_text()) - _reclaimable(directory)
                name = str(directory.relative_to(root))
                return MemoryLimit(limit=most, room=max(most - used, 0), group=f"/{name}")
    return None


def _reclaimable(directory: Path) -> int:
    """Return how much is files' pages that nobody uses: the kernel gives them up before it kills."""
    with suppress(OSError, ValueError):
        for line in (directory / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0


def profiles(root: Path = ROOT) -> dict[str, str]:
    """Return the modes of the loaded AppArmor profiles by name; PermissionError for all but root."""
    found = {}
    with suppress(FileNotFoundError):
        for line in (root / "sys/kernel/security/apparmor/profiles").read_text().splitlines():
            name, _, mode = line.rpartition(" (")
            found[name] = mode.rstrip(")")
    return found


def confined(root: Path = ROOT) -> tuple[str, str]:
    """Return the AppArmor profile and its mode that this process runs under; both empty for none."""
    for name in ("attr/apparmor/current", "attr/current"):
        with suppress(OSError):
            words = (root / "proc/self" / name).read_text().strip("\0\n ")
            profile, _, mode = words.rpartition(" (")
            return (profile, mode.rstrip(")")) if profile else ("", "")
    return "", ""
