"""Errors that sockets get of the kernel's own accord are told with their numbers, by the socket's cookie."""

import errno
import socket
import struct
import time

import pytest

from probes.failures import Failures

pytestmark = pytest.mark.needs("root", "bpf", "btf", "netns")

SO_COOKIE = 57  # asm-generic/socket.h


@pytest.fixture
def failures():
    with Failures.open({"": None}) as opened:
        yield opened


def cookie_of(channel):
    return struct.unpack("=Q", channel.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]


def told(failures):
    failures.ring.consume()
    return failures.take()


@pytest.mark.parametrize(
    ("family", "place"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_reset_is_told_with_its_socket_and_its_time(failures, family, place):
    before = time.monotonic_ns()
    with socket.socket(family) as channel, socket.socket(family) as holder:
        holder.bind((place, 0))  # nobody else may listen there meanwhile
        cookie = cookie_of(channel)
        assert channel.connect_ex(holder.getsockname()[:2]) == errno.ECONNREFUSED

    (seen,) = [one for one in told(failures) if one.socket_cookie == cookie]
    assert seen.errno == errno.ECONNREFUSED
    assert before < seen.time_ns < time.monotonic_ns()
    assert told(failures) == ()


def test_a_socket_that_nobody_asked_about_is_counted_only(failures):
    with socket.socket() as channel, socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        channel.connect_ex(holder.getsockname())

    assert all(one.socket_cookie for one in told(failures))
    (report,) = failures.reports()
    assert report.counted >= 1
    assert (report.lost, report.evicted, report.blind) == (0, 0, None)


def test_with_nobody_to_watch_nothing_is_attached():
    with Failures.open({}) as opened:
        (report,) = opened.reports()

        assert report.hook == "none"
