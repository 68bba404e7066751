"""A container runtime of our own: containerd with runc and CNI plugins in a root that is thrown away.

It has a mount and a process namespace of its own. So what it writes at fixed places (/run, /var/lib)
comes to lie under a directory of the test, and whatever it started ends with it.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import grpc

from dataplane.kernel import cgroup
from probes.node.crimessages import MESSAGES, SERVICE, classes

PAUSE = "localhost/pause:1"
PLUGINS = next((p for p in ("/usr/lib/cni", "/opt/cni/bin") if Path(p).is_dir()), "/opt/cni/bin")
MORE = {  # what only whoever starts pods has to say
    "NamespaceOption": (("network", 1, "int32"), ("pid", 2, "int32")),
    "LinuxSandboxSecurityContext": (("namespace_options", 1, "NamespaceOption"),),
    "ContainerMetadata": (("name", 1, "string"),),
    "ImageSpec": (("image", 1, "string"),),
    "Mount": (("container_path", 1, "string"), ("host_path", 2, "string"), ("readonly", 3, "bool")),
    "KeyValue": (("key", 1, "string"), ("value", 2, "string")),
    "Capability": (("add_capabilities", 1, "*string"), ("drop_capabilities", 2, "*string")),
    "LinuxContainerResources": (
        ("cpu_period", 1, "int32"),
        ("cpu_quota", 2, "int32"),
        ("memory_limit_in_bytes", 4, "int32"),
    ),
    "LinuxContainerSecurityContext": (
        ("capabilities", 1, "Capability"),
        ("namespace_options", 3, "NamespaceOption"),
        ("readonly_rootfs", 7, "bool"),
    ),
    "LinuxContainerConfig": (
        ("resources", 1, "LinuxContainerResources"),
        ("security_context", 2, "LinuxContainerSecurityContext"),
    ),
    "ContainerConfig": (
        ("metadata", 1, "ContainerMetadata"),
        ("image", 2, "ImageSpec"),
        ("command", 3, "*string"),
        ("args", 4, "*string"),
        ("envs", 6, "*KeyValue"),
        ("mounts", 7, "*Mount"),
        ("log_path", 11, "string"),
        ("linux", 15, "LinuxContainerConfig"),
    ),
    "CreateContainerRequest": (
        ("pod_sandbox_id", 1, "string"),
        ("config", 2, "ContainerConfig"),
        ("sandbox_config", 3, "PodSandboxConfig"),
    ),
    "CreateContainerResponse": (("container_id", 1, "string"),),
    "StartContainerRequest": (("container_id", 1, "string"),),
    "StartContainerResponse": (),
    "LinuxPodSandboxConfig": (
        ("cgroup_parent", 1, "string"),
        ("security_context", 2, "LinuxSandboxSecurityContext"),
    ),
    "PodSandboxConfig": (
        ("metadata", 1, "PodSandboxMetadata"),
        ("hostname", 2, "string"),
        ("log_directory", 3, "string"),
        ("linux", 8, "LinuxPodSandboxConfig"),
    ),
    "RunPodSandboxRequest": (("config", 1, "PodSandboxConfig"),),
    "RunPodSandboxResponse": (("pod_sandbox_id", 1, "string"),),
    "StopPodSandboxRequest": (("pod_sandbox_id", 1, "string"),),
    "StopPodSandboxResponse": (),
    "RemovePodSandboxRequest": (("pod_sandbox_id", 1, "string"),),
    "RemovePodSandboxResponse": (),
}
CLASSES = classes({**MESSAGES, **MORE})
CONFIGURATION = """\
version = 2
root = "{root}/var/lib/containerd"
state = "{root}/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{root}/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{root}/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
"""
OWN_PLACES = """\
mount --make-rprivate / && mount -t tmpfs run /run && mkdir /run/netns &&
mount --bind "$1/var/lib" /var/lib && exec containerd -c "$1/config.toml"
"""


class Runtime:
    """containerd, ready for pods. `root` is what a node's root would be."""

    def __init__(self, root: Path, channel: grpc.Channel) -> None:
        self.root, self._channel = root, channel
        self.socket = root / "run/containerd/containerd.sock"

    def call(self, method: str, **fields: object) -> object:
        request = CLASSES[f"{method}Request"](**fields)
        answer = CLASSES[f"{method}Response"]
        call = self._channel.unary_unary(
            f"{SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return call(request, timeout=30, wait_for_ready=True)

    def import_image(self, tar: Path) -> None:
        """Give containerd an image that lies in a tar."""
        _import_tar(self.socket, tar)

    def start(self, sandbox: str, config: dict, sandbox_config: dict) -> str:
        """Start a container in a sandbox (ContainerConfig) and return its id."""
        made = self.call(
            "CreateContainer", pod_sandbox_id=sandbox, config=config, sandbox_config=sandbox_config
        )
        self.call("StartContainer", container_id=made.container_id)
        return made.container_id

    def sandbox_config(
        self, name: str, uid: str, group: str, *, network: int = 0, pid: int = 1
    ) -> dict:
        """Return a PodSandboxConfig; `network` and `pid` are NamespaceModes."""
        return {
            "metadata": {"name": name, "uid": uid, "namespace": "default"},
            "hostname": name if network == 0 else "",
            "log_directory": str(self.root / f"var/log/pods/default_{name}_{uid}"),
            "linux": {
                "cgroup_parent": f"/{group}/kubepods/besteffort/pod{uid}",
                "security_context": {"namespace_options": {"network": network, "pid": pid}},
            },
        }

    @contextmanager
    def pod(self, name: str, uid: str, group: str, *, network: int = 0, pid: int = 1):
        """Have a pod of namespace `default` run. Its sandbox's id."""
        config = self.sandbox_config(name, uid, group, network=network, pid=pid)
        sandbox = self.call("RunPodSandbox", config=config).pod_sandbox_id
        try:
            yield sandbox
        finally:
            self.call("StopPodSandbox", pod_sandbox_id=sandbox)
            self.call("RemovePodSandbox", pod_sandbox_id=sandbox)


@contextmanager
def runtime(namespace: str, root: Path, conflist: dict, group: str):
    """Run containerd in a network namespace, with one network of plugins."""
    for folder in ("var/lib/containerd", "run/containerd", "etc/cni/net.d", "var/log/pods"):
        (root / folder).mkdir(parents=True)
    (root / "etc/cni/net.d/10-net.conflist").write_text(json.dumps(conflist))
    (root / "config.toml").write_text(CONFIGURATION.format(root=root, pause=PAUSE, plugins=PLUGINS))
    command = ["nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount", "--pid", "--fork",
               "--kill-child", "--mount-proc", "sh", "-c", OWN_PLACES, "sh", str(root)]  # fmt: skip
    log = (root / "log").open("w")
    with log, subprocess.Popen(command, stdout=log, stderr=log) as child:
        try:
            socket = root / "run/containerd/containerd.sock"
            with grpc.insecure_channel(f"unix:{socket}") as channel:
                made = Runtime(root, channel)
                made.call("ListPodSandbox")
                _import(root, socket)
                yield made
        except grpc.RpcError as failure:
            raise AssertionError((root / "log").read_text()[-3000:]) from failure
        finally:
            child.kill()  # unshare heeds no other signal; its child dies with it
            child.wait(20)
            _remove_groups(group)


def _import(root: Path, socket: Path) -> None:
    """Give containerd the one image that it needs: busybox, asleep."""
    tar = root / "pause.tar"
    _image(tar)
    _import_tar(socket, tar)


def _import_tar(socket: Path, tar: Path) -> None:
    subprocess.run(
        ["ctr", "-a", str(socket), "-n", "k8s.io", "image", "import", "--snapshotter", "native",
         str(tar)],
        check=True, capture_output=True,
    )  # fmt: skip


def _image(path: Path) -> None:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tree:
        tree.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
    config = {"architecture": "amd64" if os.uname().machine == "x86_64" else "arm64", "os": "linux",
              "config": {"Entrypoint": ["/bin/busybox", "sleep", "600"]},
              "rootfs": {"type": "layers", "diff_ids": [_digest(layer.getvalue())]}}  # fmt: skip
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as image:
        for name, content in (
            ("layer.tar", layer.getvalue()),
            ("config.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            image.addfile(entry, io.BytesIO(content))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _remove_groups(group: str) -> None:
    """Remove what runc made in every hierarchy, of version 1 and 2."""
    deadline = time.monotonic() + 20
    tops = {cgroup.root(), *(Path(line.split()[1]) for line in
            Path("/proc/self/mounts").read_text().splitlines() if line.split()[2] == "cgroup")}  # fmt: skip
    for top in tops:
        for folder, _, _ in os.walk(top / group, topdown=False):
            while True:
                try:
                    Path(folder).rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    assert time.monotonic() < deadline, f"{folder} is still in use"
                else:
                    break
