"""Connections: accepted up to a cap, each with a deadline for its next request."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from dataplane.api.books import Books
from dataplane.api.settings import Settings
from dataplane.model.errors import UnsupportedError

BACKLOG = 128
SEND_BUFFER = 256 * 1024  # what the kernel holds for one reader who does not read
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
)
_NO_SUCH_FAMILY = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class Watched(asyncio.Protocol):
    """A connection with a deadline: a whole request in time, or it is cut.

    Everything else is left to `inner`, aiohttp's protocol. A keep-alive timeout is not enough: it
    closes gracefully, which waits for ever on a peer that does not read.
    """

    def __init__(self, inner: asyncio.Protocol, idle_timeout: float, books: Books) -> None:
        self.lost = asyncio.Event()
        self._inner, self._idle_timeout, self._books = inner, idle_timeout, books
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def answering(self) -> None:
        """Say that a request is being answered: the answer has its own time limits."""
        if self._deadline:
            self._deadline.cancel()

    def waiting(self) -> None:
        """Say that the next request is awaited, from now on."""
        self.answering()
        if not self.lost.is_set():
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._idle_timeout, self._cut)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand over to aiohttp and start the clock."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self.waiting()
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand over to aiohttp and stop the clock."""
        self.lost.set()
        self.answering()
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand over to aiohttp."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand over to aiohttp."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand over to aiohttp."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand over to aiohttp."""
        self._inner.resume_writing()

    def cut(self) -> None:
        """Close without waiting for anything to be read."""
        if self._transport:
            self._transport.abort()

    def _cut(self) -> None:
        if self._transport and self._transport.get_write_buffer_size():
            self._books.dropped_responses += 1
        self.cut()


class Gate:
    """Accepts connections, never more than `max_connections` at a time, handshakes included."""

    def __init__(
        self, settings: Settings, books: Books, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._settings, self._books, self._protocol = settings, books, protocol
        self._tls = settings.tls()
        self._open: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket, connections: asyncio.TaskGroup) -> None:
        """Accept for ever; each connection is a task of the group."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                peer, _ = await loop.sock_accept(listener)
            except ConnectionError:
                continue  # gone before it was accepted
            except OSError:  # out of descriptors or memory: let a connection end before the next
                await self._breath()
                continue
            if len(self._open) >= self._settings.max_connections:
                self._refuse(peer)
                continue
            watched = Watched(self._protocol(), self._settings.idle_timeout, self._books)
            task = connections.create_task(self._tend(peer, watched))
            self._open.add(task)
            task.add_done_callback(partial(self._ended, peer))

    def close(self) -> None:
        """Cut every connection."""
        for task in self._open:
            task.cancel()

    async def _tend(self, peer: socket.socket, watched: Watched) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: watched,
                peer,
                ssl=self._tls,
                ssl_handshake_timeout=self._settings.idle_timeout if self._tls else None,
                ssl_shutdown_timeout=self._settings.write_timeout if self._tls else None,
            )
            await watched.lost.wait()
        except (OSError, ssl.SSLError):
            self._books.failed_handshakes += 1
        finally:
            if not watched.lost.is_set():
                watched.cut()

    def _ended(self, peer: socket.socket, task: "asyncio.Task[None]") -> None:
        peer.close()  # already is, unless the task was cancelled before its first step
        self._open.discard(task)

    def _refuse(self, peer: socket.socket) -> None:
        self._books.refused_connections += 1
        with peer, suppress(OSError):
            if self._tls is None:
                peer.setblocking(False)  # noqa: FBT003 - the socket's own interface
                peer.send(REFUSAL)
                peer.shutdown(socket.SHUT_WR)

    async def _breath(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await asyncio.Event().wait()


def listen(settings: Settings) -> list[socket.socket]:
    """Open the listening sockets; UnsupportedError when the address or port cannot be had.

    Of the two loopback addresses one may be missing: a machine may have one family only.
    """
    listeners: list[socket.socket] = []
    absent: UnsupportedError | None = None
    port = settings.port
    try:
        for address in settings.addresses:
            try:
                listener = _listener(str(address), port)
            except OSError as failure:
                if failure.errno not in _NO_SUCH_FAMILY:
                    raise _refused(str(address), port, failure) from failure
                absent = _refused(str(address), port, failure)
                continue
            listeners.append(listener)
            port = listener.getsockname()[1]  # with port 0, the same one for both families
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    if not listeners and absent:
        raise absent
    return listeners


def _listener(address: str, port: int) -> socket.socket:
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    ((family, kind, protocol, _, target), *_) = socket.getaddrinfo(
        address, port, type=socket.SOCK_STREAM, flags=flags
    )
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # inherited
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)  # noqa: FBT003 - the socket's own interface
        listener.bind(target)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _refused(address: str, port: int, failure: OSError) -> UnsupportedError:
    if failure.errno == errno.EADDRINUSE:
        found = f"port {port} in use by another process; choose another with --port, or end it"
    else:
        found = failure.strerror or str(failure)
    return UnsupportedError(
        f"the API at {address} port {port}",
        needs="an address of this machine and a free port",
        found=found,
    )
