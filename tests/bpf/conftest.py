"""The packet program without an interface: frames go in by BPF_PROG_TEST_RUN, maps are read."""

import ctypes
import os
import struct
import subprocess
from contextlib import contextmanager

import pytest

from dataplane.kernel import bpfcall, netns
from dataplane.kernel.bpfcall import Command
from dataplane.model.topology import Point, Tap
from probes.flows import Flows
from probes.stamps import Stamps

LOOPBACK = Tap(
    name="tap",
    namespace="none",
    interface="lo",
    index=1,  # what TEST_RUN says when it is not told: the loopback device
    point=Point.POD,
    owner="pod-a",
    leaving_is_ingress=False,
)
SKB_SIZE, GSO_SEGS, GSO_SIZE = 192, 164, 176  # struct __sk_buff, linux/bpf.h


class Dry:
    """Runs frames through the packet program on one CPU, and shows what came of them."""

    def __init__(self, *, names=False):
        self.flows = Flows.open([LOOPBACK], stamping=True, names=names)
        self.stamps = Stamps(self.flows)

    def reset(self):
        """Forget everything that was seen."""
        table = self.flows.module.table("flows")
        for key, _ in table.read().page():
            buffer = ctypes.create_string_buffer(table.key.codec.pack(*key), table.key.size)
            delete = struct.pack("=IIQQQ", table.descriptor, 0, ctypes.addressof(buffer), 0, 0)
            bpfcall.call(Command.MAP_DELETE_ELEM, delete)
        books = self.flows.module.table("books")
        for slot in range(books.capacity):
            books.put(struct.pack("=I", slot), bytes(books.value.size))
        self.stamps.ring.consume()
        self.stamps._events.clear()
        self.stamps._complaints.clear()
        self.stamps._discoveries.clear()
        self.stamps._dhcp.clear()
        self.stamps._dns.clear()
        self.stamps._refusals.clear()
        self.stamps._taken = self.stamps._handed = 0

    def run(self, frame, *, program="ethernet_ingress", repeat=1, segments=0, size=0):
        """Run a frame; the program must say "next"."""
        context = b""
        if segments or size:
            octets = bytearray(SKB_SIZE)
            struct.pack_into("=I", octets, GSO_SEGS, segments)
            struct.pack_into("=I", octets, GSO_SIZE, size)
            context = bytes(octets)
        descriptor = self.flows.module.program(program)
        done = bpfcall.dry_run(descriptor, frame, repeat=repeat, context=context)
        assert done.result == -1

    def seen(self):
        """The flows."""
        return list(self.flows.read().page())

    def the_flow(self):
        """The one flow that there is."""
        (flow,) = self.seen()
        return flow

    def packets(self):
        """The stamped packets."""
        self.stamps.ring.consume()
        return list(self.stamps.read())

    def dhcp(self):
        """The DHCPv6 messages."""
        self.stamps.ring.consume()
        return list(self.stamps.dhcp())

    def discoveries(self):
        """The messages of neighbour discovery."""
        self.stamps.ring.consume()
        return list(self.stamps.discoveries())

    def books(self):
        """What the tap counted."""
        return self.flows.books(LOOPBACK)


@pytest.fixture(scope="session")
def loaded_program():
    dry = Dry()
    yield dry
    dry.flows.close()


@contextmanager
def pinned():
    """Keep the caller on one CPU: what is counted per CPU is counted in one place then."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def one_cpu():
    with pinned():
        yield


@pytest.fixture
def dry(loaded_program):
    with pinned():
        loaded_program.reset()
        yield loaded_program


class Pair:
    """Two namespaces and a veth pair between them, with addresses of both families."""

    def __init__(self, name):
        self.a, self.b = f"{name}a", f"{name}b"

    def build(self):
        for name in (self.a, self.b):
            netns.create(name)
        ends = f"e0 index {INDEX_A} type veth peer name e1 index {INDEX_B} netns {self.b}"
        ip(self.a, "link", "add", *ends.split())
        for name, interface, number in ((self.a, "e0", 1), (self.b, "e1", 2)):
            ip(name, "link", "set", "lo", "up")
            ip(name, "link", "set", interface, "up")
            ip(name, "address", "add", f"2001:db8::{number}/64", "dev", interface, "nodad")
            ip(name, "address", "add", f"192.0.2.{number}/24", "dev", interface)

    def remove(self):
        for name in (self.a, self.b):
            netns.remove(name)

    def tap(self, end, **fields):
        """A tap on end "a" or "b"; its owner sends through it."""
        name, interface, index = {"a": (self.a, "e0", INDEX_A), "b": (self.b, "e1", INDEX_B)}[end]
        return Tap(
            **{
                "name": end,
                "namespace": name,
                "interface": interface,
                "index": index,
                "point": Point.POD,
                "owner": f"owner-{end}",
                "leaving_is_ingress": False,
                **fields,
            }
        )


INDEX_A, INDEX_B = 101, 102


def ip(namespace, *words):
    """Run ip(8) inside a namespace."""
    subprocess.run(("ip", "-n", namespace, *words), check=True, timeout=10)


@pytest.fixture
def pair(unique):
    made = Pair(unique)
    try:
        made.build()
        yield made
    finally:
        made.remove()
