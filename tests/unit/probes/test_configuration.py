"""What configures a node: which files are read, and what arguments of programs mean."""

import json
from ipaddress import ip_network

import pytest

from dataplane.rules.nodeexpected import expect
from probes.node import configuration
from probes.node.configuration import KUBE_PROXY_FLAGS, KUBELET_FLAGS, arguments, configured

CONFIG_MAP = (
    "var/lib/kubelet/pods/uid/volumes/kubernetes.io~configmap/kube-proxy-config/config.yaml"
)
PROXY = """
apiVersion: kubeproxy.config.k8s.io/v1alpha1
mode: nftables
clusterCIDR: 2001:db8::/48
"""


@pytest.fixture
def node(tmp_path, monkeypatch):
    """Return a way to write files of a node, none of which is a process."""
    monkeypatch.setattr(configuration, "PROC", tmp_path / "proc")

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    write.root = tmp_path
    return write


def test_files_are_found_where_distributions_have_them(node):
    node("etc/cni/net.d/20-b.conf", '{"type": "bridge"}')
    node("etc/cni/net.d/10-a.conflist", '{"plugins": []}')
    node("etc/cni/net.d/05-no.txt", '{"type": "x"}')
    node("var/lib/kubelet/config/kubelet", "clusterDNS: [2001:db8::a]")
    node(CONFIG_MAP, PROXY)
    facts = configuration.facts(node.root, [])

    assert [word.where for word in facts.cni] == [
        "etc/cni/net.d/10-a.conflist",
        "etc/cni/net.d/20-b.conf",
    ]
    assert [word.content["clusterDNS"] for word in facts.kubelet] == [["2001:db8::a"]]
    assert [(word.where, word.content["mode"]) for word in facts.kube_proxy] == [
        (CONFIG_MAP, "nftables")
    ]


@pytest.mark.parametrize("text", ["", "[]", "{", "a: &a [*a]", b"\xff\xfe", "- x\n", "\t"])
def test_files_that_say_nothing_are_passed_over(node, text):
    node("etc/cni/net.d/10-a.conf", text)
    node("var/lib/kubelet/config.yaml", text)
    facts = configuration.facts(node.root, [])
    assert (facts.cni, facts.kubelet) == ((), ())


@pytest.mark.parametrize(
    ("words", "flags", "content"),
    [
        (["--cluster-dns=2001:db8::a", "--v=2"], KUBELET_FLAGS, {"clusterDNS": "2001:db8::a"}),
        (["--cluster-cidr", "2001:db8::/48"], KUBE_PROXY_FLAGS, {"clusterCIDR": "2001:db8::/48"}),
        (
            ["--masquerade-all", "--proxy-mode=nftables"],
            KUBE_PROXY_FLAGS,
            {"mode": "nftables", "nftables": {"masqueradeAll": True}},
        ),
        (["--masquerade-all=false"], KUBE_PROXY_FLAGS, {}),
        (["--masquerade-all"], KUBE_PROXY_FLAGS, {"iptables": {"masqueradeAll": True}}),
        (["x", ""], KUBE_PROXY_FLAGS, {}),
    ],
)
def test_arguments_are_fields_of_the_configuration(words, flags, content):
    assert configured(arguments(words), flags) == content


def test_a_program_that_runs_is_asked_by_its_arguments_and_its_own_file(node):
    (node.root / "proc/1").mkdir(parents=True)
    (node.root / "proc/1/root").symlink_to(node.root)
    node("proc/7/cmdline", "/usr/local/bin/kube-proxy\0--config=/var/x.yaml\0--proxy-mode=ipvs\0")
    node("proc/7/root/var/x.yaml", PROXY)
    node("proc/9/cmdline", "/usr/bin/kubelet\0--cluster-dns=2001:db8::a\0")
    facts = configuration.facts(node.root, [])

    assert [word.where for word in facts.kube_proxy] == [
        "/var/x.yaml of kube-proxy",
        "arguments of kube-proxy (7)",
    ]
    assert [word.content for word in facts.kubelet] == [{"clusterDNS": "2001:db8::a"}]
    other = configuration.facts(node.root / "proc", [])
    assert (other.kube_proxy, other.kubelet) == ((), ())


def test_a_control_plane_of_static_pods_tells_its_ranges(node):
    command = [
        "kube-controller-manager",
        "--allocate-node-cidrs=true",
        "--cluster-cidr=2001:db8::/48",
    ]
    for name, words in (
        ("kcm", command),
        ("api", ["kube-apiserver", "--service-cluster-ip-range=2001:db8:5e::/112"]),
        ("etcd", ["etcd", "--cluster-cidr=10.0.0.0/8"]),
    ):
        pod = {"kind": "Pod", "spec": {"containers": [{"command": words}]}}
        node(f"etc/kubernetes/manifests/{name}.yaml", json.dumps(pod))
    facts = configuration.facts(node.root, [])
    assert [word.where for word in facts.control_plane] == [
        "arguments of kube-apiserver (etc/kubernetes/manifests/api.yaml)",
        "arguments of kube-controller-manager (etc/kubernetes/manifests/kcm.yaml)",
    ]
    expected = expect(facts)
    assert expected.pod_ranges.value == (ip_network("2001:db8::/48"),)
    assert expected.service_ranges.value == (ip_network("2001:db8:5e::/112"),)


def test_calicos_agent_is_asked_by_its_environment(node):
    process = node.root / "proc/7"
    (node.root / "proc/1").mkdir(parents=True)
    (node.root / "proc/1/root").symlink_to(node.root)
    node("proc/7/cmdline", "calico-node\0-felix\0")
    node("proc/7/environ", "PATH=/bin\0FELIX_IPV6SUPPORT=false\0")
    node("etc/cni/net.d/10-calico.conflist",
         '{"plugins": [{"type": "calico", "ipam": {"type": "calico-ipam", "assign_ipv6": "false",'
         ' "subnet": "2001:db8:1::/64"}}]}')  # fmt: skip
    expected = expect(configuration.facts(node.root, []))
    assert process.is_dir()
    felix, ipam = expected.contradictions
    assert felix.startswith("environment of calico-node (7) has FELIX_IPV6SUPPORT=false")
    assert "assign_ipv6 off" in ipam
