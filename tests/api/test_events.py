"""Events reach readers in order; a reader that falls behind is let go, and nobody waits for it."""

import asyncio
import json
import socket
import threading
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from pydantic import TypeAdapter

from dataplane.api.events import HISTORY, Journal, LaggedError
from dataplane.api.live import LiveSource, recorded
from dataplane.api.server import serve
from dataplane.api.settings import Settings
from dataplane.model.answer import RunResult
from dataplane.model.seen import ConnectSeen
from tests.api.samples import (
    HOSTILE,
    NO_SURPRISE,
    REPORTS,
    RESULT,
    answer,
    attempt,
    evidence,
    flow,
    get,
)


class Reader:
    """A reader as a browser has it: fields to the blank line, comments aside."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self.stream, self.comments = stream, []

    async def next(self) -> dict[str, str] | None:
        """Return the next event's fields; None at the end."""
        fields: dict[str, str] = {}
        while True:
            async with asyncio.timeout(20):
                line = (await self.stream.readline()).decode()
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(":")
            if line == "\n" and "event" in fields:
                return fields
            if name:
                fields[name] = value.removeprefix(" ")
            elif value:
                self.comments.append(value)


@asynccontextmanager
async def reading(url: str, after: str | None = None):
    headers = {} if after is None else {"Last-Event-ID": after}
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 20) as client,
        client.get(url + "/api/v1/events", headers=headers) as response,
    ):
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        yield Reader(response.content)


async def joined(source: LiveSource, readers: int = 1) -> None:
    """Wait until the journal has that many readers."""
    async with asyncio.timeout(20):
        while source.journal.readers < readers:
            await asyncio.to_thread(lambda: None)


async def test_events_come_in_order_with_names_and_values():
    source = LiveSource()
    hostile = attempt(2, comm=HOSTILE, owner=HOSTILE)
    values = [flow(), attempt(1), hostile, REPORTS[0], answer(), RESULT]
    async with serve(source, NO_SURPRISE) as endpoint, reading(endpoint.urls[0]) as reader:
        await joined(source)
        for value in values:
            source.publish(value)
        source.close()
        events = [await reader.next() for _ in values]
        assert await reader.next() is None
    assert [event["event"] for event in events] == [
        "flow",
        "connect",
        "connect",
        "report",
        "answer",
        "run",
    ]
    assert [int(event["id"].partition("-")[2]) for event in events] == [1, 2, 3, 4, 5, 6]
    assert TypeAdapter(ConnectSeen).validate_json(events[2]["data"]) == hostile
    assert TypeAdapter(RunResult).validate_json(events[5]["data"]) == RESULT


async def test_text_that_is_no_unicode_is_served_all_the_same():
    source = LiveSource()
    source.publish(attempt(1, comm="na\udcefve"))
    async with serve(source, NO_SURPRISE) as endpoint:
        status, body, _ = await get(endpoint.urls[0] + "/api/v1/connects")
    expected = evidence().connects[1]
    document = json.loads(body)
    assert status == 200
    [one] = TypeAdapter(tuple[ConnectSeen, ...]).validate_python(document["connects"])
    assert one == replace(expected, comm="na?ve")


async def test_a_reader_who_returns_goes_on_where_it_was():
    source = LiveSource()
    async with serve(source, NO_SURPRISE) as endpoint:
        async with reading(endpoint.urls[0]) as reader:
            await joined(source)
            source.publish(attempt(0))
            last = (await reader.next())["id"]
        for number in range(1, 4):
            source.publish(attempt(number))
        async with reading(endpoint.urls[0], after=last) as reader:
            numbers = [json.loads((await reader.next())["data"])["time_ns"] for _ in range(3)]
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize(
    ("after", "missed", "first"),
    [
        ("{}-2", 10 - 2 - 4, 6),
        ("elsewhere-1", None, 10),
        ("nonsense", None, 10),
        ("{}-99", None, 10),
    ],
)
async def test_a_gap_is_said(after, missed, first):
    source = LiveSource(history=4)
    source.journal._name = name = "0a1b2c3d"
    for number in range(10):
        source.publish(attempt(number))
    async with (
        serve(source, NO_SURPRISE) as endpoint,
        reading(endpoint.urls[0], after.format(name)) as reader,
    ):
        gap = await reader.next()
        await joined(source)
        source.publish(attempt(10))
        following = await reader.next()
    assert gap["event"] == "gap"
    assert json.loads(gap["data"]) == {"missed": missed}
    assert json.loads(following["data"])["time_ns"] == first


async def test_a_finished_run_is_told_once_and_then_never_again():
    async with serve(recorded(evidence(), RESULT), NO_SURPRISE) as endpoint:
        async with reading(endpoint.urls[0]) as reader:
            events = [await reader.next() for _ in range(5)]
            assert await reader.next() is None
        assert events[-1]["event"] == "run"
        again = {"Last-Event-ID": events[-1]["id"]}
        status, body, _ = await get(endpoint.urls[0] + "/api/v1/events", again)
    assert (status, body) == (204, b"")


