"""What a node's follower counts for whoever watches many nodes: bounded in owners, and only growing."""

from collections import Counter
from collections.abc import Iterable
from threading import Lock

from dataplane.api.source import CROWD, OWNERS, Sighted
from dataplane.model.address import Family


class Sightings:
    """Counts what is told of a node. For any thread."""

    def __init__(self) -> None:
        self._families: tuple[str, ...] = ()
        self._looks = 0
        self._changes: Counter[tuple[str, Family, bool]] = Counter()
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._owners: set[str] = set()
        self._lock = Lock()

    def promise(self, families: Iterable[str]) -> None:
        """Take note of which families the node's pods were promised."""
        self._families = tuple(families)

    def looked(self) -> None:
        """Count a look that was finished."""
        with self._lock:
            self._looks += 1

    def changed(self, owner: str, family: Family, *, designed: bool) -> None:
        """Count a source that was changed on the way out."""
        with self._lock:
            self._changes[self._known(owner), family, designed] += 1

    def dropped(self, owner: str, reason: str, packets: int) -> None:
        """Count packets that the kernel gave up."""
        with self._lock:
            self._dropped[self._known(owner), reason] += packets

    def sighted(self) -> Sighted:
        """Return the counts."""
        with self._lock:
            return Sighted(
                families=self._families,
                looks=self._looks,
                changes=dict(sorted(self._changes.items())),
                dropped=dict(sorted(self._dropped.items())),
            )

    def _known(self, owner: str) -> str:
        if owner in self._owners:
            return owner
        if len(self._owners) < OWNERS:
            self._owners.add(owner)
            return owner
        return CROWD
