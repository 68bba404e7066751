"""How long the lab waits for what may never come, on a machine that may be busy with other things."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from labs.client import Deadline


async def patiently(wait: Callable[[], Awaitable[object]], seconds: float) -> bool:
    """Wait for something, and tell whether it came; `wait` may be begun more than once.

    Whoever waits for a CPU is late, not silent: the time is prolonged as that of clients is (see
    `labs.client.Deadline`).
    """
    deadline = Deadline(seconds)
    while True:
        try:
            left = deadline.left()
        except TimeoutError:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await wait()
                return True
