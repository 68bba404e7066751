"""The capabilities of docs/kubernetes/daemonset.yaml: with them everything is seen, without any one of
them something is lost. Everything else that root may do is taken away."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from dataplane.kernel import built
from tests.netns.attach.conftest import OUTSIDE, inside, ip
from tests.netns.attach.test_attach import Lines

ROOT = Path(__file__).resolve().parents[3]
DAEMONSET = ROOT / "docs" / "kubernetes" / "daemonset.yaml"
POD = "2001:db8:d::2"
CONNECT = "import socket; s = socket.socket(socket.AF_INET6); s.connect_ex(({!r}, 80))"
SEND = "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ({!r}, 9))"

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "btf", "cgroup2")


def capabilities():
    (container,) = yaml.safe_load(DAEMONSET.read_text())["spec"]["template"]["spec"]["containers"]
    given = container["securityContext"]["capabilities"]
    assert given["drop"] == ["ALL"]
    return [name.lower() for name in given["add"]]


@pytest.fixture(scope="module")
def programs(built_programs):
    return built_programs


@pytest.fixture
def holder(node):
    """A process in the pod's namespace, which has no other name than that process: as runtimes do it."""
    command = ["nsenter", f"--net=/run/netns/{node.pod}", "sleep", "600"]
    with subprocess.Popen(command) as child:
        while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\n":
            os.sched_yield()
        ip("netns", "del", node.pod)
        try:
            yield child.pid
        finally:
            child.kill()


@contextmanager
def following(node, programs, names):
    only = ",".join(["-all", *(f"+{name}" for name in names)])
    command = ["nsenter", f"--net=/run/netns/{node.name}", "setpriv", "--bounding-set", only,
               "--inh-caps", only, "--ambient-caps", only, sys.executable, "-m", "dataplane", "attach",
               "--interval", "0.2s", "--cri", "none", "-o", "json"]  # fmt: skip
    environment = {**os.environ, built.VARIABLE: str(programs)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        lines = Lines(child)
        try:
            lines.until(lambda line: line.get("kind") == "attached", 60)
            yield lines
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(20)
            lines.rest()


def seen(node, holder, programs, names):
    """What is seen of an attempt of the pod and of a datagram that nobody awaits there."""
    with following(node, programs, names) as lines:
        enter = ["nsenter", f"--net=/proc/{holder}/ns/net"]
        subprocess.run([*enter, sys.executable, "-c", CONNECT.format(OUTSIDE)], check=True)
        inside(node.outside, sys.executable, "-c", SEND.format(POD))
        lines.until(lambda line: line["kind"] == "flow" and line["protocol"] == 17)
    found, pod = lines.seen, f"sleep/{holder}"
    return {
        "flows": any(line["kind"] == "flow" and line["protocol"] == 6 for line in found),
        "attempts of the pod": any(
            line["kind"] == "connect" and line["owner"] == pod for line in found
        ),
        "drops by name": all(
            re.fullmatch(r"[a-z_]\w+", line["place"]) for line in found if line["kind"] == "drop"
        ),
        "drops of the pod": any(line["kind"] == "drop" and line["owner"] == pod for line in found),
    }


def test_with_these_and_no_others_everything_is_seen(node, holder, programs):
    assert all(seen(node, holder, programs, capabilities()).values())


@pytest.mark.parametrize(
    ("without", "lost"),
    [
        ("sys_admin", {"attempts of the pod", "drops of the pod"}),
        ("sys_ptrace", {"attempts of the pod", "drops of the pod"}),
        ("syslog", {"drops by name"}),
    ],
)
def test_each_one_is_needed(node, holder, programs, without, lost):
    names = capabilities()
    names.remove(without)
    if without == "sys_admin":  # which stands in for them
        names += ["bpf", "net_admin", "perfmon"]
    result = seen(node, holder, programs, names)
    assert {name for name, there in result.items() if not there} == lost


def test_every_one_is_tried():
    assert sorted(capabilities()) == ["sys_admin", "sys_ptrace", "syslog"]
