"""Command lines: order of families, masks, and who allocates."""

from dataclasses import replace

import pytest

from dataplane.model.cloud import Allocator
from dataplane.model.expected import Witness
from dataplane.model.proxy import ProxyPlan
from dataplane.planning.flags import components
from dataplane.planning.plan import plan
from tests.unit.planning.shoots import V4, V6, dual, four, shoot, six, wish

KCM = "kube-controller-manager"


def lines(made, **options):
    return {c.name: [str(flag) for flag in c.flags] for c in components(made, **options)}


def test_ipv6_only():
    made = plan(
        six(
            pods=[wish("2001:db8:1::/56")],
            services=[wish("2001:db8:3::/112")],
            nodes=[wish("2001:db8:2::/64")],
        )
    )
    assert lines(made) == {
        "kube-controller-manager": [
            "--allocate-node-cidrs=true",
            "--cidr-allocator-type=RangeAllocator",
            "--node-cidr-mask-size=64",
            "--cluster-cidr=2001:db8:1::/56",
            "--service-cluster-ip-range=2001:db8:3::/112",
        ],
        "kube-apiserver": ["--service-cluster-ip-range=2001:db8:3::/112"],
        "kube-proxy": ["--proxy-mode=iptables", "--cluster-cidr=2001:db8:1::/56"],
        "kubelet": [
            "--cluster-dns=2001:db8:3::a",
            "--cluster-domain=cluster.local",
            "--node-ip=::",
        ],
    }
    assert made.components == components(made)


@pytest.mark.parametrize("families", [(V4, V6), (V6, V4)])
def test_the_primary_family_is_first(families):
    made = plan(
        shoot(*families, pods=[wish("2001:db8:1::/56")], services=[wish("2001:db8:3::/112")])
    )
    pods = {V4: "100.96.0.0/11", V6: "2001:db8:1::/56"}
    services = {V4: "100.64.0.0/13", V6: "2001:db8:3::/112"}
    found = lines(made)
    joined = ",".join(services[family] for family in families)
    assert found["kube-apiserver"] == [f"--service-cluster-ip-range={joined}"]
    assert f"--service-cluster-ip-range={joined}" in found[KCM]
    assert f"--cluster-cidr={','.join(pods[family] for family in families)}" in found[KCM]
    masks = [flag for flag in found[KCM] if "mask" in flag]
    assert masks == ["--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64"]
    assert ("--node-ip=::" in found["kubelet"]) is (families[0] is V6)
    apiserver = next(c for c in made.components if c.name == "kube-apiserver")
    assert apiserver.flags[0].remark == f"{families[0]} first: it is the primary family"


def test_kube_proxy_gets_no_range_in_ipvs_mode():
    made = plan(dual())
    assert lines(made, proxy_mode="ipvs")["kube-proxy"] == ["--proxy-mode=ipvs"]
    assert lines(made, proxy_mode="nftables")["kube-proxy"][0] == "--proxy-mode=nftables"
    proxy = next(c for c in made.components if c.name == "kube-proxy")
    assert "masquerade" in proxy.flags[1].remark
    only = next(c for c in plan(four()).components if c.name == "kube-proxy")
    assert only.flags[1].remark == ""


def test_whoever_else_allocates_kube_controller_manager_does_not():
    aws = plan(six("aws"))
    assert lines(aws)[KCM][0] == "--allocate-node-cidrs=false"
    assert not any("mask" in flag or "allocator" in flag for flag in lines(aws)[KCM])
    assert aws.components[0].flags[0].remark == "aws-ipam-controller hands out the nodes' prefixes"
    gcp = lines(plan(dual("gcp")))
    assert gcp[KCM][0] == "--allocate-node-cidrs=false"
    assert gcp["cloud-controller-manager"][:2] == [
        "--allocate-node-cidrs=true",
        "--cidr-allocator-type=CloudAllocator",
    ]
    local = lines(plan(six(), allocator=Allocator.CLOUD))
    assert local[KCM][:2] == ["--allocate-node-cidrs=true", "--cidr-allocator-type=CloudAllocator"]
    for allocator in (Allocator.EXTERNAL, Allocator.CNI):
        assert lines(plan(six(), allocator=allocator))[KCM][0] == "--allocate-node-cidrs=false"


def test_a_value_is_found_by_its_flag():
    component = plan(four()).components[0]
    assert component.value("--node-cidr-mask-size") == "24"
    assert component.value("--no-such-flag") is None


def test_kube_proxys_flags_say_what_the_plan_has():
    made = plan(six(pods=[wish("2001:db8:1::/56")]))
    assert made.proxy == ProxyPlan(cluster_cidrs=made.pod_ranges, source=Witness.MANIFEST)
    proxy = replace(
        made.proxy,
        mode="nftables",
        masquerade_all=True,
        detect_local="InterfaceNamePrefix",
        interface_name_prefix="cali",
        cluster_cidrs=(),
    )
    assert lines(replace(made, proxy=proxy))["kube-proxy"] == [
        "--proxy-mode=nftables",
        "--masquerade-all=true",
        "--detect-local-mode=InterfaceNamePrefix",
        "--pod-interface-name-prefix=cali",
    ]
    bridge = replace(made.proxy, detect_local="BridgeInterface", bridge_interface="cni0")
    assert "--pod-bridge-interface=cni0" in lines(replace(made, proxy=bridge))["kube-proxy"]


def test_a_plan_that_does_not_know_kube_proxy_still_has_its_flags():
    made = plan(six(pods=[wish("2001:db8:1::/56")]))
    assert components(replace(made, proxy=None)) == components(made)
