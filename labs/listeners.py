"""The lab's servers: HTTP over TCP and an echo over UDP, which tell whom they saw.

What is long is answered with as many octets: a POST over TCP, a datagram of more than `SHORT`.

Their sockets are opened inside the namespaces and served in the event loop of the lab's owner, so
that an idle pod costs no process. They listen on every address by itself, IPv6 sockets for IPv6
only: what listens where is exactly what the topology says.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast

from aiohttp import web

from dataplane.kernel import netns
from dataplane.model.address import Address
from dataplane.model.errors import LabFailedError
from dataplane.model.programs import ListenerSpec
from labs.site import Site

BACKLOG = 128
SHORT = 512
LONGEST = 1 << 20


@asynccontextmanager
async def listeners(specs: Sequence[ListenerSpec], site: Site) -> AsyncIterator[None]:
    """Serve all of these as long as the context lasts."""
    # Not on a worker thread: what that had opened when this is cancelled would belong to nobody.
    opened = _open_all(specs, site)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for _, streams, datagrams in opened:
            for channel in (*streams, *datagrams):
                stack.callback(channel.close)
        for spec, streams, datagrams in opened:
            application = web.Server(_answer(spec.namespace), access_log=None)
            stack.push_async_callback(application.shutdown, 0.1)
            for channel in streams:
                server = await loop.create_server(application, sock=channel, backlog=BACKLOG)
                stack.callback(server.close)
            for channel in datagrams:
                transport, _ = await loop.create_datagram_endpoint(
                    partial(Echo, spec.namespace), sock=channel
                )
                stack.callback(transport.close)
        yield


class Echo(asyncio.DatagramProtocol):
    """Answers a datagram with one line of JSON about its sender, then the payload itself."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        # Before Python 3.12 the real one is no subclass of what it is documented to be.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer one datagram with its payload, then whom we saw.

        The payload comes first because it makes the answer unlike any other one from the start. A
        long one loses its first octet and its end, so that the answer is as long as the question
        and unlike it.
        """
        if self._transport is None:
            return
        said = b"\n" + who(self._server, addr)
        if len(data) > SHORT:
            data = data[1 : len(data) + 1 - len(said)]
        self._transport.sendto(data + said, addr)


def who(server: str, peer: Sequence[Any]) -> bytes:
    """Return what a server says of a request: {"peer": [address, port], "server": name}."""
    return json.dumps({"peer": [peer[0], peer[1]], "server": server}).encode()


def _answer(server: str) -> Any:  # noqa: ANN401 - aiohttp's handler type is private
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        octets = request.content_length or 0
        if request.method not in ("GET", "POST") or request.path != "/" or octets > LONGEST:
            return web.Response(status=404)
        if octets:
            await request.read()
        # Spaces behind it are no part of a JSON text.
        body = who(server, peer).ljust(octets)
        response = web.Response(body=body, content_type="application/json")
        response.force_close()
        return response

    return answer


def _open_all(
    specs: Sequence[ListenerSpec], site: Site
) -> list[tuple[ListenerSpec, list[socket.socket], list[socket.socket]]]:
    by_namespace: dict[str, list[ListenerSpec]] = {}
    for spec in specs:
        by_namespace.setdefault(site.namespace(spec.namespace), []).append(spec)
    opened: list[tuple[ListenerSpec, list[socket.socket], list[socket.socket]]] = []

    def inside(namespace: str) -> None:
        for spec in by_namespace[namespace]:
            streams: list[socket.socket] = []
            datagrams: list[socket.socket] = []
            opened.append((spec, streams, datagrams))
            for address in spec.addresses:
                try:
                    streams.append(_bound(address, spec.port, socket.SOCK_STREAM))
                    datagrams.append(_bound(address, spec.port, socket.SOCK_DGRAM))
                except OSError as failure:
                    what = f"listen on {address} port {spec.port}"
                    raise LabFailedError(namespace, what, stderr=str(failure)) from failure

    try:
        netns.call_each(by_namespace, inside)
    except BaseException:
        for _, streams, datagrams in opened:
            for channel in (*streams, *datagrams):
                channel.close()
        raise
    return opened


def _bound(address: Address, port: int, kind: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    channel = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        if address.version == 6:
            channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        channel.bind((str(address), port))
    except BaseException:
        channel.close()
        raise
    return channel
