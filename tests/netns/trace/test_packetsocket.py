"""Packet sockets: every frame of an interface with its direction, time and length, or only what opens."""

import socket
import subprocess
import sys
import time

import pytest

from dataplane.kernel import netns
from dataplane.kernel.netlink import links
from dataplane.kernel.packetsocket import HEAD, PacketSockets
from dataplane.model.seen import PacketKind
from dataplane.model.topology import Point, Tap
from dataplane.rules.headers import headers
from tests.netns.attach.conftest import ip

pytestmark = pytest.mark.needs("root", "netns")
TALK = """
import socket, sys
for family, here in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = socket.create_server((here, 0), family=family)
    client = socket.create_connection(server.getsockname()[:2])
    client.sendall(b"x" * 3000)
    other = server.accept()[0]
    other.recv(3000, socket.MSG_WAITALL)
    with socket.socket(family, socket.SOCK_DGRAM) as sender, socket.socket(family, socket.SOCK_DGRAM) as taker:
        taker.bind((here, 0))
        sender.sendto(b"y" * 1000, taker.getsockname()[:2])
        taker.recv(1000)
"""


@pytest.fixture
def loopback(unique):
    name = f"{unique}l"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        (index,) = [link["index"] for link in netns.call(name, links) if link["name"] == "lo"]
        yield Tap(
            name="lo",
            namespace=name,
            interface="lo",
            index=index,
            point=Point.EDGE,
            owner=name,
            leaving_is_ingress=False,
        )
    finally:
        ip("netns", "del", name)


def talk(tap):
    place = f"--net=/run/netns/{tap.namespace}"
    subprocess.run(["nsenter", place, sys.executable, "-c", TALK], check=True)


@pytest.mark.parametrize("opening", [False, True], ids=["all", "opening"])
def test_both_directions_with_time_and_length(loopback, opening):
    before = time.monotonic_ns()
    with PacketSockets.open([loopback], lambda name: name, opening=opening) as sockets:
        talk(loopback)
        sockets.drain()
    frames = sockets.frames()
    read = [headers(frame.octets, frame.layer) for frame in frames]

    kinds = [found.packet for found in read]
    assert kinds.count(PacketKind.TCP_SYN) == kinds.count(PacketKind.TCP_SYN_ACK) == 4
    assert kinds.count(PacketKind.UDP) == 4
    assert [frame.egress for frame in frames].count(True) == len(frames) / 2
    assert (None in kinds) is not opening, "segments of a connection"
    assert all(before <= frame.time_ns <= time.monotonic_ns() for frame in frames)
    assert sockets.gaps() == ()
    for frame, found in zip(frames, read, strict=True):
        assert frame.length == found.length + 14
        assert len(frame.octets) == (min(HEAD, frame.length) if opening else frame.length)


def test_what_does_not_fit_is_counted(loopback, monkeypatch):
    monkeypatch.setattr("dataplane.kernel.packetsocket.ROOM", 4096)
    with PacketSockets.open([loopback], lambda name: name) as sockets:
        for _ in range(5):
            talk(loopback)
        sockets.drain()

    (gap,) = sockets.gaps()
    assert gap.startswith("lo: ")
    assert "were not captured" in gap


def test_nothing_is_left_of_them(loopback):
    sockets = PacketSockets.open([loopback], lambda name: name)
    there = f"--net=/run/netns/{loopback.namespace}"

    def packet_sockets():
        told = subprocess.run(["nsenter", there, "ss", "-0Hn"], capture_output=True, check=True)
        return len(told.stdout.splitlines())

    assert packet_sockets() == 1
    sockets.close()
    assert packet_sockets() == 0


def test_an_interface_that_is_not_there_is_an_error_and_leaves_no_socket(loopback, monkeypatch):
    gone = Tap(**{f: getattr(loopback, f) for f in loopback.__slots__} | {"interface": "sx-none"})
    opened = []
    original = socket.socket

    class Counted(original):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            opened.append(self)

    monkeypatch.setattr("dataplane.kernel.packetsocket.socket.socket", Counted)
    with pytest.raises(OSError, match="No such device"):
        PacketSockets.open([loopback, gone], lambda name: name)

    assert [channel.fileno() for channel in opened] == [-1, -1]
