"""Echo requests as RFC 792 and RFC 4443 have them, against scapy's own."""

import socket

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply

from labs import echo
from labs.echo import Echo

PAYLOAD = bytes(range(24))


class Refusing:
    """A socket module that refuses ping sockets, and opens nothing."""

    def __init__(self, *refused):
        self.refused, self.opened = refused, []

    def __call__(self, family, kind, protocol):
        kind &= ~socket.SOCK_NONBLOCK
        if kind in self.refused:
            raise PermissionError
        self.opened.append((family, kind, protocol))
        return self


@pytest.fixture
def raw(monkeypatch):
    refusing = Refusing(socket.SOCK_DGRAM)
    monkeypatch.setattr(echo.socket, "socket", refusing)
    return refusing


def test_a_raw_request_of_ipv4_has_a_checksum_that_scapy_would_write(raw):
    request = Echo(socket.AF_INET, PAYLOAD).request()

    read = ICMP(request)
    written, read.chksum = read.chksum, None
    assert ICMP(bytes(read)).chksum == written
    assert (read.type, read.seq, bytes(read.payload)) == (8, 1, PAYLOAD)
    assert raw.opened == [(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)]


@pytest.mark.usefixtures("raw")
def test_a_raw_reply_comes_with_its_ipv4_header_and_without_that_of_ipv6():
    four, six = Echo(socket.AF_INET, PAYLOAD), Echo(socket.AF_INET6, PAYLOAD)

    assert four.is_reply(bytes(IP() / ICMP(type=0) / PAYLOAD))
    assert not four.is_reply(bytes(IP() / ICMP(type=8) / PAYLOAD)), "our own request"
    assert not four.is_reply(bytes(IP() / ICMP(type=0) / PAYLOAD[1:]))
    assert six.is_reply(bytes(ICMPv6EchoReply(data=PAYLOAD)))
    assert not six.is_reply(b"")


def test_who_may_have_neither_is_told(monkeypatch):
    monkeypatch.setattr(echo.socket, "socket", Refusing(socket.SOCK_DGRAM, socket.SOCK_RAW))

    with pytest.raises(PermissionError):
        Echo(socket.AF_INET6, PAYLOAD)
