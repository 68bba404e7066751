"""Running a coroutine as a verb: a signal ends it, everything unwinds, the exit code says so.

SIGINT is Ctrl-C, SIGTERM a service's end, SIGHUP a terminal that was closed (unless `nohup` has
it ignored).
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from dataplane.commands.verb import Exit, say
from dataplane.model.errors import LabFailedError

SIGNALS = {
    signal.SIGINT: Exit.INTERRUPTED,
    signal.SIGTERM: Exit.TERMINATED,
    signal.SIGHUP: Exit.HUNG_UP,
}


class Ending:
    """How a verb is ended from outside: by cancelling it, or gently while it waits for just that."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._task = asyncio.current_task()
        self._waiting: asyncio.Event | None = None

    def come(self, number: signal.Signals) -> None:
        """Take a signal; only the first one counts: more of them would only leave things behind."""
        if self.signal is not None:
            return
        self.signal = number
        if self._waiting is not None:
            self._waiting.set()
        elif self._task is not None:
            with suppress(OSError):  # the terminal may be what has gone
                say(f"sixscope: {number.name}: taking everything down")
            self._task.cancel()

    def enough(self) -> None:
        """End what waits here, as when its time is over."""
        if self._waiting is not None:
            self._waiting.set()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until a signal comes, or that many seconds have passed; either is a good end."""
        self._waiting = asyncio.Event()
        try:
            if self.signal is None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._waiting.wait(), seconds)
        finally:
            self._waiting = None


def run_async(main: Callable[[Ending], Coroutine[Any, Any, int]]) -> int:
    """Run a verb's coroutine to its end and return its exit code.

    After a signal that is the signal's own code, once everything that was built is taken down.
    """
    endings: list[Ending] = []

    async def guarded() -> int:
        ending = Ending()
        endings.append(ending)
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue
            loop.add_signal_handler(number, ending.come, number)
        return await main(ending)

    try:
        code = asyncio.run(guarded())
    except asyncio.CancelledError:
        code = Exit.INTERRUPTED
    except Exception as failure:
        # What is told to end in the middle of something may fail at it; the code is the signal's.
        if not endings or endings[0].signal is None:
            raise
        kind = "" if isinstance(failure, LabFailedError) else f"{type(failure).__name__}: "
        say(f"sixscope: on the way out: {kind}{failure}")
        code = Exit.UNKNOWN
    came = endings[0].signal if endings else None
    return code if came is None else SIGNALS[came]