async def test_silence_is_filled_with_comments():
    source = LiveSource()
    settings = Settings(port=0, heartbeat=0.05, idle_timeout=0.1)
    async with serve(source, settings) as endpoint, reading(endpoint.urls[0]) as reader:
        await joined(source)
        async with asyncio.timeout(20):
            while (await reader.stream.readline()) != b": still here\n":
                pass
            while (await reader.stream.readline()) != b": still here\n":
                pass
        source.publish(attempt(5))
        assert (await reader.next())["event"] == "connect"


async def test_a_slow_reader_is_dropped_and_counted_and_nobody_waits():
    source = LiveSource()
    settings = Settings(port=0, write_timeout=0.5, event_queue=64)
    big = replace(RESULT, scenario="x" * 50_000)
    async with serve(source, settings) as endpoint, asyncio.timeout(60):
        loop = asyncio.get_running_loop()
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.settimeout(0)
            await loop.sock_connect(slow, ("127.0.0.1", endpoint.port))
            request = b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
            await loop.sock_sendall(slow, request)
            await joined(source)
            async with reading(endpoint.urls[0]) as brisk:
                await joined(source, 2)
                published = 0
                while not endpoint.books.dropped_streams:
                    published += 1
                    source.publish(big)
                    assert (await brisk.next())["id"].endswith(f"-{published}")
                source.publish(attempt(7))
                assert (await brisk.next())["event"] == "connect"
                assert source.journal.readers == 1
                metrics = (await get(endpoint.urls[0] + "/metrics"))[1].decode()
        assert 'sixscope_api_dropped_readers_total{kind="events"} 1\n' in metrics
        assert "sixscope_api_event_readers 1\n" in metrics
        assert source.journal.published == published + 1


async def test_readers_of_events_leave_room_for_questions():
    source = LiveSource()
    settings = Settings(port=0, max_connections=5)
    async with (
        serve(source, settings) as endpoint,
        reading(endpoint.urls[0]),
        reading(endpoint.urls[0]),
    ):
        await joined(source, 2)
        status, body, headers = await get(endpoint.urls[0] + "/api/v1/events")
        assert status == 503
        assert headers["Retry-After"]
        assert "2 readers" in json.loads(body)["detail"]
        assert (await get(endpoint.urls[0] + "/healthz"))[0] == 200


async def test_a_reader_who_leaves_is_forgotten():
    source = LiveSource()
    async with serve(source, NO_SURPRISE) as endpoint:
        async with reading(endpoint.urls[0]):
            await joined(source)
        async with asyncio.timeout(20):
            while source.journal.readers:
                await asyncio.to_thread(lambda: None)
        assert endpoint.books.streams == 0
        assert endpoint.books.dropped_streams == 0


async def test_a_full_queue_lets_go_of_the_reader_and_not_of_the_producer():
    journal = Journal()
    with journal.subscribe(capacity=3) as slow, journal.subscribe(capacity=10) as brisk:
        for number in range(4):
            journal.publish(attempt(number))
        assert (journal.dropped, journal.readers) == (1, 1)
        with pytest.raises(LaggedError):
            await slow.take()
        assert [event.value.time_ns for event in await brisk.take()] == [0, 1, 2, 3]


async def test_threads_publish_without_losing_or_doubling_anything():
    journal, per_thread = Journal(), 2000

    def produce(first: int) -> None:
        for number in range(first, first + per_thread):
            journal.publish(attempt(number))

    with journal.subscribe(capacity=4 * per_thread) as reader:
        threads = [threading.Thread(target=produce, args=(k * per_thread,)) for k in range(4)]
        for thread in threads:
            thread.start()
        got = []
        async with asyncio.timeout(60):
            while len(got) < 4 * per_thread:
                got += await reader.take()
        for thread in threads:
            thread.join()
    numbers = [event.value.time_ns for event in got]
    assert sorted(numbers) == list(range(4 * per_thread))
    assert [int(event.id.partition("-")[2]) for event in got] == list(range(1, len(got) + 1))
    for k in range(4):
        own = [number for number in numbers if number // per_thread == k]
        assert own == sorted(own)


def test_publishing_to_a_reader_whose_loop_is_gone_drops_it():
    journal = Journal()
    subscription = journal.subscribe(capacity=10)

    async def subscribe() -> None:
        subscription.__enter__()

    asyncio.run(subscribe())
    journal.publish(attempt())
    assert (journal.dropped, journal.readers) == (1, 0)
    subscription.__exit__(None, None, None)


def test_only_so_much_is_remembered():
    journal = Journal()
    for number in range(HISTORY + 10):
        journal.publish(attempt(number))
    assert len(journal._past) == HISTORY
