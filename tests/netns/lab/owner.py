"""Owns a lab until it is ended: what the tests of sudden deaths kill. `owner.py RUN [PODS]`."""

import asyncio
import os
import signal
import sys

from labs.build import Lab
from tests.netns.lab.world import world


async def own(run: str, pods: int) -> None:
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    say("building")
    async with Lab(world(pods=pods, clats=1), run=run):
        say("up")
        await asyncio.get_running_loop().create_future()


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    try:
        asyncio.run(own(sys.argv[1], int(sys.argv[2])))
    except asyncio.CancelledError:
        say("cancelled")
