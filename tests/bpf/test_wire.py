"""What arrives from a wire, or from a device without one: read as the reference reads it."""

import fcntl
import os
import socket
import struct
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataplane.kernel import netns
from dataplane.model.address import Family
from dataplane.model.topology import Point, Tap
from tests.bpf import frames, reference
from tests.bpf.conftest import ip
from tests.bpf.live import eventually, watching
from tests.bpf.test_mutations import expect

pytestmark = pytest.mark.needs("root", "netns", "bpf")


def quiet(pair):
    """Take IPv6 away from both ends, so that nobody talks but us."""

    def switch_off():
        Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")

    for name in (pair.a, pair.b):
        netns.call(name, switch_off)
    for name, interface in ((pair.a, "e0"), (pair.b, "e1")):
        ip(name, "address", "flush", "dev", interface)


@pytest.mark.usefixtures("one_cpu")
def test_hostile_frames_on_a_wire_are_read_as_the_reference_reads_them(pair):
    """Also frames that BPF_PROG_TEST_RUN refuses: cut inside the Ethernet or the base header."""
    quiet(pair)
    sent = [frame for frame in frames.mutations(3000, seed=66) if len(frame) <= 14 + 1500]
    whole = frames.bases()[0]
    sent += [whole[:length] for length in range(14, len(whole))]
    with watching(pair.tap("a"), pair.tap("b")) as watch:
        netns.call(pair.a, send_raw, sent)
        leaving, stamps, verdicts = expect([reference.read(frame) for frame in sent])
        books = watch._flows.books(pair.tap("a"))
        assert (books.packets, books.broken, books.foreign) == (
            verdicts["ip"],
            verdicts["broken"],
            verdicts["foreign"],
        )
        assert verdicts["broken"] > 30
        assert as_expected(watch, "a") == leaving
        assert stamped(watch, "a") == stamps
        # the receiving interface takes the outer VLAN tag off before any program runs
        entered, stamps, verdicts = expect([reference.read(untagged(frame)) for frame in sent])
        assert eventually(lambda: as_expected(watch, "b"), entered) == entered
        assert stamped(watch, "b") == stamps


def untagged(frame):
    return frame[:12] + frame[16:] if frame[12:14] in (b"\x81\0", b"\x88\xa8") else frame


def send_raw(sent):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("e0", 0))
        for frame in sent:
            wire.send(frame)


def as_expected(watch, tap):
    found = {}
    for flow in watch.flows():
        if flow.tap == tap:
            key = (*key_of(flow), flow.protocol, 4 if flow.family is Family.IPV4 else 6)
            sums = [flow.packets, flow.bytes, flow.fragments, flow.tcp_flags]
            found[key] = [*sums, flow.largest]
    return found


def stamped(watch, tap):
    kinds = ["", "tcp-syn", "tcp-syn-ack", "tcp-rst", "udp", "echo-request", "echo-reply"]
    return [
        (
            kinds.index(packet.packet),
            packet.length,
            packet.stamp,
            (*key_of(packet), packet.protocol, 4 if packet.family is Family.IPV4 else 6),
        )
        for packet in watch.packets()
        if packet.tap == tap
    ]


def key_of(seen):
    mapped = bytes(10) + b"\xff\xff" if seen.family is Family.IPV4 else b""
    return (
        mapped + seen.source.packed,
        mapped + seen.destination.packed,
        seen.source_port,
        seen.destination_port,
    )


@contextmanager
def tun(name):
    """A TUN device in a namespace; yields its descriptor and its tap."""

    def make():
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"t0", 0x1001))
        return device

    device = netns.call(name, make)
    try:
        ip(name, "link", "set", "t0", "up", "mtu", "9000")
        index = netns.call(name, socket.if_nametoindex, "t0")
        yield (
            device,
            Tap(
                name="tun",
                namespace=name,
                interface="t0",
                index=index,
                point=Point.TRANSLATOR,
                owner="translator",
                leaving_is_ingress=False,
                layer=3,
            ),
        )
    finally:
        os.close(device)


@pytest.mark.needs("tun")
@pytest.mark.parametrize("hook", ["auto", "clsact"])
@pytest.mark.usefixtures("one_cpu")
def test_a_device_without_ethernet(pair, hook):
    quiet(pair)
    sent = [
        frame[14:]
        for frame in frames.mutations(2000, seed=3)
        # what is no IP version is not taken by the device
        if len(frame) > 14 and frame[14] >> 4 in (4, 6)
    ]
    with tun(pair.a) as (device, tap), watching(tap, hook=hook) as watch:
        for packet in sent:
            os.write(device, packet)
        flows, stamps, verdicts = expect([reference.read(packet, layer=3) for packet in sent])
        assert eventually(lambda: as_expected(watch, "tun"), flows) == flows
        assert stamped(watch, "tun") == stamps
        books = watch._flows.books(tap)
        assert (books.broken, books.foreign) == (verdicts["broken"], verdicts["foreign"])


@pytest.mark.needs("tun")
def test_what_leaves_through_a_device_without_ethernet(pair):
    with tun(pair.a) as (device, tap), watching(tap) as watch:
        ip(pair.a, "address", "add", "198.18.0.1/24", "dev", "t0")

        def send():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"hello", ("198.18.0.2", 99))

        netns.call(pair.a, send)
        (flow,) = (flow for flow in watch.flows() if flow.family is Family.IPV4)
        assert (flow.tap, flow.leaving, flow.destination_port) == ("tun", True, 99)
        assert (flow.packets, flow.bytes) == (1, 20 + 8 + 5)
        (packet,) = (packet for packet in watch.packets() if packet.family is Family.IPV4)
        assert packet.leaving is True
        assert os.read(device, 100)
