"""`attach` judges a node by what its own files say, or by a manifest, and names whose word lacks."""

import json
import subprocess
import sys

import pytest

from tests.netns.attach.conftest import NODE, OUTSIDE, inside, ip
from tests.netns.attach.test_attach import MASQUERADE, attached, connect
from tests.netns.attach.test_modes import masquerading
from tests.unit.shoots import SIX

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping")

PODS = "2001:db8:d::/64"


def network(*, masquerade=False):
    ipam = {"type": "host-local", "ranges": [[{"subnet": PODS}]]}
    plugin = {"type": "ptp", "ipMasq": masquerade, "mtu": 1500, "ipam": ipam}
    return {"cniVersion": "1.0.0", "name": "podnet", "plugins": [plugin]}


@pytest.fixture
def files(tmp_path):
    """Return the root of a node's files: a network of one family, and kubelet's configuration."""

    def write(**options):
        folder = tmp_path / "etc/cni/net.d"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "10-net.conflist").write_text(json.dumps(network(**options)))
        return tmp_path

    (tmp_path / "var/lib/kubelet").mkdir(parents=True)
    (tmp_path / "var/lib/kubelet/config.yaml").write_text("clusterDNS: ['2001:db8:5e::a']\n")
    write()
    write.root = tmp_path
    return write


def told(lines):
    rest = lines.rest()
    answers = {line["check"]: line for line in rest if line["kind"] == "answer"}
    values = {line["name"]: line for line in rest if line["kind"] == "expected"}
    return answers, values


def followed(node, *options):
    with attached(node, *options) as lines:
        connect(node, OUTSIDE)
        lines.until(lambda line: line["kind"] == "flow" and line["tap"] == node.uplink)
    return lines


@pytest.mark.needs("btf")
@pytest.mark.parametrize("mode", ["tc", "zero-touch"])
def test_a_healthy_node_holds_by_its_own_files(node, files, mode):
    lines = followed(node, "--node-root", str(files.root), "--mode", mode)
    answers, values = told(lines)

    assert values["pod_prefixes"]["value"] == [PODS]
    assert values["pod_prefixes"]["where"] == "etc/cni/net.d/10-net.conflist"
    assert values["service_ranges"]["missing"]
    states = {name: answer["state"] for name, answer in answers.items()}
    assert states == {
        "cluster-cidr-mismatch": "unknown",
        "drops": "holds",
        "fallback": "holds",
        "forwarding": "holds",
        "ipv4-leak": "holds",
        "listeners": "unknown",
        "masquerade": "holds",
        "overlay": "holds",
        "pod-families": "holds",
        "pool-size": "unknown",
        "source-range": "holds",
    }
    assert "kube-proxy" in answers["cluster-cidr-mismatch"]["reason"]


def test_a_node_that_says_nothing_is_unknown_and_says_who_is_missing(node, tmp_path):
    answers, _ = told(followed(node, "--node-root", str(tmp_path)))

    # these two need nobody's word: what a process did, and what the kernel gave up
    assert {answers.pop(name)["state"] for name in ("drops", "fallback")} == {"holds"}
    assert {answer["state"] for answer in answers.values()} == {"unknown"}
    assert "etc/cni/net.d" in answers["source-range"]["reason"]
    assert (
        "--shoot" in answers["source-range"]["reason"]
        or "families" in answers["ipv4-leak"]["reason"]
    )


def test_a_masquerade_that_nobody_configured_is_broken_and_names_its_rule(node, files):
    inside(node.name, "nft", "-f", "-", input=MASQUERADE)
    answers, _ = told(followed(node, "--node-root", str(files.root)))

    (finding,) = answers["masquerade"]["findings"]
    assert (answers["masquerade"]["state"], finding["severity"]) == ("broken", "error")
    assert finding["subject"] == node.pod
    assert finding["evidence"][0].startswith("rule: ip6 foreign postrouting: oifname")
    assert f"ip6 daddr {OUTSIDE} masquerade" in finding["evidence"][0]
    assert answers["source-range"]["state"] == "holds"


