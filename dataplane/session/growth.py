"""How much the kernel's own counts have grown since the last look, by whatever they are told apart."""

from collections.abc import Iterable, Iterator

from dataplane.model.seen import DropSeen


class Growth:
    """Turns the entries of the table of drops into what is new of each. An evicted one begins anew."""

    def __init__(self) -> None:
        self._before: dict[tuple[object, ...], int] = {}
        self._grown: list[tuple[str, str, int]] = []

    def watch(self, drops: Iterable[DropSeen]) -> Iterator[DropSeen]:
        """Hand the drops of one look on, and take note of what is new."""
        now: dict[tuple[object, ...], int] = {}
        for drop in drops:
            key = _key(drop)
            now[key] = drop.packets
            more = drop.packets - self._before.get(key, 0)
            if more < 0:  # it had gone from the table in between
                more = drop.packets
            if more:
                self._grown.append((drop.owner, drop.reason, more))
            yield drop
        self._before = now

    def take(self) -> tuple[tuple[str, str, int], ...]:
        """Return owner, reason and packets of what came since the last call, and forget it."""
        taken, self._grown = tuple(self._grown), []
        return taken


def _key(drop: DropSeen) -> tuple[object, ...]:
    return (
        *(drop.owner, drop.interface, drop.reason, drop.place, drop.protocol),
        *(drop.source, drop.source_port, drop.destination, drop.destination_port),
    )
