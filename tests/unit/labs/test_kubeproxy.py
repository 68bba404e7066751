"""Rules of kube-proxy's shape: chain names are upstream's, and policies are where they belong."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dataplane.model.topology import ProxySpec, ServiceRule
from dataplane.planning.topology import topology
from labs.kubeproxy import iptables, nftables
from labs.services import render_services, services_by_node
from tests.unit.plans import dual_stack, six_only

NEAR, FAR = ip_address("2001:db8:1::2"), ip_address("2001:db8:1:1::2")
NODE = ip_address("2001:db8:2::10")
PODS = ip_network("2001:db8:1::/48")
RULE = ServiceRule(
    name="default/echo",
    address=ip_address("2001:db8:3::64"),
    port=80,
    endpoints=(NEAR, FAR),
    target_port=8080,
    homes=("node-0", "node-1"),
    node_port=30080,
    load_balancer=(ip_address("2001:db8:4::1"),),
)
PROXY = ProxySpec(namespace="node-0", local_cidrs=(PODS,), addresses=(NODE,))
MODES = pytest.mark.parametrize("mode", ["nftables", "iptables", "ipvs"])


def rules_of(text, chain):
    """Return the rules of a chain (of all, where several begin with that name)."""
    found = []
    for block in text.split("  chain ")[1:]:
        head, _, body = block.partition(" {")
        if head.startswith(chain):
            found += [line.strip() for line in body.partition("\n  }")[0].strip().splitlines()]
    return found


def test_names_are_those_of_upstream():
    assert nftables.chain_name("service", "ns1/svc1/tcp/p80") == "service-ULMVA6XW-ns1/svc1/tcp/p80"
    assert iptables.chain_name("SVC", "ns4/svc4:p80", "tcp") == "KUBE-SVC-4SW47YFZTEDKD3PK"


@MODES
def test_a_cluster_ip_is_hidden_from_by_the_detector(mode):
    service = "KUBE-SVC-"
    if mode == "nftables":
        service = nftables.chain_name("service", "default/echo/tcp/80")
    asked = "ip6 daddr 2001:db8:3::64 tcp dport 80"
    mark = "mark-for-masquerade" if mode == "nftables" else "KUBE-MARK-MASQ"

    def first(**changes):
        text = render_services([RULE], replace(PROXY, mode=mode, **changes))
        return rules_of(text, service)[0]

    assert first() == f"{asked} ip6 saddr != {PODS} jump {mark}"
    assert first(masquerade_all=True) == f"{asked} jump {mark}"
    assert first(local_cidrs=(), local_interface="cali*") == (
        f'{asked} iifname != "cali*" jump {mark}'
    )
    assert mark not in first(local_cidrs=())
    assert mark not in first(local_cidrs=(ip_network("10.0.0.0/8"),)), "a range of the other family"


@pytest.mark.parametrize(
    ("mode", "external", "mark"),
    [("nftables", "external-", "mark-for-masquerade"), ("iptables", "KUBE-EXT-", "KUBE-MARK-MASQ")],
)
def test_what_comes_from_outside_goes_by_policy(mode, external, mark):
    proxy = replace(PROXY, mode=mode)
    cluster = rules_of(render_services([RULE], proxy), external)
    local = rules_of(render_services([replace(RULE, local=True)], proxy), external)

    assert cluster[0] == f"jump {mark}"
    assert local[0].startswith(f"ip6 saddr {PODS} ")
    assert local[1].startswith(f"fib saddr type local jump {mark}")
    assert local[2].startswith("fib saddr type local ")
    assert "local-" in local[3] or "KUBE-SVL-" in local[3]


@pytest.mark.parametrize("mode", ["nftables", "iptables"])
def test_policy_local_without_an_endpoint_here_drops(mode):
    rule = replace(RULE, local=True, endpoints=(FAR,), homes=("node-1",))
    text = render_services([rule], replace(PROXY, mode=mode))

    assert "local-" not in text.replace("local-traffic", "")
    assert "KUBE-SVL-" not in text
    assert "2001:db8:4::1 . tcp . 80 : drop" in text or "tcp dport 80 drop" in text
    assert "tcp . 30080 : drop" in text or "fib daddr type local tcp dport 30080 drop" in text


def test_a_service_for_the_cluster_only_has_no_chain_for_outside():
    rule = replace(RULE, node_port=None, load_balancer=())

    assert "external-" not in render_services([rule], PROXY)
    assert "KUBE-EXT-" not in render_services([rule], replace(PROXY, mode="iptables"))


def test_every_node_has_the_kube_proxy_of_its_plan():
    plan = dual_stack()
    texts = services_by_node(topology(plan))

    assert set(texts) == {node.name for node in plan.nodes}
    for node in plan.nodes:
        assert "table ip6 nat" in texts[node.name]
        assert "table ip nat" in texts[node.name]
        for cidr in plan.pod_ranges:
            assert f"saddr != {cidr} jump KUBE-MARK-MASQ" in texts[node.name]


def test_the_plan_decides_mode_and_detection():
    plan = six_only()
    nodecidr = replace(plan, proxy=replace(plan.proxy, mode="nftables", detect_local="NodeCIDR"))
    prefix = replace(
        plan,
        proxy=replace(plan.proxy, detect_local="InterfaceNamePrefix", interface_name_prefix="pod-"),
    )

    for node, spec in zip(plan.nodes, topology(nodecidr).proxies, strict=True):
        assert (spec.mode, spec.local_cidrs) == ("nftables", node.pod_prefixes)
        assert spec.addresses == node.addresses
    assert {(s.local_cidrs, s.local_interface) for s in topology(prefix).proxies} == {((), "pod-*")}
    assert topology(replace(plan, proxy=None)).proxies == ()


def test_services_bring_their_ways_in_from_outside():
    plan = six_only()
    (service,) = plan.services
    vip = ip_address("2001:db8:4::1")
    opened = replace(
        service,
        type="LoadBalancer",
        external_traffic_policy="Local",
        node_port=30080,
        load_balancer=(vip,),
    )
    rule = topology(replace(plan, services=(opened,))).services[0]

    assert (rule.node_port, rule.load_balancer, rule.local) == (30080, (vip,), True)
    assert rule.homes == tuple(plan.pod(name).node for name in service.endpoints)