@pytest.mark.needs("btf")
def test_a_masquerade_that_no_rule_explains_is_found_all_the_same(node, files, tmp_path):
    with masquerading(node, tmp_path), attached(node, "--node-root", str(files.root)) as lines:
        connect(node, OUTSIDE)
        change = lines.until(lambda line: line["kind"] == "source-change")
    answers, _ = told(lines)

    assert (change["rule"], change["design"]) == (
        "no rule that nft lists explains it (eBPF may)",
        "",
    )
    assert answers["masquerade"]["state"] == "broken"
    assert change["rule"] in answers["masquerade"]["findings"][0]["evidence"][0]


def test_a_masquerade_that_the_plugin_was_told_is_a_remark(node, files):
    inside(node.name, "nft", "-f", "-", input=MASQUERADE)
    answers, values = told(followed(node, "--node-root", str(files(masquerade=True))))

    (finding,) = answers["masquerade"]["findings"]
    assert values["masqueraded"]["value"] == ["IPv6"]
    assert (answers["masquerade"]["state"], finding["severity"]) == ("holds", "info")
    assert "ipMasq" in finding["cause"]


def test_a_foreign_source_and_an_ipv4_packet_are_found_with_the_file_that_says_so(node, files):
    for where, interface, address in (
        (node.name, node.pod_interface, "192.0.2.1/24"),
        (node.pod, "eth0", "192.0.2.2/24"),
        (node.pod, "eth0", "2001:db8:bad::2/128"),
    ):
        nodad = ["nodad"] if ":" in address else []
        ip("-n", where, "address", "add", address, "dev", interface, *nodad)
    with attached(node, "--node-root", str(files.root), "--duration", "4s") as lines:
        inside(node.pod, "ping", "-c", "1", "-W", "1", "192.0.2.1")
        inside(node.pod, "ping", "-c", "1", "-W", "1", "-I", "2001:db8:bad::2", OUTSIDE)
        lines.child.wait(30)
    answers, _ = told(lines)

    assert lines.child.returncode == 1
    (leak,) = answers["ipv4-leak"]["findings"]
    (foreign,) = answers["source-range"]["findings"]
    assert "etc/cni/net.d/10-net.conflist" in leak["expected"]
    assert "2001:db8:bad::2" in foreign["cause"]
    assert "etc/cni/net.d/10-net.conflist" in foreign["expected"]


def test_a_manifest_goes_before_the_files_and_what_they_say_otherwise_is_told(node, files):
    shoot = files.root / "shoot.yaml"
    shoot.write_text(SIX % "2001:db8:aaaa::/48")
    lines = followed(node, "--node-root", str(files.root), "--shoot", str(shoot))
    answers, values = told(lines)

    assert values["pod_prefixes"]["value"] == ["2001:db8:aaaa::/48"]
    assert values["service_ranges"]["source"] == "manifest"
    (words,) = [line["words"] for line in lines.seen if line["kind"] == "contradiction"]
    assert PODS in words
    assert "2001:db8:aaaa::/48" in words
    (finding,) = answers["source-range"]["findings"]
    assert "spec.networking.pods" in finding["expected"]


def test_a_manifest_with_errors_is_refused_before_anything_is_attached(node, tmp_path):
    shoot = tmp_path / "shoot.yaml"
    shoot.write_text(SIX % "nonsense")
    command = [sys.executable, "-m", "dataplane", "attach", "--shoot", str(shoot)]
    done: subprocess.CompletedProcess = inside(node.name, *command)

    assert done.returncode == 2
    assert "spec.networking.pods" in done.stderr
    assert "hook" not in done.stdout


