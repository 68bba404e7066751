"""Drops: with the kernel's reason, the place and the tuple, and only those that were asked for."""

import dataclasses
import select
import socket
import subprocess
from pathlib import Path

import pytest

from dataplane.kernel import netns
from dataplane.kernel.btf import Btf
from dataplane.model.errors import UnsupportedError
from probes import drops
from probes.drops import Drops
from probes.watch import Watch
from tests.bpf.conftest import INDEX_A, INDEX_B, ip
from tests.bpf.live import eventually

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf")


def cookie(namespace):
    return netns.call(namespace, netns.cookie)


def send(pair, address, port, payload=b"x"):
    """Send a datagram out of `a` and return the port that it came from."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def out():
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.connect((address, port))
            sender.send(payload)
            return sender.getsockname()[1]

    return netns.call(pair.a, out)


def found(probe, **fields):
    return [
        drop
        for drop in probe.drops()
        if all(getattr(drop, name) == value for name, value in fields.items())
    ]


@pytest.fixture
def watch(pair):
    owners = {cookie(pair.b): "pod-b"}
    with Watch.open(
        [], lambda name: name, {}, flows=False, stamps=False, connects=False, drops=owners
    ) as opened:
        yield opened


@pytest.mark.parametrize(
    ("address", "place"), [("2001:db8::2", "__udp6_lib_rcv"), ("192.0.2.2", "__udp4_lib_rcv")]
)
def test_nobody_listens(pair, watch, address, place):
    port = send(pair, address, 9999)
    (drop,) = eventually(lambda: found(watch, reason="NO_SOCKET"), None, 0.5)
    assert (drop.owner, drop.interface, drop.place) == ("pod-b", str(INDEX_B), place)
    assert (str(drop.destination), drop.destination_port, drop.source_port) == (address, 9999, port)
    assert (drop.protocol, drop.packets) == (17, 1)
    assert drop.family == ("IPv6" if ":" in address else "IPv4")
    assert 0 < drop.first_ns <= drop.last_ns
    (report,) = watch.reports()
    assert (report.probe, report.hook, report.lost) == ("drops", "raw-tracepoint", 0)
    assert report.counted == report.recorded == sum(drop.packets for drop in watch.drops())


@pytest.mark.needs("nft")
def test_a_rule_and_how_often(pair, watch):
    rules = "table inet t { chain in { type filter hook input priority 0; udp dport 7 drop; }; }"
    netns.call(
        pair.b, lambda: subprocess.run(("nft", "-f", "-"), input=rules, text=True, check=True)
    )

    def out():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.connect(("2001:db8::2", 7))
            for _ in range(5):
                sender.send(b"x")

    netns.call(pair.a, out)
    (drop,) = found(watch, destination_port=7)
    assert (drop.reason, drop.packets) == ("NETFILTER_DROP", 5)


def test_too_big_for_the_next_link_and_no_neighbour(pair):
    """`b` is a router; what it gives up is known by its interface, with the sender's tuple."""
    netns.call(pair.b, lambda: Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1"))
    ip(
        pair.b,
        *[
            "link",
            "add",
            "small",
            "index",
            "170",
            "mtu",
            "1300",
            "type",
            "veth",
            "peer",
            "name",
            "other",
        ],
    )
    for name in ("small", "other"):
        ip(pair.b, "link", "set", name, "up")
    ip(pair.b, "address", "add", "2001:db8:1::1/64", "dev", "small", "nodad")
    ip(pair.a, "route", "add", "2001:db8:1::/64", "via", "2001:db8::2")
    tap = dataclasses.replace(pair.tap("b"), interface="small", index=170, name="small")
    with Watch.open(
        [tap], lambda name: name, {}, flows=False, stamps=False, connects=False, drops={}
    ) as watch:
        send(pair, "2001:db8:1::9", 7, bytes(1400))
        (big,) = eventually(lambda: found(watch, reason="PKT_TOO_BIG"), None, 0.5)
        assert (big.interface, big.owner, big.place) == ("small", tap.owner, "ip6_forward")
        assert (str(big.destination), big.destination_port) == ("2001:db8:1::9", 7)
        send(pair, "2001:db8:1::9", 8)
        wait = select.poll()
        for _ in range(50):  # three solicitations, a second apart
            if found(watch, destination_port=8):
                break
            wait.poll(200)
        (lost,) = found(watch, destination_port=8)
        assert (lost.interface, lost.place) == ("small", "neigh_invalidate")


def test_what_was_not_asked_for_is_not_told(pair, watch):
    def out():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("2001:db8::1", 9998))  # in `a` itself

    netns.call(pair.a, out)
    send(pair, "2001:db8::2", 9997)
    assert len(eventually(lambda: found(watch, destination_port=9997), None, 0.5)) == 1
    assert found(watch, destination_port=9998) == []
    watch.know(cookie(pair.a), "pod-a")
    netns.call(pair.a, out)
    (drop,) = eventually(lambda: found(watch, destination_port=9998), None, 0.5)
    assert drop.owner == "pod-a"


def test_multicast_is_not_told(pair, watch):
    def out():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"x", ("ff02::1", 9996, 0, INDEX_A))

    netns.call(pair.a, out)
    send(pair, "2001:db8::2", 9995)
    assert len(eventually(lambda: found(watch, destination_port=9995), None, 0.5)) == 1
    assert [drop for drop in watch.drops() if drop.destination.is_multicast] == []


def test_a_kernel_without_reasons_is_blind_and_says_so(monkeypatch):
    monkeypatch.setattr(Btf, "parameters", lambda _self, _name: ("", ""))
    with pytest.raises(UnsupportedError, match=r"Linux 5\.17"):
        Drops.open({})
    with Watch.open(
        [], lambda name: name, {}, flows=False, stamps=False, connects=False, drops={}
    ) as watch:
        (report,) = watch.reports()
        assert (report.probe, report.where) == ("drops", drops.POINT)
        assert "Linux 5.17" in report.blind
        assert watch.drops() == ()
