"""`attach --serve`: numbers per family and answers, while it runs."""

import json
import os
import re
import socket

import pytest

from dataplane.kernel import netns
from tests.bpf.live import eventually
from tests.netns.attach.conftest import OUTSIDE
from tests.netns.attach.test_attach import attached, connect

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping")

TOKEN = "0123456789abcdef"  # noqa: S105 - a test's own
PORT = 8464


@pytest.fixture
def get(node, monkeypatch):
    """Return a way to ask the endpoint, which listens on the loopback of the node's namespace."""
    monkeypatch.setitem(os.environ, "SIXSCOPE_TOKEN", TOKEN)

    def ask(path):
        request = f"GET {path} HTTP/1.0\r\nHost: localhost:{PORT}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        with netns.call(node.name, socket.create_connection, ("::1", PORT), 5) as asking:
            asking.sendall(request.encode())
            asking.settimeout(10)
            answer = b"".join(iter(lambda: asking.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split()[1] == b"200", answer
        return body.decode()

    return ask


def test_numbers_per_family_and_answers_are_served_meanwhile(node, get):
    with attached(node, "--serve", "--host", "::1", "--port", str(PORT)) as lines:
        connect(node, OUTSIDE)
        connect(node, "198.51.100.7")
        lines.until(lambda line: line["kind"] == "connect" and line["family"] == "IPv4")
        packets = re.compile(
            r'sixscope_flow_packets\{[^}]*tap="calipod"[^}]*family="IPv6"[^}]*\} [1-9]'
        )
        assert eventually(lambda: bool(packets.search(get("/metrics"))), wanted=True, seconds=30)
        answered = 'sixscope_check_state{check="pod-families",state="unknown"}'
        assert eventually(lambda: answered in get("/metrics"), wanted=True, seconds=30)
        metrics = get("/metrics")
        answers = json.loads(get("/api/v1/answers"))

    attempts = re.findall(r'sixscope_connect_attempts[^{]*\{[^}]*family="(IPv[46])"', metrics)
    assert set(attempts) == {"IPv4", "IPv6"}, metrics
    assert {answer["check"] for answer in answers["answers"]} >= {"masquerade", "listeners"}
