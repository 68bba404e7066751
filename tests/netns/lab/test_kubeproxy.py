"""kube-proxy's decision table, row by row, against packets that went through rules of its shape.

The rules (labs.kubeproxy) and the table (dataplane.rules.kubeproxy) are written apart from each other:
what the server saw as its client's address decides. ipvs is in tests/unit/rules only.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from itertools import count, product

import pytest

from dataplane.kernel import netns
from dataplane.model.address import Family, family_of
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.topology import Route, ServiceRule
from dataplane.planning.plan import plan as make_plan
from dataplane.planning.topology import topology as topology_of
from dataplane.rules import kubeproxy
from dataplane.rules.kubeproxy import (
    Destination,
    Proxy,
    ProxyMode,
    Row,
    ServicePacket,
    TrafficPolicy,
    Verdict,
)
from dataplane.rules.localdetector import NO_OP, LocalDetector
from labs import netfilter
from labs.services import render_services
from tests.netns.lab.stimuli import V4, V6, drive, reach

pytestmark = pytest.mark.needs("root", "netns", "nft", "bind", "cgroup2")

PODS = {V4: ip_network("10.1.0.0/16"), V6: ip_network("2001:db8:1::/48")}
FOREIGN = {V4: ip_network("10.99.0.0/16"), V6: ip_network("2001:db8:99::/48")}
SERVICES = {V4: ip_network("10.3.0.0/24"), V6: ip_network("2001:db8:3::/112")}
VIPS = {V4: ip_network("10.4.0.0/24"), V6: ip_network("2001:db8:4::/112")}
NODES = {V4: ip_network("10.2.0.0/24"), V6: ip_network("2001:db8:2::/64")}
LOOPBACK = {V4: ip_address("127.0.0.1"), V6: ip_address("::1")}
NEAR, FAR = "node-0", "node-1"  # the node whose kube-proxy is looked at, and the other one
OUTSIDE = "server-dual"
CLIENTS = ("pod-a", "pod-b", NEAR, OUTSIDE)
QUICK, PATIENT = 0.3, 5.0  # seconds to wait for what is not to come, and for what is


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One configuration, as rules are made of it and as the table takes it."""

    spec: dict
    proxy: dict[Family, dict]


def cidr(networks):
    return Setting(
        spec={"local_cidrs": tuple(networks.values())},
        proxy={f: {"detector": LocalDetector(cidr=n)} for f, n in networks.items()},
    )


