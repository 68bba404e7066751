"""Progress on a terminal: one line that is written over. Silent where nobody looks."""

import sys
from types import TracebackType
from typing import Self


class Progress:
    """Shows what is being done on stderr when that is a terminal; leaves nothing behind."""

    def __init__(self, *, enabled: bool | None = None) -> None:
        self._enabled = sys.stderr.isatty() if enabled is None else enabled

    def __call__(self, message: str) -> None:
        """Show a message in place of the one before."""
        if self._enabled:
            sys.stderr.write(f"\r\x1b[K{message} ...")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        """Return the progress itself."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _tb: TracebackType | None,
    ) -> None:
        """Take the last message off the screen."""
        if self._enabled:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
