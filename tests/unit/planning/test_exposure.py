"""Services that are open to the outside, and kube-proxy's mode: from manifest and options to rules."""

from pathlib import Path

import pytest

from dataplane import manifest
from dataplane.model.address import Family, family_of
from dataplane.model.plan import Exposure
from dataplane.planning.plan import plan as make_plan
from dataplane.planning.resolved import render_manifest
from dataplane.planning.topology import topology
from tests.unit.planning.forwarding import Paper

MANIFESTS = Path(__file__).resolve().parents[3] / "labs" / "manifests"


def cluster(name):
    return manifest.parse((MANIFESTS / name).read_text(), name=name).cluster


def exposed(name, **exposure):
    return make_plan(cluster(name), exposure=Exposure(**exposure))


def test_the_manifests_mode_is_the_proxies():
    plan = make_plan(cluster("nftables.yaml"))

    assert plan.proxy.mode == "nftables"
    assert plan.proxy.cluster_cidrs == plan.pod_ranges
    assert {proxy.mode for proxy in topology(plan).proxies} == {"nftables"}
    assert "    kubeProxy:\n      mode: NFTables\n" in render_manifest(plan)


def test_without_a_word_it_is_iptables():
    plan = make_plan(cluster("gep-21.yaml"))

    assert plan.proxy.mode == "iptables"
    assert "kubeProxy" not in render_manifest(plan)


def test_a_cluster_ip_service_has_no_way_in():
    (service,) = make_plan(cluster("gep-21.yaml")).services

    assert (service.type, service.node_port, service.load_balancer) == ("ClusterIP", None, ())


def test_a_node_port_has_no_address_of_its_own():
    (service,) = exposed("gep-21.yaml", type="NodePort").services

    assert (service.node_port, service.load_balancer) == (30080, ())


@pytest.mark.parametrize(("name", "families"), [("gep-21.yaml", 1), ("dual-stack.yaml", 2)])
def test_a_balancer_has_an_address_of_each_family_and_packets_find_a_node_with_an_endpoint(
    name, families
):
    plan = exposed(name, type="LoadBalancer", external_traffic_policy="Local")
    (service,) = plan.services

    assert len(service.load_balancer) == families
    assert not any(a in n for a in service.load_balancer for n in plan.service_ranges)
    paper = Paper(topology(plan))
    for address in service.load_balancer:
        server = next(s for s in plan.servers if s.address(family_of(address)))
        way = paper.way(server.name, address)
        node = plan.pod(service.endpoints[0]).node
        assert way[:4] == [server.name, "internet", "gateway", "fabric"]
        assert way[4] == node


def test_the_rules_of_every_node_know_way_and_policy():
    made = topology(exposed("gep-21.yaml", type="LoadBalancer", external_traffic_policy="Local"))
    rule = next(rule for rule in made.services if rule.name == "default/echo")

    assert rule.local
    assert rule.node_port == 30080
    assert [family_of(a) for a in rule.load_balancer] == [Family.IPV6]
