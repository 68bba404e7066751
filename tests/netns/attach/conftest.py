"""A node with two pods and an uplink to an outside, none of it ours: only `ip` made it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

OUTSIDE, NODE = "2001:db8:e::2", "2001:db8:e::1"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def inside(namespace: str, *argv: str, **options: object) -> subprocess.CompletedProcess:
    command = ["nsenter", f"--net=/run/netns/{namespace}", *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@dataclass(frozen=True)
class Node:
    name: str
    pod: str
    outside: str
    pod_interface: str = "calipod"
    uplink: str = "eth9"


@pytest.fixture
def node(unique: str) -> Iterator[Node]:
    made = Node(name=f"{unique}n", pod=f"{unique}p", outside=f"{unique}o")
    names = (made.name, made.pod, made.outside)
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        _connect(made.name, made.pod_interface, made.pod, "eth0")
        _connect(made.name, made.uplink, made.outside, "eth0")
        for where, interface, address in (
            (made.name, made.pod_interface, "2001:db8:d::1/64"),
            (made.pod, "eth0", "2001:db8:d::2/64"),
            (made.name, made.uplink, f"{NODE}/64"),
            (made.outside, "eth0", f"{OUTSIDE}/64"),
        ):
            ip("-n", where, "address", "add", address, "dev", interface, "nodad")
        ip("-n", made.pod, "route", "add", "default", "via", "2001:db8:d::1")
        ip("-n", made.name, "-6", "route", "add", "default", "via", OUTSIDE)
        ip("-n", made.outside, "-6", "route", "add", "2001:db8:d::/64", "via", NODE)
        inside(made.name, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        yield made
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _connect(one: str, interface: str, other: str, peer: str) -> None:
    ip("-n", one, "link", "add", interface, "type", "veth", "peer", "name", peer, "netns", other)
    for namespace, name in ((one, interface), (other, peer)):
        # fixed link-local addresses would do as well; what matters is that nothing is tentative
        inside(namespace, "sysctl", "-qw", f"net.ipv6.conf.{name}.accept_dad=0")
        ip("-n", namespace, "link", "set", name, "up")


@contextmanager
def serving(node: Node, specification: dict) -> Iterator[None]:
    """Run outside.py outside, from when it serves until the end of the body."""
    program = Path(__file__).with_name("outside.py")
    command = [
        "nsenter", f"--net=/run/netns/{node.outside}", sys.executable, str(program),
        json.dumps(specification),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "ready\n"
            yield
        finally:
            child.kill()


@pytest.fixture(autouse=True)
def _programs(with_programs: None) -> None:
    """Have `attach` load programs that were built once."""