def test_a_pod_that_has_ended_leaves_no_doubt(node, files, unique):
    pod = f"{unique}q"
    with attached(node, "--node-root", str(files.root)) as lines:
        try:
            ip("netns", "add", pod)
            ip("-n", node.name, "link", "add", "calinew", "type", "veth", "peer", "name", "eth0",
               "netns", pod)  # fmt: skip
            lines.until(lambda line: line["kind"] == "pod" and line["change"] == "came")
        finally:
            ip("netns", "del", pod)
        lines.until(lambda line: line["kind"] == "pod" and line["change"] == "gone")
        connect(node, OUTSIDE)
        lines.until(lambda line: line["kind"] == "flow" and line["tap"] == node.uplink)
    answers, _ = told(lines)

    assert (answers["source-range"]["state"], answers["source-range"]["reason"]) == ("holds", "")
    assert (answers["masquerade"]["state"], answers["masquerade"]["reason"]) == ("holds", "")
    assert answers["pod-families"]["state"] == "holds", "it is no pod without addresses"


def test_host_routes_to_pods_tell_which_families_there_are(node, tmp_path):
    ip("-n", node.name, "-6", "route", "add", "2001:db8:d::2/128", "dev", node.pod_interface)
    answers, values = told(followed(node, "--node-root", str(tmp_path)))

    assert (values["families"]["value"], values["families"]["source"]) == (["IPv6"], "node-kernel")
    assert answers["ipv4-leak"]["state"] == "holds"
    assert answers["masquerade"]["state"] == "holds"
    assert answers["source-range"]["state"] == "unknown"


def test_the_api_servers_word_goes_before_the_nodes_own(node, files, tmp_path):
    document = {
        "kind": "Node",
        "metadata": {"name": "node-a"},
        "spec": {"podCIDRs": ["2001:db8:aaaa::/64"]},
        "status": {"addresses": [{"type": "InternalIP", "address": NODE}]},
    }
    told_by = tmp_path / "node.json"
    told_by.write_text(json.dumps(document))
    lines = followed(node, "--node-root", str(files.root), "--node-object", str(told_by))
    answers, values = told(lines)

    assert values["pod_prefixes"]["source"] == "kube-api"
    assert answers["source-range"]["state"] == "broken"
    words = [line["words"] for line in lines.seen if line["kind"] == "contradiction"]
    assert any("spec.podCIDRs" in one and PODS in one for one in words), words


def test_another_machines_node_is_refused_before_anything_is_attached(node, tmp_path):
    document = {
        "kind": "Node",
        "metadata": {"name": "elsewhere"},
        "status": {"addresses": [{"type": "InternalIP", "address": "2001:db8:ffff::1"}]},
    }
    told_by = tmp_path / "node.json"
    told_by.write_text(json.dumps(document))
    command = [sys.executable, "-m", "dataplane", "attach", "--node-object", str(told_by)]
    done: subprocess.CompletedProcess = inside(node.name, *command)

    assert done.returncode == 2
    assert "elsewhere (2001:db8:ffff::1)" in done.stderr
    assert "hook" not in done.stdout


def test_a_node_that_does_not_forward_is_broken(node, files):
    inside(node.name, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=0")
    with attached(node, "--node-root", str(files.root)) as lines:
        connect(node, OUTSIDE)
        lines.until(lambda line: line["kind"] == "flow")
    answers, _ = told(lines)

    assert answers["forwarding"]["state"] == "broken"
    assert answers["forwarding"]["findings"][0]["subject"] == "node"


def test_ipv6_on_a_node_of_an_ipv4_cluster_shows_in_its_addresses_and_numbers(node, files):
    plugin = {"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"}}
    listed = {"cniVersion": "1.0.0", "name": "podnet", "plugins": [plugin]}
    (files.root / "etc/cni/net.d/10-net.conflist").write_text(json.dumps(listed))
    lines = followed(node, "--node-root", str(files.root))
    _, values = told(lines)

    assert values["families"]["value"] == ["IPv4"]
    assert NODE in values["addresses"]["value"]
    sums = {(line["where"], line["family"]): line for line in lines.seen if line["kind"] == "total"}
    assert sums[node.uplink, "IPv6"]["packets"] > 0
