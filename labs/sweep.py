"""Remove what killed runs left behind: only runs whose lock is free, and only what is theirs."""

from dataclasses import dataclass
from pathlib import Path

from dataplane.kernel import cgroup, netns
from labs.claim import Claim, Manifest
from labs.site import RUNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was removed of one run."""

    run: str
    namespaces: tuple[str, ...]
    processes: int
    cgroup: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What a sweep did: runs that it removed, and runs that it left because their owner lives."""

    swept: tuple[Swept, ...] = ()
    alive: tuple[str, ...] = ()


def sweep(directory: Path = RUNS, *, run: str | None = None) -> SweepReport:
    """Remove the left-overs of every run below `directory` (or of one) whose owner is dead.

    It blocks for as long as the kernel needs to end the killed processes: from a coroutine use
    `asyncio.to_thread`.
    """
    swept, alive = [], []
    for candidate in sorted(directory.iterdir()) if directory.is_dir() else []:
        if not candidate.is_dir() or (run is not None and candidate.name != run):
            continue
        claim = Claim.inherit(candidate)
        if claim is None:
            alive.append(candidate.name)
        else:
            swept.append(_remove(claim))
    return SweepReport(swept=tuple(swept), alive=tuple(alive))


def _remove(claim: Claim) -> Swept:
    manifest = Manifest.read(claim.directory)
    if manifest is None:
        claim.release()
        return Swept(run=claim.directory.name, namespaces=(), processes=0, cgroup=None)
    group = cgroup.root() / manifest.cgroup
    processes = len(cgroup.members(group))
    existed = group.is_dir()
    cgroup.remove(group)
    mounted = set(netns.names())
    for name in manifest.namespaces:
        netns.remove(name)
    claim.release()
    return Swept(
        run=manifest.run,
        namespaces=tuple(name for name in manifest.namespaces if name in mounted),
        processes=processes,
        cgroup=manifest.cgroup if existed else None,
    )
