"""What was told already, so that it is told once."""


class Remembered:
    """What was told already, the oldest forgotten when there is too much of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._keys: dict[tuple[object, ...], None] = {}

    def __contains__(self, key: tuple[object, ...]) -> bool:
        return key in self._keys

    def is_new(self, key: tuple[object, ...]) -> bool:
        """Tell whether this was not there yet; now it is."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > self._most:
            del self._keys[next(iter(self._keys))]
        return True
