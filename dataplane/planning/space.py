"""Address space with a memory: what is taken, and the next network that is free."""

from collections.abc import Iterable
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Network


def number(*parts: object) -> int:
    """Return a number that depends on `parts` alone, the same on every machine (64 bit)."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


class Space:
    """The networks that are in use. Families do not meet."""

    def __init__(self) -> None:
        self._taken: list[tuple[int, int, int]] = []

    def take(self, network: Network) -> None:
        """Mark a network as used."""
        self._taken.append((network.version, int(network[0]), int(network[-1])))

    def is_free(self, network: Network) -> bool:
        """Tell whether nothing in use touches `network`."""
        return self._last_conflict(network.version, int(network[0]), int(network[-1])) is None

    def first_free(self, parent: Network, length: int, *, start: int = 0) -> Network | None:
        """Return the first free subnet of `length` bits from number `start` on, wrapping around.

        The subnet is taken; None when the parent has none left.
        """
        if length < parent.prefixlen:
            return None
        count = 1 << length - parent.prefixlen
        size = 1 << parent.max_prefixlen - length
        base = int(parent[0])
        first = start % count
        for low, high in ((first, count), (0, first)):
            index = low
            while index < high:
                begin = base + index * size
                end = self._last_conflict(parent.version, begin, begin + size - 1)
                if end is None:
                    found = _network(parent, begin, length)
                    self.take(found)
                    return found
                index = (end - base) // size + 1
        return None

    def first_of(
        self, parents: Iterable[Network], length: int, *, start: int = 0
    ) -> Network | None:
        """Return the first free subnet of the first parent that has one."""
        for parent in parents:
            found = self.first_free(parent, length, start=start)
            if found is not None:
                return found
        return None

    def _last_conflict(self, version: int, begin: int, end: int) -> int | None:
        """Return the last address of what is in the way, None when nothing is."""
        return max(
            (
                last
                for used, first, last in self._taken
                if used == version and first <= end and begin <= last
            ),
            default=None,
        )


def _network(parent: Network, begin: int, length: int) -> Network:
    if isinstance(parent, IPv4Network):
        return IPv4Network((begin, length))
    return IPv6Network((begin, length))
