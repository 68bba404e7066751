"""The guard in front of every resource: method, host, token, body, and how long an answer may take."""

import asyncio
import logging
import re
from http import HTTPStatus
from ipaddress import ip_address

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from dataplane.api.books import Books
from dataplane.api.connections import Watched
from dataplane.api.documents import encode_small, problem
from dataplane.api.paging import BadQueryError, GoneError
from dataplane.api.settings import Settings, host_name

OPEN = frozenset({"/healthz", "/readyz"})  # for load balancers, who know neither name nor token
LINE_LIMIT = 4096  # octets of a request line, and of one header
SLOWEST = 64 * 1024  # octets per second that a reader must take of a long answer
HEADERS = {
    "Server": "sixscope",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PROBLEM_TYPE = "application/problem+json"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_log = logging.getLogger("sixscope.api")


class RefusedError(Exception):
    """A request that is not answered: with which status, why, and with which headers."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        self.status, self.detail, self.headers = status, detail, headers or {}
        super().__init__(detail)


class HttpConnection(web.RequestHandler):
    """aiohttp's side of a connection, with our limits, and our words for what is no HTTP at all.

    Nothing is logged about such requests: any peer could fill the log.
    """

    __slots__ = ()

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # aiohttp's word for none, which it does not annotate
            keepalive_timeout=3600,  # `Watched` has the deadlines
            lingering_time=0,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """Answer what could not be read as a request, then close."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was cut short") from exc
        detail = "this is no HTTP request that is understood here"
        response = problem_response(HTTPStatus(status), detail, HEADERS)
        response.force_close()
        return response


class Guard:
    """Lets a request through or refuses it, and sees its answer delivered or dropped."""

    def __init__(self, settings: Settings, books: Books) -> None:
        self._settings, self._books = settings, books
        self._hosts = settings.hosts

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Stand in front of every resource."""
        connection = request.transport and request.transport.get_protocol()
        watched = connection if isinstance(connection, Watched) else None
        if watched:
            watched.answering()
        try:
            response = await self._answer(request, handler)
            await self._deliver(request, response)
        finally:
            if watched:
                watched.waiting()
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._check(request)
            return await handler(request)
        except RefusedError as refusal:
            self._books.refused_requests += 1
            return problem_response(refusal.status, refusal.detail, refusal.headers)
        except BadQueryError as failure:
            return problem_response(HTTPStatus.BAD_REQUEST, str(failure))
        except GoneError as failure:
            return problem_response(HTTPStatus.GONE, str(failure))
        except web.HTTPNotFound:
            detail = "there is no such resource; /api/v1/openapi.json lists them"
            return problem_response(HTTPStatus.NOT_FOUND, detail)
        except Exception:  # noqa: BLE001 - one broken answer must not end the endpoint, nor say how it broke
            _log.exception("%r could not be answered", request.path)
            detail = "the endpoint failed; its log says why"
            return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, detail)

    async def _deliver(self, request: web.Request, response: web.StreamResponse) -> None:
        if response.prepared:
            return  # a stream, which has its own limit
        body = response.body if isinstance(response, web.Response) else None
        size = len(body) if isinstance(body, bytes) else 0
        try:
            async with asyncio.timeout(self._settings.write_timeout + size / SLOWEST):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            self._books.dropped_responses += 1
            if request.transport:
                request.transport.abort()

    def _check(self, request: web.Request) -> None:
        _check_method(request)
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in OPEN:
            return
        _check_host(request, self._hosts)
        _check_token(request, self._settings)


async def sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on that every answer carries; what a resource has set itself stays."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = HEADERS["Server"]


def problem_response(
    status: HTTPStatus, detail: str, headers: dict[str, str] | None = None
) -> web.Response:
    """Return an error as RFC 9457 has it."""
    body = encode_small(problem(status, detail))
    return web.Response(status=status, body=body, content_type=PROBLEM_TYPE, headers=headers or {})


def _check_method(request: web.Request) -> None:
    if request.method != hdrs.METH_GET:
        detail = f"{request.method}: this endpoint only answers GET"
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": "GET"})
    if request.body_exists:
        detail = "a GET here has no body"
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, {"Connection": "close"})


def _check_host(request: web.Request, hosts: frozenset[str]) -> None:
    """Refuse names that are not ours: a page of somebody else's, rebound to our address, is such one."""
    if not request.raw_path.startswith("/"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the request target must be a path")
    given = request.headers.getall(hdrs.HOST, [])
    match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    if match is None:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "exactly one valid Host header is needed")
    if len(match[1]) <= 255:
        try:
            name = host_name(match[1])
        except ValueError:
            name = ""
        if name in hosts or name == _local(request):
            return
    detail = "this host is not served here; --allow-host NAME allows a name"
    raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, detail)


def _local(request: web.Request) -> str:
    """Return the address of ours that this connection came to; a name cannot be rebound to look so."""
    name = request.transport and request.transport.get_extra_info("sockname")
    return host_name(str(ip_address(name[0].partition("%")[0]))) if name else "-"


def _check_token(request: web.Request, settings: Settings) -> None:
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    if not settings.admits(given[0] if len(given) == 1 else None):
        challenge = {"WWW-Authenticate": 'Bearer realm="sixscope"'}
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "a valid bearer token is needed", challenge)
