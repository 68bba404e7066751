"""The image, from a bare Debian to a pod of containerd with the DaemonSet's rights and limits.

The Containerfile's step runs in a tree of debootstrap; the result is packed, imported, and run with the
DaemonSet's own arguments, capabilities and resources, on a cold cache, while its endpoint is asked.
"""

import faulthandler
import json
import re
import select
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from importlib import import_module
from pathlib import Path

import pytest
import trustme
import yaml

from dataplane.kernel import netns
from tests.netns.attach.conftest import OUTSIDE, inside
from tests.netns.attach.test_real_pod import NETWORK, UID, process_of

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "kubernetes"
IMAGE, AGENT = "docker.io/library/sixscope:1", "00000000-1111-2222-3333-444444444444"
TOKEN = "t" * 32
NODE_NETWORK = NODE_PROCESSES = 2  # NamespaceMode.NODE
MEBI = 1 << 20
WANTED = (
    r'sixscope_flows\{.*owner="default/web-0"',
    r'sixscope_probe_blind\{probe="drops",where="kfree_skb",hook="raw-tracepoint"\} 0',
    r'sixscope_probe_blind\{probe="connects",where="cgroup",hook="cgroup-link"\} 0',
    r"sixscope_looks_total [1-9]",
    r'sixscope_connect_attempts_total\{owner="default/web-0",family="IPv6",result="sent"\} [1-9]',
    r'sixscope_source_changes_total\{owner="default/web-0",family="IPv6"',
)
CROWD = """
import socket, sys
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as out:
    for port in range(1024, 5120):
        out.sendto(bytes(8), (sys.argv[1], port))
"""  # more flows and attempts than there is room for

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs(
        "root", "netns", "bpf", "tcx", "btf", "cgroup2", "ping", "containerd", "grpc", "debootstrap"
    ),
    pytest.mark.xdist_group("fresh"),  # its tree is that of the fresh machines
]


