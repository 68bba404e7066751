"""Connections: how many, how long, and what becomes of those who do not play along."""

import asyncio
import gc
import socket
import ssl
from contextlib import AsyncExitStack

import pytest
import trustme

from dataplane.api.connections import SEND_BUFFER
from dataplane.api.live import LiveSource, recorded
from dataplane.api.server import serve
from dataplane.api.settings import Settings, SettingsError
from dataplane.model.errors import UnsupportedError
from tests.api.samples import NO_SURPRISE, RESULT, evidence, exchange, flow, get

TOKEN = "0123456789abcdef"  # noqa: S105 - a test's own
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def connected(port, stack):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    return reader, writer


async def asked(port, stack):
    """Open a connection and have one question answered on it, so that it surely counts."""
    reader, writer = await connected(port, stack)
    writer.write(REQUEST)
    assert await reader.readuntil(b"alive\n")
    return reader, writer


async def test_one_too_many_is_refused_and_counted():
    settings = Settings(port=0, max_connections=3)
    async with serve(recorded(evidence(), RESULT), settings) as endpoint, AsyncExitStack() as stack:
        held = [await asked(endpoint.port, stack) for _ in range(3)]
        for count in (1, 2):
            refused = await exchange(endpoint.port, b"")
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert endpoint.books.refused_connections == count
        held[0][1].write(REQUEST)  # who is in stays in
        assert await held[0][0].readuntil(b"alive\n")

        held[1][1].write(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert await held[1][0].read()  # to its end: a place is free again
        await asked(endpoint.port, stack)


@pytest.mark.parametrize(
    "sent", [b"", REQUEST[:20], REQUEST], ids=["silent", "partial", "answered"]
)
async def test_a_connection_without_a_request_in_time_is_closed(sent):
    settings = Settings(port=0, idle_timeout=0.2)
    async with serve(recorded(evidence(), RESULT), settings) as endpoint:
        got = await exchange(endpoint.port, sent)
    assert (b"alive" in got) is (sent == REQUEST)


async def test_trickling_does_not_buy_time():
    settings = Settings(port=0, idle_timeout=0.3)
    async with serve(recorded(evidence(), RESULT), settings) as endpoint, AsyncExitStack() as stack:
        reader, writer = await connected(endpoint.port, stack)
        writer.write(REQUEST[:-2])
        ended, lines = False, 0
        async with asyncio.timeout(20):
            while not ended:
                try:
                    async with asyncio.timeout(0.05):
                        ended = await reader.read() == b""
                except TimeoutError:
                    lines += 1
                    writer.write(b"X: y\r\n")
                except ConnectionError:
                    ended = True
    assert lines


async def test_a_reader_who_does_not_read_is_let_go():
    source = LiveSource()
    source.watch(flows=lambda: tuple(flow(number) for number in range(1000)), fresh=60)
    settings = Settings(port=0, write_timeout=0.2, idle_timeout=0.5)
    async with serve(source, settings) as endpoint:
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.settimeout(0)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(lazy, ("127.0.0.1", endpoint.port))
            one = b"GET /api/v1/flows?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n"
            await loop.sock_sendall(lazy, one * (2 + 5 * SEND_BUFFER // 40_000))
            async with asyncio.timeout(30):
                while not endpoint.books.dropped_responses:
                    assert (await get(endpoint.urls[0] + "/healthz"))[0] == 200
        assert endpoint.books.dropped_responses == 1


async def test_a_port_in_use_is_said_clearly():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnsupportedError, match=rf"127\.0\.0\.1 port {port}.*in use.*--port"):
            async with serve(LiveSource(), Settings(port=port)):
                pass


async def test_an_address_of_another_machine_is_said_clearly():
    settings = Settings(host="192.0.2.77", port=0, token="x" * 16, insecure_http=True)
    with pytest.raises(UnsupportedError, match=r"192\.0\.2\.77.*Cannot assign"):
        async with serve(LiveSource(), settings):
            pass


async def test_a_port_is_free_again_at_once():
    async with serve(LiveSource(), NO_SURPRISE) as endpoint, AsyncExitStack() as stack:
        await asked(endpoint.port, stack)
        port = endpoint.port
    async with serve(LiveSource(), Settings(port=port)) as endpoint:
        assert endpoint.port == port


async def test_errors_of_the_body_come_out_as_they_are_and_nothing_stays():
    before = asyncio.all_tasks()
    port = 0

    async def fail():
        nonlocal port
        async with serve(LiveSource(), NO_SURPRISE) as endpoint, AsyncExitStack() as stack:
            port = endpoint.port
            await asked(port, stack)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail()
    assert asyncio.all_tasks() == before
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)
    gc.collect()  # an unclosed socket would warn now, and a warning is an error


async def test_cancelling_the_owner_closes_everything():
    opened: asyncio.Queue[int] = asyncio.Queue()

    async def own():
        async with serve(LiveSource(), NO_SURPRISE) as endpoint:
            await opened.put(endpoint.port)
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        owner = tasks.create_task(own())
        port = await opened.get()
        await asked(port, stack)
        owner.cancel()
    assert owner.cancelled()
    assert asyncio.all_tasks() == before


@pytest.fixture
def authority(tmp_path):
    ca = trustme.CA()
    issued = ca.issue_cert("localhost", "127.0.0.1", "::1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    with (tmp_path / "cert.pem").open("wb") as file:
        for blob in issued.cert_chain_pems:
            file.write(blob.bytes())
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


async def test_tls(authority, tmp_path):
    settings = Settings(
        host="0.0.0.0",
        port=0,
        token=TOKEN,
        certificate=tmp_path / "cert.pem",
        key=tmp_path / "key.pem",
    )
    async with serve(recorded(evidence(), RESULT), settings) as endpoint:
        url = f"https://127.0.0.1:{endpoint.port}"
        assert endpoint.urls[0].startswith("https://")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert (await get(url + "/api/v1/run", headers, ssl=authority))[0] == 200
        assert (await get(url + "/api/v1/run", ssl=authority))[0] == 401
        plain = await exchange(endpoint.port, REQUEST)
        assert b"alive" not in plain
        assert endpoint.books.failed_handshakes == 1
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname = False
        old.verify_mode = ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection("127.0.0.1", endpoint.port, ssl=old)
        assert (await get(url + "/healthz", ssl=authority))[0] == 200


async def test_handshakes_that_never_end_count_against_the_cap(authority, tmp_path):
    settings = Settings(
        port=0,
        certificate=tmp_path / "cert.pem",
        key=tmp_path / "key.pem",
        max_connections=2,
        idle_timeout=0.5,
    )
    async with serve(recorded(evidence(), RESULT), settings) as endpoint, AsyncExitStack() as stack:
        silent = [await connected(endpoint.port, stack) for _ in range(2)]
        assert await exchange(endpoint.port, b"") == b""
        assert endpoint.books.refused_connections == 1
        for reader, _ in silent:
            assert await reader.read() == b""  # the endpoint gave up on them
        assert (await get(endpoint.urls[0] + "/healthz", ssl=authority))[0] == 200


async def test_a_useless_certificate_is_said_clearly(tmp_path):
    (tmp_path / "cert.pem").write_text("no certificate")
    (tmp_path / "key.pem").write_text("no key")
    settings = Settings(port=0, certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    with pytest.raises(SettingsError, match=r"cert\.pem"):
        async with serve(LiveSource(), settings):
            pass
