"""docs/on-a-node.md, command by command, on a node with a pod of containerd."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

from dataplane.kernel import cgroup
from tests.bpf.live import eventually
from tests.netns.attach.conftest import NODE, inside, ip, serving
from tests.netns.attach.test_real_pod import UID, process_of

pytestmark = pytest.mark.needs(
    "root", "netns", "bpf", "btf", "tcx", "cgroup2", "nft", "containerd", "grpc", "curl"
)

DOCUMENT = Path(__file__).parents[3] / "docs/on-a-node.md"
FENCE = re.compile(
    r"^```(?P<info>(?:sh|text)[a-z ]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
NETWORK = {
    "cniVersion": "1.0.0",
    "name": "podnet",
    "plugins": [
        {
            "type": "ptp",
            "mtu": 1500,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "2001:db8:c::/80"}], [{"subnet": "10.9.0.0/24"}]],
                "routes": [{"dst": "::/0"}, {"dst": "0.0.0.0/0"}],
            },
        }
    ],
}
SIX, FOUR, RESOLVER = "2001:db8:e::80", "192.0.2.80", "192.0.2.2"
ZONES = {"www": {"six": [SIX], "four": [FOUR]}}
# The digest compares what is attached to the control groups' root: here that of the walk, where nobody
# else of this machine attaches anything.
COMMAND = """
mount --bind {group} {groups} &&
cd "$1" && sixscope() {{ {python} -m dataplane "$@"; }} && set -e
trap : INT
mount --bind {etc}/resolv.conf /etc/resolv.conf && mount --bind {etc}/nsswitch.conf /etc/nsswitch.conf
eval "$2"
"""


@dataclass
class Walk:
    """The node's two shells. What is typed into them has the node's root and socket added."""

    node: object
    pod: str
    folder: Path
    root: Path
    socket: Path
    group: Path
    watching: subprocess.Popen | None = None

    def typed(self, where, text):
        """Return the command line of a shell in a network namespace that reads a text."""
        told = f"sixscope attach --node-root {self.root} --cri {self.socket} --interval 0.2s"
        text = re.sub(r"^sixscope attach", told, text, flags=re.MULTILINE)
        script = COMMAND.format(
            python=f"PYTHONPATH={DOCUMENT.parents[1]} {sys.executable}",
            etc=self.folder,
            group=self.group,
            groups=cgroup.root(),
        )
        enter = f'echo $$ > {self.group}/cgroup.procs && exec "$@"'
        shell = [
            "unshare",
            "--mount",
            "bash",
            "-c",
            script,
            "bash",
            str(self.folder),
            text,
        ]
        return ["sh", "-c", enter, "sh", "nsenter", *where, *shell]

    @property
    def said(self):
        return (self.folder / "watch.txt").read_text()

    def leave(self):
        """End what a walk that failed on its way has left running."""
        for file in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(file.read_text()), signal.SIGKILL)
        if self.watching is not None and self.watching.poll() is None:
            os.killpg(self.watching.pid, signal.SIGKILL)
            self.watching.wait(20)

    def step(self, info, text):
        node = (f"--net=/run/netns/{self.node.name}",)
        match info.split()[1:]:
            case ["watch"]:
                with (self.folder / "watch.txt").open("w") as output:
                    self.watching = subprocess.Popen(
                        self.typed(node, text),
                        stdout=output,
                        text=True,
                        start_new_session=True,
                    )
                assert eventually(
                    lambda: "end with Ctrl-C" in self.said, wanted=True, seconds=60
                ), self.said
                return ""
            case ["end"]:
                os.killpg(self.watching.pid, signal.SIGINT)
                assert self.watching.wait(30) == 130, self.said
                return self.said
            case place:
                where = ("-t", self.pod, "--net") if place else node
                done = subprocess.run(
                    self.typed(where, text), capture_output=True, text=True, timeout=60, check=False
                )
                assert done.returncode == 0, (text, done.stdout, done.stderr)
                return done.stdout

    def expect(self, text, said):
        """Find the lines of a text in what a command or the watch said, in their order; `...` is anything."""
        lines = [".*".join(map(re.escape, line.split("..."))) for line in text.splitlines()]
        assert eventually(
            lambda: in_order(lines, said) or in_order(lines, self.said), wanted=True, seconds=20
        ), f"{text}\n--- is not in\n{said or self.said}"


def in_order(lines, text):
    at = 0
    for line in lines:
        found = re.compile(f"^{line}$", re.MULTILINE).search(text, at)
        if found is None:
            return False
        at = found.end()
    return True


@pytest.fixture
def outside(node):
    """Have a resolver and a web server outside, of both families, and no pod but the runtime's."""
    ip("-n", node.name, "link", "delete", node.pod_interface)
    for namespace, interface, address in (
        (node.name, node.uplink, "192.0.2.1/24"),
        (node.outside, "eth0", f"{RESOLVER}/24"),
        (node.outside, "eth0", f"{FOUR}/32"),
        (node.outside, "eth0", f"{SIX}/128"),
    ):
        words = ["nodad"] if ":" in address else []
        ip("-n", namespace, "address", "add", address, "dev", interface, *words)
    ip("-n", node.outside, "route", "add", "10.9.0.0/24", "via", "192.0.2.1")
    ip("-n", node.outside, "-6", "route", "add", "2001:db8:c::/80", "via", NODE)
    inside(node.name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    specification = {"resolver": RESOLVER, "listen": [SIX, FOUR], "zones": ZONES}
    with serving(node, specification):
        yield


@pytest.mark.usefixtures("outside")
def test_every_command_of_the_walk_does_what_the_document_says(node, unique, short, tmp_path):
    runtime = import_module("tests.netns.node.runtime").runtime  # needs grpcio
    (tmp_path / "resolv.conf").write_text(f"nameserver {RESOLVER}\noptions timeout:2\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    blocks = [(found["info"], found["body"]) for found in FENCE.finditer(DOCUMENT.read_text())]
    with (
        runtime(node.name, short, NETWORK, unique) as made,
        made.pod("web-0", UID, unique) as sandbox,
    ):
        walk = Walk(
            node=node,
            pod=process_of(sandbox),
            folder=tmp_path,
            root=short,
            socket=made.socket,
            group=cgroup.root() / f"{unique}-walk",
        )
        walk.group.mkdir()
        settled = ("ip", "-6", "address", "show", "tentative")
        assert eventually(lambda: inside(node.name, *settled).stdout, wanted="", seconds=20) == ""
        try:
            said = ""
            for info, body in blocks:
                if info == "text":
                    walk.expect(body, said)
                else:
                    said = walk.step(info, body)
        finally:
            walk.leave()
            walk.group.rmdir()
    assert len(blocks) > 20