SETTINGS = {
    "the pods' range": cidr(PODS),
    "a foreign range": cidr(FOREIGN),
    "no detector": Setting(spec={}, proxy={V4: {}, V6: {}}),
    "the pods' interfaces": Setting(
        spec={"local_interface": "pod-*"},
        proxy={f: {"detector": LocalDetector(interface="pod-", is_prefix=True)} for f in (V4, V6)},
    ),
    "masqueradeAll": Setting(
        spec={"masquerade_all": True, "local_cidrs": tuple(PODS.values())},
        proxy={
            f: {"masquerade_all": True, "detector": LocalDetector(cidr=n)} for f, n in PODS.items()
        },
    ),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A client and the way in that it takes; `endpoint` is the pod behind the service, or None."""

    client: str
    destination: Destination
    rule: ServiceRule
    target: object
    port: int
    loopback: bool = False

    def __str__(self):
        kind = "Local" if self.rule.local else "Cluster"
        return f"{self.client} -> {self.destination} {self.target} ({kind}, {self.rule.name})"


def planned():
    def wish(networks):
        return tuple(
            RangeWish(family=f, strategy=Strategy.CIDR, network=n) for f, n in networks.items()
        )

    return make_plan(
        Cluster(
            name="test",
            families=(V6, V4),
            nodes=wish(NODES),
            pods=wish(PODS),
            services=wish(SERVICES),
        )
    )


def rules_of(plan):
    """Return services with one endpoint each (near, far, nobody), of either policy and family."""
    numbers = count(16)
    rules = []
    for family, pod, local in product((V6, V4), ("pod-a", "pod-c", None), (False, True)):
        number = next(numbers)
        endpoint = None if pod is None else plan.pod(pod).address(family)
        rules.append(
            ServiceRule(
                name=f"default/{pod or 'nobody'}-{'local' if local else 'cluster'}",
                address=SERVICES[family][number],
                port=80,
                endpoints=() if endpoint is None else (endpoint,),
                target_port=8080,
                homes=() if pod is None else (plan.pod(pod).node,),
                node_port=30_000 + number,
                load_balancer=(VIPS[family][number],),
                local=local,
            )
        )
    return rules


def topology_for(plan):
    """Return the plan's topology; services and balancers are routed to the near node from outside."""
    routes = tuple(
        Route(
            namespace=namespace, interface=interface, via=ip_address("fe80::2"), destination=network
        )
        for namespace, interface in (
            ("internet", "gateway"),
            ("gateway", "fabric"),
            ("fabric", NEAR),
        )
        for network in (SERVICES[V6], VIPS[V6])
    )
    topology = topology_of(plan)
    return replace(topology, routes=(*topology.routes, *routes), services=topology.services[-2:])


def cases(plan, rules):
    for client, rule in product(CLIENTS, rules):
        family = family_of(rule.address)
        if client == OUTSIDE and family is V4:
            continue  # the internet does not know the cluster's IPv4
        own = plan.node(NEAR).address(family)
        ways = [
            (Destination.CLUSTER_IP, rule.address, rule.port),
            (Destination.LOAD_BALANCER, rule.load_balancer[0], rule.port),
            (Destination.NODE_PORT, own, rule.node_port),
        ]
        for destination, target, port in ways:
            yield Case(client=client, destination=destination, rule=rule, target=target, port=port)
        if client == NEAR and rule.endpoints and not rule.local:
            yield Case(
                client=client,
                destination=Destination.NODE_PORT,
                rule=rule,
                target=LOOPBACK[family],
                port=rule.node_port,
                loopback=True,
            )


def source_of(plan, case):
    if case.loopback:
        return case.target
    family = family_of(case.rule.address)
    if case.client == OUTSIDE:
        return plan.server(OUTSIDE).address(family)
    hosts = {**{pod.name: pod for pod in plan.pods}, NEAR: plan.node(NEAR)}
    return hosts[case.client].address(family)


def ruling(plan, case, proxy):
    internal = case.destination is Destination.CLUSTER_IP
    local = case.rule.local and not internal
    return kubeproxy.judge(
        proxy,
        ServicePacket(
            source=source_of(plan, case),
            destination=case.destination,
            policy=TrafficPolicy.LOCAL if local else TrafficPolicy.CLUSTER,
            endpoint=next(iter(case.rule.endpoints), None),
            endpoint_on_node=NEAR in case.rule.homes,
            source_is_node=case.client == NEAR,
            destination_is_loopback=case.loopback,
            in_interface={NEAR: None, OUTSIDE: "uplink"}.get(case.client, case.client),
        ),
    )


def is_answered(case, expected):
    """Tell whether the client gets an answer that it takes for one.

    What keeps its source on the way to another node is answered from there, past this node: the client
    asked somebody else. This is why kube-proxy masquerades at all.
    """
    if expected.verdict is Verdict.DROP or expected.row is Row.LOOPBACK_NODE_PORT:
        return False
    around = case.client == OUTSIDE and NEAR not in case.rule.homes
    return not (around and expected.verdict is Verdict.KEEP)


def agrees(plan, case, expected, outcome):
    """Tell whether what the server saw is what the table says."""
    if not is_answered(case, expected):
        return not outcome.ok
    if not outcome.ok:
        return False
    if expected.verdict is Verdict.KEEP:
        return outcome.peer == outcome.local
    # Ports are chosen at random behind the node's address, which may be the client's own.
    return outcome.peer.address in plan.node(NEAR).addresses and outcome.peer != outcome.local


@pytest.mark.parametrize("mode", [ProxyMode.NFTABLES, ProxyMode.IPTABLES])
async def test_the_table_and_the_packets_agree(lab_of, mode):
    plan = planned()
    rules = rules_of(plan)
    asked = tuple(cases(plan, rules))
    topology = topology_for(plan)
    specs = {proxy.namespace: proxy for proxy in topology.proxies}
    rows, wrong = set(), []
    async with lab_of(topology) as lab:
        netns.call(lab.namespace(NEAR), _route_localnet)
        for name, setting in SETTINGS.items():
            for node in (NEAR, FAR):
                bare = replace(specs[node], mode=mode.value, local_cidrs=(), local_interface="")
                text = render_services(rules, replace(bare, **setting.spec))
                netfilter.load(lab.namespace(node), f"flush ruleset\n{text}")
            found = {
                case: ruling(
                    plan, case, Proxy(mode=mode, **setting.proxy[family_of(case.rule.address)])
                )
                for case in asked
            }
            open_cases = list(asked)
            for _ in range(2):  # a port chosen at random may be the same once
                stimuli = [
                    reach(
                        c.client,
                        c.target,
                        port=c.port,
                        timeout=PATIENT if is_answered(c, found[c]) else QUICK,
                    )
                    for c in open_cases
                ]
                outcomes = await drive(lab, *stimuli)
                wrong_now = [
                    (case, outcome)
                    for case, outcome in zip(open_cases, outcomes, strict=True)
                    if not agrees(plan, case, found[case], outcome)
                ]
                open_cases = [case for case, _ in wrong_now]
                if not open_cases:
                    break
            wrong += [
                f"{name}: {case}: {found[case].row}, yet {outcome.peer or outcome.error}"
                for case, outcome in wrong_now
            ]
            rows |= {ruling.row for ruling in found.values()}
    assert not wrong, "\n".join(wrong)
    ipvs_only = {Row.CLUSTER_IP_FROM_SERVICE, Row.EXTERNAL_LOCAL_REMOTE}
    assert rows == set(Row) - ipvs_only - {Row.NO_SERVICE}


def _route_localnet():
    """Do what kube-proxy does for NodePorts on 127.0.0.1 (localhostNodePorts)."""
    with open("/proc/sys/net/ipv4/conf/all/route_localnet", "w") as file:  # noqa: PTH123 - of a namespace
        file.write("1")


def test_without_a_detector_nothing_is_local():
    assert SETTINGS["no detector"].proxy[V6].get("detector", NO_OP) is NO_OP
