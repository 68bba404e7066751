"""Server-sent events (WHATWG HTML, "Server-sent events"): what happens, as it happens."""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import hdrs, web

from dataplane.api.books import Books
from dataplane.api.documents import encode_small
from dataplane.api.events import Event, Journal, LaggedError, Subscription
from dataplane.api.guard import problem_response
from dataplane.api.settings import Settings

AT_ONCE = 64  # events that go into one write
RETRY = 2000  # milliseconds after which a reader comes back


class Streams:
    """The readers of events. Never more than half of all connections: the rest stay for questions."""

    def __init__(self, journal: Journal, settings: Settings, books: Books) -> None:
        self._journal, self._settings, self._books = journal, settings, books
        self._most = max(1, settings.max_connections // 2)
        self._open: set[Subscription] = set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream events until there are none any more, the reader leaves or falls behind."""
        after = request.headers.get("Last-Event-ID")
        if self._journal.finished(after):
            return web.Response(status=HTTPStatus.NO_CONTENT)  # tells the reader to stay away
        if len(self._open) >= self._most:
            detail = f"{self._most} readers of events are here already; come back later"
            return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "5"})
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
        response.force_close()  # its end is the connection's end
        with self._journal.subscribe(after, capacity=self._settings.event_queue) as subscription:
            self._open.add(subscription)
            self._books.streams = len(self._open)
            try:
                await self._feed(request, response, subscription)
            except (LaggedError, TimeoutError):
                self._books.dropped_streams += 1
                if request.transport:
                    request.transport.abort()
            finally:
                self._open.discard(subscription)
                self._books.streams = len(self._open)
        return response

    def end(self) -> None:
        """Let every reader go: the endpoint closes."""
        for subscription in self._open:
            subscription.end()

    async def _feed(
        self, request: web.Request, response: web.StreamResponse, subscription: Subscription
    ) -> None:
        await response.prepare(request)
        await self._write(response, f"retry: {RETRY}\n\n".encode() + _gap(subscription.missed))
        while True:
            events: tuple[Event, ...] | None = None
            try:
                async with asyncio.timeout(self._settings.heartbeat):
                    events = await subscription.take(AT_ONCE)
            except TimeoutError:
                await self._write(response, b": still here\n\n")
                continue
            if not events:
                break
            await self._write(response, encoded(events))
        async with asyncio.timeout(self._settings.write_timeout):
            await response.write_eof()

    async def _write(self, response: web.StreamResponse, chunk: bytes) -> None:
        async with asyncio.timeout(self._settings.write_timeout):
            await response.write(chunk)


def encoded(events: Iterable[Event]) -> bytes:
    """Return events on the wire. JSON has no line break outside its strings, and none inside."""
    return b"".join(
        f"id: {event.id}\nevent: {event.name}\ndata: ".encode()
        + encode_small(event.value)
        + b"\n\n"
        for event in events
    )


def _gap(missed: int | None) -> bytes:
    """Say how many events a returning reader has missed for good; null when nobody can tell."""
    return (
        b"" if missed == 0 else b"event: gap\ndata: " + encode_small({"missed": missed}) + b"\n\n"
    )
