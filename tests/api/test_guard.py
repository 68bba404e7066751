"""Who is answered, and what everybody is told."""

import json

import aiohttp
import pytest

from dataplane.api.guard import LINE_LIMIT
from dataplane.api.live import recorded
from dataplane.api.openapi import description
from dataplane.api.server import serve
from dataplane.api.settings import Settings
from tests.api.samples import NO_SURPRISE, RESULT, evidence, exchange, get

TOKEN = "correct-horse-battery"  # noqa: S105 - a test's own
RUN = "/api/v1/run"
PATHS = sorted([*description()["paths"], "/nowhere"])


def source():
    return recorded(evidence(), RESULT)


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PURGE"]
)
@pytest.mark.parametrize("path", PATHS)
async def test_only_get_is_answered(method, path):
    async with (
        serve(source(), NO_SURPRISE) as endpoint,
        aiohttp.ClientSession() as client,
        client.request(method, endpoint.urls[0] + path) as got,
    ):
        assert got.status == 405
        assert got.headers["Allow"] == "GET"
        assert endpoint.books.refused_requests == 1


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST.", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8464", 200),
        ("[0:0::1]", 200),
        ("[::ffff:127.0.0.1]", 200),
        ("lab.example.org", 200),
        ("Lab.Example.org:80", 200),
        ("example.org", 421),
        ("lab.example.org.evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.0.2.1", 421),
        ("[2001:db8::1]", 421),
        ("127.0.0.2", 421),
        ("127.1", 421),
        ("-", 421),
        ("evil.example/", 400),
        ("a@localhost", 400),
        ("localhost, evil.example", 400),
        ("", 400),
    ],
)
async def test_foreign_hosts_are_refused(host, status):
    settings = Settings(port=0, allow_hosts=("lab.example.org",))
    async with serve(source(), settings) as endpoint:
        url = endpoint.urls[0]
        got, body, headers = await get(url + RUN, {"Host": host})
        assert got == status
        if status != 200:
            assert headers["Content-Type"] == "application/problem+json"
            assert json.loads(body)["status"] == status
            assert (await get(url + "/nowhere", {"Host": host}))[0] == status
        assert (await get(url + "/healthz", {"Host": host}))[0] == 200
        assert (await get(url + "/readyz", {"Host": host}))[0] == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET {RUN} HTTP/1.1\r\n", 400),
        (f"GET {RUN} HTTP/1.0\r\n", 400),
        (f"GET {RUN} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400),
        (f"GET http://evil.example{RUN} HTTP/1.1\r\nHost: localhost\r\n", 400),
        (f"GET {RUN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n", 413),
        (f"GET {RUN} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n", 413),
        (f"GET {RUN}?{'x' * LINE_LIMIT} HTTP/1.1\r\nHost: localhost\r\n", 400),
        (f"GET {RUN} HTTP/1.1\r\nHost: localhost\r\nX: {'x' * 2 * LINE_LIMIT}\r\n", 400),
        (f"GET {RUN} HTTP/1.1\r\nHost: localhost\r\n" + "X: y\r\n" * 200, 400),
        (f"GET {RUN} yyy\r\nHost: localhost\r\n", 400),
        (f"yyy {RUN} HTTP/1.1\r\nHost: localhost\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),
    ],
)
async def test_odd_requests_are_refused_and_the_next_one_is_answered(head, status, caplog):
    async with serve(source(), NO_SURPRISE) as endpoint:
        got = await exchange(endpoint.port, head.encode("latin-1") + b"Connection: close\r\n\r\n")
        assert got.split(b" ", 2)[1] == str(status).encode()
        assert b"\r\nServer: sixscope\r\n" in got
        assert b"application/problem+json" in got
        assert b"yyy" not in got
        assert (await get(endpoint.urls[0] + RUN))[0] == 200
    assert not caplog.records  # a peer cannot write into our log


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer \xe9\u20ac",
    ],
)
async def test_without_the_token_nothing_is_told(authorization, caplog):
    caplog.set_level("DEBUG")
    headers = {} if authorization is None else {"Authorization": authorization}
    async with serve(source(), Settings(port=0, token=TOKEN)) as endpoint:
        url = endpoint.urls[0]
        for path in PATHS:
            expected = 200 if path in {"/healthz", "/readyz"} else 401
            status, body, answered = await get(url + path, headers)
            assert status == expected, path
            if expected == 401:
                assert answered["WWW-Authenticate"].startswith("Bearer")
                assert b"pod-a" not in body
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_with_the_token_everything_is_told(scheme):
    async with serve(source(), Settings(port=0, token=TOKEN)) as endpoint:
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        for path in set(PATHS) - {"/nowhere"}:
            assert (await get(endpoint.urls[0] + path, headers))[0] == 200, path
        again = {**headers, "Host": "evil.example"}
        assert (await get(endpoint.urls[0] + RUN, again))[0] == 421


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_is_shut_to_other_pages(path):
    async with serve(source(), NO_SURPRISE) as endpoint:
        _, _, headers = await get(endpoint.urls[0] + path, {"Origin": "http://evil.example"})
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "sixscope"
    assert not [name for name in headers if name.lower().startswith("access-control-")]


async def test_a_path_in_a_request_names_no_file():
    async with serve(source(), NO_SURPRISE) as endpoint:
        for path in (
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "//etc/passwd",
            "/api/v1/run/",
        ):
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            got = await exchange(endpoint.port, request.encode())
            assert got.split(b" ", 2)[1] == b"404"
            assert b"root:" not in got