@pytest.fixture(autouse=True)
def _own_deadline():
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image's tar, made as the Containerfile says."""
    place = tmp_path_factory.mktemp("image")
    programs, layer, packed = place / "programs", place / "layer.tar", place / "image.tar"
    build = [sys.executable, "-m", "dataplane", "build-programs", str(programs)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    text = (DOCS / "image/Containerfile").read_text()
    (base,) = re.findall(r"^FROM debian:(\w+)-slim$", text, re.MULTILINE)
    (step,) = re.findall(r"^RUN --mount=type=bind,target=/sources (.+)$", text, re.MULTILINE)
    inner = (
        "mkdir /given && tar -C /given -xf - && mkdir /sources && mount --bind . /sources && "
        "mkdir -p /sources/.cache/programs && cp /given/* /sources/.cache/programs && "
        f"{step} >&2 && umount /sources && rmdir /sources && "
        "tar -C / --one-file-system --exclude=./root --exclude=./given --exclude='./tmp/*' -cf - ."
    )
    given = subprocess.run(
        ["tar", "-C", programs, "-cf", "-", "."], check=True, capture_output=True
    )
    with layer.open("wb") as out:
        done = subprocess.run(
            [ROOT / "tests/house/fresh.sh", "--worktree", base, "sh", "-c", inner],
            input=given.stdout, stdout=out, stderr=subprocess.PIPE, check=False, timeout=3600,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    with layer.open("rb") as tar:
        subprocess.run([DOCS / "image/pack", IMAGE, packed], stdin=tar, check=True)
    layer.unlink()
    return packed


@pytest.fixture(scope="module")
def daemon():
    text = (DOCS / "daemonset.yaml").read_text()
    (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    return container


def secret(place):
    """What the Secret holds: a token, and a certificate for this address. Return whom to trust."""
    place.mkdir()
    (place / "token").write_text(TOKEN)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(place / "tls.crt")
    issued.private_key_pem.write_to_path(place / "tls.key")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return trust


def container(daemon, place):
    """The DaemonSet's container, as CRI is told of it."""
    limits = daemon["resources"]["limits"]
    memory, cpu = int(limits["memory"].removesuffix("Mi")), int(limits["cpu"].removesuffix("m"))
    rights = daemon["securityContext"]["capabilities"]
    arguments = [text.replace("$(NODE_IP)", "127.0.0.1") for text in daemon["args"]]
    return {
        "metadata": {"name": "sixscope"},
        "image": {"image": IMAGE},
        "command": daemon["command"],
        "args": [*arguments, f"--node-root=/proc/1/root{place}"],
        "mounts": [
            {
                "container_path": "/etc/sixscope",
                "host_path": str(place / "secret"),
                "readonly": True,
            },
            {"container_path": "/sys/fs/cgroup", "host_path": "/sys/fs/cgroup"},
        ],
        "log_path": "sixscope.log",
        "linux": {
            "resources": {
                "cpu_period": 100_000,
                "cpu_quota": cpu * 100,
                "memory_limit_in_bytes": memory * MEBI,
            },
            "security_context": {
                "capabilities": {
                    "add_capabilities": rights["add"],
                    "drop_capabilities": rights["drop"],
                },
                "namespace_options": {"network": NODE_NETWORK, "pid": NODE_PROCESSES},
                "readonly_rootfs": daemon["securityContext"]["readOnlyRootFilesystem"],
            },
        },
    }


class Endpoint:
    """The endpoint, asked from within the node's namespace."""

    def __init__(self, namespace, trust):
        self.namespace, self.trust = namespace, trust

    def ask(self, path):
        return netns.call(self.namespace, self._fetch, path)

    def _fetch(self, path):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(f"https://127.0.0.1:8464{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.trust) as answer:  # noqa: S310 - it is https
                return answer.read().decode()
        except OSError as failure:
            return f"{failure}"


class Loaded:
    """Somebody who asks for everything, one after the other, for as long as the body runs."""

    def __init__(self, endpoint):
        self.endpoint, self.over, self.answers = endpoint, threading.Event(), 0
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self):
        while not self.over.is_set():
            for path in (
                "/metrics",
                "/api/v1/flows?limit=1000",
                "/api/v1/connects?limit=1000",
                "/api/v1/findings",
            ):
                self.answers += len(self.endpoint.ask(path)) > 50

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._thread.join(120)


def until(look, wanted, seconds):
    end, pause = time.monotonic() + seconds, select.poll()
    while not wanted(found := look()):
        assert time.monotonic() < end, found
        pause.poll(250)
    return found


def group_of(container):
    """Return the memory controller's folder (version 1) of a container."""
    groups = Path(f"/proc/{process_of(container)}/cgroup").read_text()
    (path,) = re.findall(r":memory:(.+)", groups)
    return Path("/sys/fs/cgroup/memory" + path)


def number(group, name):
    return int((group / name).read_text())


@pytest.mark.skipif(
    not Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists(),
    reason="no memory controller v1",
)
def test_it_watches_a_node_within_its_limits(image, daemon, node, unique, short):
    runtime = import_module("tests.netns.node.runtime").runtime  # needs grpcio
    space = f"/run/netns/{node.name}"
    with runtime(node.name, short, NETWORK, unique) as made:
        endpoint = Endpoint(space, secret(short / "secret"))
        made.import_image(image)
        modes = {"network": NODE_NETWORK, "pid": NODE_PROCESSES}
        with (
            made.pod("web-0", UID, unique) as web,
            made.pod("sixscope", AGENT, unique, **modes) as sandbox,
        ):
            subprocess.run(["sync"], check=True)
            Path("/proc/sys/vm/drop_caches").write_text("3")
            config = made.sandbox_config("sixscope", AGENT, unique, **modes)
            began = time.monotonic()
            agent = made.start(sandbox, container(daemon, short), config)
            log = Path(config["log_directory"]) / "sixscope.log"
            until(
                lambda: (endpoint.ask("/readyz").strip(), log.read_text()),
                lambda found: found[0] == "ready",
                120,
            )
            ready = time.monotonic() - began
            group = group_of(agent)
            with Loaded(endpoint) as load:
                crowd = ["nsenter", "-t", process_of(web), "--net", sys.executable, "-c", CROWD]
                inside(node.name, *crowd, OUTSIDE)
                for _ in range(20):
                    words = [
                        "nsenter",
                        "-t",
                        process_of(web),
                        "--net",
                        "ping",
                        "-c",
                        "3",
                        "-i",
                        "0.2",
                    ]
                    inside(node.name, *words, OUTSIDE)
                until(
                    lambda: endpoint.ask("/metrics"),
                    lambda text: all(re.search(line, text) for line in WANTED),
                    180,
                )
            figures = {
                "ready after s": round(ready, 1),
                "peak MiB": number(group, "memory.max_usage_in_bytes") // MEBI,
                "limit hit": number(group, "memory.failcnt"),
                "kernel MiB": number(group, "memory.kmem.usage_in_bytes") // MEBI,
                "answers": load.answers,
            }
            sys.stdout.write(f"{json.dumps(figures)}\n")  # for whoever asks with -s
            assert number(group, "memory.limit_in_bytes") == 100 * MEBI
            assert "oom_kill 0" in (group / "memory.oom_control").read_text()
    assert load.answers > 3, figures
