"""Pods' names from a node's files, and the network plugin from its interfaces."""

import json

import pytest

from probes.node.cni import recognised
from probes.node.interfaces import PodInterface
from probes.node.pods import Pods, Source

UID = "3f2b8c1e-7a5d-4e0f-9b6c-1d2e3f4a5b6c"
OTHER = "00000000-1111-2222-3333-444444444444"
SANDBOX, CONTAINER = "a" * 64, "b" * 64
BUNDLES = "run/containerd/io.containerd.runtime.v2.task/k8s.io"
CGROUPFS = f"0::/kubepods/burstable/pod{UID}/{CONTAINER}\n"
SYSTEMD = (
    f"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID.replace('-', '_')}"
    f".slice/cri-containerd-{CONTAINER}.scope\n"
)


@pytest.fixture
def node(tmp_path):
    """Return a way to write files of a node; `node.root` is where they are."""

    def write(path, content=None):
        file = tmp_path / path
        if content is None:
            file.mkdir(parents=True)
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))

    write.root = tmp_path
    return write


def bundle(uid=UID, namespace="default", name="web-0"):
    annotations = dict(zip(("uid", "namespace", "name"), (uid, namespace, name), strict=True))
    return {"annotations": {f"io.kubernetes.cri.sandbox-{k}": v for k, v in annotations.items()}}


def result(uid=UID, namespace="default", name="web-0", container=SANDBOX):
    pairs = [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", namespace], ["K8S_POD_NAME", name]]
    return {"containerId": container, "cniArgs": [*pairs, ["K8S_POD_UID", uid]]}


@pytest.mark.parametrize("groups", [CGROUPFS, SYSTEMD, f"12:memory:/x\n{CGROUPFS}"])
@pytest.mark.parametrize(
    ("path", "content", "source"),
    [
        (f"{BUNDLES}/{SANDBOX}/config.json", bundle(), Source.RUNTIME),
        (f"var/lib/cni/results/net-{SANDBOX}-eth0", result(), Source.CNI),
        (f"var/log/pods/default_web-0_{UID}", None, Source.LOGS),
    ],
)
def test_a_group_is_joined_with_what_names_its_pod(node, groups, path, content, source):
    node(path, content)
    pod = Pods(node.root).of(groups)
    assert (pod.called, pod.uid, pod.source) == ("default/web-0", UID, source)


def test_without_any_name_there_is_the_uid(node):
    pod = Pods(node.root).of(SYSTEMD)
    assert (pod.called, pod.source) == (f"pod {UID}", Source.GROUP)


def test_a_container_is_known_by_its_id_where_the_group_names_no_pod(node):
    node(f"{BUNDLES}/{CONTAINER}/config.json", bundle())
    assert Pods(node.root).of(f"0::/k8s.io/{CONTAINER}\n").called == "default/web-0"


def test_crio_writes_its_own_annotations(node):
    names = {"uid": UID, "namespace": "default", "name": "web-0"}
    annotations = {f"io.kubernetes.pod.{key}": value for key, value in names.items()}
    path = f"run/containers/storage/overlay-containers/{CONTAINER}/userdata/config.json"
    node(path, {"annotations": annotations})
    pods = Pods(node.root)
    assert pods.of(f"0::/machine.slice/crio-{CONTAINER}.scope\n").called == "default/web-0"


@pytest.mark.parametrize("groups", ["0::/\n", "0::/system.slice/ssh.service\n", "0::/kubepods\n"])
def test_what_is_no_pods_has_no_pod(node, groups):
    node(f"var/log/pods/default_web-0_{UID}")
    assert Pods(node.root).of(groups) is None


def test_a_static_pod_has_a_hash_of_its_manifest(node):
    node(f"var/log/pods/kube-system_etcd-node_{'c' * 32}")
    pod = Pods(node.root).of(f"0::/kubepods/burstable/pod{'c' * 32}/{CONTAINER}\n")
    assert pod.called == "kube-system/etcd-node"


def test_the_runtime_is_believed_and_a_contradiction_is_told(node):
    node(f"{BUNDLES}/{SANDBOX}/config.json", bundle())
    node(f"var/lib/cni/results/net-{SANDBOX}-eth0", result(name="web-1"))
    node(f"var/log/pods/default_web-2_{OTHER}")
    pods = Pods(node.root)
    assert pods.of(CGROUPFS).called == "default/web-0"
    (words,) = pods.contradictions
    assert "default/web-0" in words
    assert "default/web-1" in words


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '"x"', "{}", "[" * 100_000, '{"annotations": []}', '{"annotations": {}}']
    + [json.dumps({"cniArgs": given}) for given in (None, 1, [1], [["a"]], [[[], {}]])]
    + [json.dumps(bundle(uid=uid)) for uid in ("", "x", None, 7, f"{UID}/..")]
    + [json.dumps(bundle(name=name)) for name in ("", None, ["a"])],
)
def test_files_that_say_nothing_are_passed_over(node, content):
    node(f"{BUNDLES}/{SANDBOX}/config.json", content)
    node(f"var/lib/cni/results/net-{SANDBOX}-eth0", content)
    node("var/log/pods/no-pod")
    node("var/log/pods/a_b_c")
    pods = Pods(node.root)
    assert pods.of(CGROUPFS).called == f"pod {UID}"
    assert pods.contradictions == ()


def link(index, name, **more):
    return {"index": index, "name": name, "kind": "veth", "master": None, **more}


def found(index, name):
    return PodInterface(interface=name, index=index, owner="p", cookie=1)


@pytest.mark.parametrize(
    ("links", "pods", "name"),
    [
        ([link(1, "cilium_host"), link(2, "lxc12")], [found(2, "lxc12")], "cilium"),
        ([link(2, "cali12"), link(3, "eth0")], [found(2, "cali12")], "calico"),
        ([link(2, "eni12")], [found(2, "eni12")], "aws-vpc-cni"),
        ([link(1, "cni0"), link(2, "veth1", master=1)], [found(2, "veth1")], "bridge"),
        ([link(2, "veth1")], [found(2, "veth1")], "ptp"),
        ([link(2, "cali-stray"), link(3, "eth0")], [], "unknown"),
    ],
)
def test_a_plugin_is_known_by_its_interfaces(node, links, pods, name):
    told = recognised(links, pods, node.root)
    assert (told.name, told.configured) == (name, None)
    assert told.because


@pytest.mark.parametrize(
    ("content", "configured", "odd"),
    [
        ({"type": "ptp"}, "ptp", False),
        ({"plugins": [{"type": "ptp"}, {"type": "portmap"}]}, "ptp", False),
        ({"plugins": [{"type": "calico"}]}, "calico", True),
        ({"plugins": []}, None, False),
        ([], None, False),
        ("{", None, False),
    ],
)
def test_the_configuration_is_the_second_witness(node, content, configured, odd):
    node("etc/cni/net.d/10-net.conflist", content)
    node("etc/cni/net.d/20-other.conf", {"type": "bridge"})
    node("etc/cni/net.d/00-readme.txt", "no configuration")
    told = recognised([link(2, "veth1")], [found(2, "veth1")], node.root)
    assert (told.name, told.configured) == ("ptp", configured)
    assert bool(told.caveats) is odd
