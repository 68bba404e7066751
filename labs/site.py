"""Where a run lives: the names of its namespaces, control groups and files. No effects."""

import re
from dataclasses import dataclass
from pathlib import Path

from dataplane.kernel import netns
from dataplane.kernel.process import Placement

RUNS = Path("/run/sixscope")
RUN_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
# Names come from plans, which come from manifests: what is no plain name becomes no path.
MEMBER_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The places of one run. `directory` is the run's own, `cgroup` the root of its subtree."""

    run: str
    directory: Path
    cgroup: Path

    def namespace(self, member: str) -> str:
        """Return the mounted name of a member's network namespace (`sx-RUN-pod-a`)."""
        return namespace_name(self.run, member)

    def cgroup_of(self, member: str) -> Path:
        """Return the control group that a member's processes live in."""
        return self.cgroup / checked(member, MEMBER_NAME)

    def file(self, name: str) -> Path:
        """Return a path inside the run's directory."""
        return self.directory / name

    def placement(self, member: str, *, binds: tuple[tuple[Path, Path], ...] = ()) -> Placement:
        """Return where a process of this member runs: its namespace and its control group."""
        return Placement(
            netns=netns.path(self.namespace(member)), cgroup=self.cgroup_of(member), binds=binds
        )


def namespace_name(run: str, member: str) -> str:
    """Return how a run's namespace is called in /run/netns."""
    return f"sx-{checked(run, RUN_NAME)}-{checked(member, MEMBER_NAME)}"


def cgroup_name(run: str) -> str:
    """Return how a run's subtree is called below the root of the cgroup2 hierarchy."""
    return f"sixscope-{checked(run, RUN_NAME)}"


def checked(name: str, pattern: re.Pattern[str]) -> str:
    """Return the name; ValueError when it could become something else than a plain name."""
    if not pattern.fullmatch(name):
        raise ValueError(f"{name!r}: not a name (wanted: {pattern.pattern})")
    return name
