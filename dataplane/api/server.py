"""The endpoint: put together, opened, and closed again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from aiohttp import web

from dataplane.api import metrics
from dataplane.api.books import Books
from dataplane.api.connections import Gate, listen
from dataplane.api.documents import encode
from dataplane.api.guard import Guard, HttpConnection, problem_response, sign
from dataplane.api.metrics import Measured
from dataplane.api.openapi import description
from dataplane.api.pages import PAGES, StaticPage
from dataplane.api.resources import PREFIX, RESOURCES, AbsentError, Resource, parse_query
from dataplane.api.settings import Settings
from dataplane.api.source import Source
from dataplane.api.stream import Streams

GRACE = 2.0  # seconds that answers under way get when the endpoint closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint that is open. `urls` has one per address, the IPv4 one first."""

    urls: tuple[str, ...]
    port: int
    books: Books


@asynccontextmanager
async def serve(source: Source, settings: Settings) -> AsyncIterator[Endpoint]:
    """Serve a source while the context lasts; it is open when the body begins.

    UnsupportedError when the port is taken or the address is not ours, SettingsError when the
    certificate cannot be used. The body's own errors come out as they are.
    """
    failure: Exception | None = None
    books = Books()
    async with AsyncExitStack() as stack:
        streams = Streams(source.journal, settings, books)
        app = application(source, settings, books, streams)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=GRACE)
        await runner.setup()
        stack.push_async_callback(_clean, runner)
        server = runner.server
        if server is None:  # pragma: no cover - setup makes one
            raise RuntimeError("the HTTP server was not set up")
        gate = Gate(settings, books, partial(HttpConnection, server))
        listeners = [stack.enter_context(listener) for listener in listen(settings)]
        async with asyncio.TaskGroup() as tasks:
            accepting = [tasks.create_task(gate.accept(one, tasks)) for one in listeners]
            names = [listener.getsockname() for listener in listeners]
            hosts = [f"[{name[0]}]" if ":" in name[0] else name[0] for name in names]
            port = names[0][1]
            urls = tuple(f"{settings.scheme}://{host}:{port}" for host in hosts)
            try:
                yield Endpoint(urls=urls, port=port, books=books)
            except Exception as error:  # noqa: BLE001 - out of the task group, or it would be wrapped
                failure = error
            for task in accepting:
                task.cancel()
            await _clean(runner)
            gate.close()
    if failure is not None:
        raise failure


def application(
    source: Source, settings: Settings, books: Books, streams: Streams
) -> web.Application:
    """Return the application behind the connections: every resource, and the guard before them."""
    app = web.Application(middlewares=[Guard(settings, books).middleware])
    for resource in RESOURCES:
        app.router.add_get(
            PREFIX + resource.path, _Document(source, resource).answer, allow_head=False
        )
    plain = {
        f"{PREFIX}/events": streams.answer,
        f"{PREFIX}/openapi.json": _describe,
        "/metrics": _Metrics(source, books).answer,
        "/healthz": _alive,
        "/readyz": _Readiness(source).answer,
    }
    for path, answer in plain.items():
        app.router.add_get(path, answer, allow_head=False)
    for path, (name, content_type) in PAGES.items():
        app.router.add_get(path, StaticPage.load(name, content_type).answer, allow_head=False)
    app.on_response_prepare.append(sign)

    async def let_go(_app: web.Application) -> None:
        streams.end()

    app.on_shutdown.append(let_go)
    return app


@dataclass(frozen=True, slots=True)
class _Document:
    source: Source
    resource: Resource

    async def answer(self, request: web.Request) -> web.Response:
        given = request.query
        query = parse_query(dict(given), self.resource.parameters, len(given))
        try:
            value = await self.resource.read(self.source, query)
        except AbsentError as absence:
            return problem_response(HTTPStatus.NOT_FOUND, str(absence))
        return web.Response(body=await encode(value), content_type="application/json")


@dataclass(frozen=True, slots=True)
class _Metrics:
    source: Source
    books: Books

    async def answer(self, request: web.Request) -> web.Response:
        parse_query(dict(request.query), (), len(request.query))
        measured = Measured(
            answers=self.source.answers(),
            run=self.source.run(),
            taps=self.source.taps(),
            traffic=await self.source.traffic(),
            attempts=self.source.attempts(),
            sighted=self.source.sighted(),
            reports=await self.source.reports(),
            books=self.books,
            published=self.source.journal.published,
        )
        return web.Response(
            body=metrics.render(measured), headers={"Content-Type": metrics.CONTENT_TYPE}
        )


@dataclass(frozen=True, slots=True)
class _Readiness:
    source: Source

    async def answer(self, _request: web.Request) -> web.Response:
        if self.source.ready():
            return web.Response(text="ready\n")
        detail = "the probes are not on yet"
        return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1"})


async def _alive(_request: web.Request) -> web.Response:
    return web.Response(text="alive\n")


async def _describe(_request: web.Request) -> web.Response:
    document = await asyncio.to_thread(description)  # built once, in more time than a loop has
    return web.Response(body=await encode(document), content_type="application/json")


async def _clean(runner: web.AppRunner) -> None:
    if runner.server is not None:
        await runner.cleanup()
