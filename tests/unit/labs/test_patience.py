"""Waiting for what may never come: not for ever, and not too short on a busy machine."""

import asyncio
import time

import pytest

from labs import client
from labs.patience import patiently

SHORT = 0.05


async def never() -> None:
    await asyncio.Event().wait()


async def test_what_is_there_has_come():
    async def there() -> None:
        pass

    assert await patiently(there, SHORT)


async def test_what_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr(client, "idle", time.monotonic)  # nothing else runs
    begin = time.monotonic()
    assert not await patiently(never, SHORT)
    assert time.monotonic() - begin >= SHORT


async def test_whoever_waits_for_a_cpu_is_waited_for(monkeypatch):
    monkeypatch.setattr(client, "idle", lambda: 0.0)  # never idle
    late = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * SHORT, late.set)
    assert await patiently(late.wait, SHORT)
    assert not await patiently(never, SHORT)


async def test_what_goes_wrong_is_told():
    async def fails() -> None:
        raise OSError("no such namespace")

    with pytest.raises(OSError, match="no such namespace"):
        await patiently(fails, SHORT)
