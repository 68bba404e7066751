"""From the probes to whoever follows a session live: what is new since the last look, and bounded."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from dataplane.api.live import LiveSource
from dataplane.model.seen import ConnectResult, ConnectSeen
from probes.watch import Watch

RESTED = 0.1
INTERVAL = 0.5  # seconds between two looks while a session is followed


class Fresh:
    """Attempts that were not told of before, each once, with its result."""

    def __init__(self) -> None:
        self._told: set[tuple[int, int]] = set()

    def of(self, attempts: Iterable[ConnectSeen], *, last: bool = False) -> Iterator[ConnectSeen]:
        """Yield the attempts that have ended since the last call; with `last`, the pending ones too."""
        for attempt in attempts:
            key = (attempt.socket_cookie, attempt.time_ns)
            if key in self._told or (attempt.result is ConnectResult.PENDING and not last):
                continue
            self._told.add(key)
            yield attempt


def publish_attempts(watch: Watch, source: LiveSource, fresh: Fresh, *, last: bool = False) -> None:
    """Hand the endpoint the attempts that have ended."""
    for attempt in fresh.of(watch.connects(), last=last):
        source.publish(attempt)


@contextmanager
def consumed(watch: Watch) -> Iterator[None]:
    """Have the running loop empty the probes' ring buffers whenever they have something."""
    loop = asyncio.get_running_loop()
    descriptors = watch.descriptors
    for descriptor in descriptors:
        loop.add_reader(descriptor, watch.consume)
    try:
        yield
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)


@asynccontextmanager
async def every(
    seconds: float, look: Callable[[], None], stir: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Call `look` on a thread at intervals while the body runs, and once more when it ends.

    `stir` set makes it look at once; `RESTED` seconds after the last look at the earliest.
    """
    over, stir = asyncio.Event(), stir or asyncio.Event()

    async def repeat() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stir.wait(), seconds)
            stir.clear()
            await asyncio.to_thread(look)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), min(RESTED, seconds))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(repeat())
        try:
            yield
        finally:
            over.set()
            stir.set()
