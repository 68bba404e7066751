"""NetworkPolicies and Seeds in the file of a Shoot: what a lab makes of them, and what it refuses."""

from ipaddress import ip_network

import pytest

from dataplane.manifest import parse
from dataplane.model.policy import IPBlock, PolicyPeer, PolicyPort, Requirement, Selector
from dataplane.model.problem import Severity

SHOOT = "networking: {pods: 2001:db8:1::/48, nodes: 2001:db8:2::/48, services: 2001:db8:3::/108, ipFamilies: [IPv6]}\n"
POLICY = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: garden}
spec:
"""
SEED = """\
---
apiVersion: core.gardener.cloud/v1beta1
kind: Seed
metadata: {name: s}
spec:
  networks:
    pods: 10.1.0.0/16
    services: 10.2.0.0/16
    nodes: 10.3.0.0/16
    blockCIDRs: [169.254.169.254/32, "fd00:ec2::254/128", 169.254.169.254]
"""


def parsed(spec):
    return parse(SHOOT + POLICY + "".join(f"  {line}\n" for line in spec.splitlines()))


def policy(spec):
    found = parsed(spec)
    assert found.cluster is not None, found.errors
    (only,) = found.cluster.policies
    return only


def test_an_empty_policy_isolates_every_pod_for_what_comes_in():
    only = policy("podSelector: {}")

    assert (only.name, only.namespace, only.pods) == ("p", "garden", Selector())
    assert (only.ingress, only.egress) == ((), None)


@pytest.mark.parametrize(
    ("spec", "ingress", "egress"),
    [
        ("egress: [{}]", 0, 1),
        ("policyTypes: [Egress]\negress: [{}, {}]", None, 2),
        ("policyTypes: [Ingress]\negress: [{}]", 0, None),
        ("policyTypes: [Ingress, Egress]", 0, 0),
    ],
)
def test_types_are_defaulted_as_kubernetes_does(spec, ingress, egress):
    only = policy(spec)
    counted = [None if rules is None else len(rules) for rules in (only.ingress, only.egress)]

    assert counted == [ingress, egress]


def test_peers_ports_and_selectors_are_read():
    only = policy(
        "podSelector: {matchLabels: {app: web}}\n"
        "policyTypes: [Egress]\n"
        "egress:\n"
        "- to:\n"
        "  - ipBlock: {cidr: '2001:db8::/32', except: ['2001:db8:1::/48']}\n"
        "  - namespaceSelector: {}\n"
        "    podSelector:\n"
        "      matchExpressions: [{key: tier, operator: NotIn, values: [a, b]}]\n"
        "  ports: [{port: 53, protocol: UDP}, {port: 80, endPort: 90}, {protocol: SCTP}]\n"
    )
    (rule,) = only.egress

    assert only.pods.requirements == (Requirement(key="app", operator="In", values=("web",)),)
    block = IPBlock(
        network=ip_network("2001:db8::/32"), exceptions=(ip_network("2001:db8:1::/48"),)
    )
    not_in = Requirement(key="tier", operator="NotIn", values=("a", "b"))
    assert rule.peers == (
        PolicyPeer(block=block),
        PolicyPeer(namespaces=Selector(), pods=Selector(requirements=(not_in,))),
    )
    assert rule.ports == (
        PolicyPort(protocol="udp", first=53),
        PolicyPort(first=80, last=90),
        PolicyPort(protocol="sctp"),
    )


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("egress: [{to: [{ipBlock: {cidr: x}}]}]", "spec.egress[0].to[0].ipBlock.cidr"),
        ("egress: [{ports: [{port: dns}]}]", "spec.egress[0].ports[0].port"),
        ("ingress: [{ports: [{protocol: ICMP}]}]", "spec.ingress[0].ports[0].protocol"),
        (
            "podSelector: {matchExpressions: [{key: a, operator: Is}]}",
            "spec.podSelector.matchExpressions[0].operator",
        ),
        ("podSelector: {matchLabels: {a: 1}}", "spec.podSelector.matchLabels.a"),
        ("podSelector: x", "spec.podSelector"),
    ],
)
def test_what_no_lab_can_enforce_is_refused_with_its_place(spec, field):
    found = parsed(spec)

    assert found.cluster is None
    assert [problem.field for problem in found.errors] == [field]
    assert all(p.remedy and p.document == 1 for p in found.errors)


def test_block_cidrs_of_a_seed_are_the_clusters_and_what_is_no_cidr_is_warned_of():
    found = parse(SHOOT + SEED)

    assert found.cluster.blocked == (
        ip_network("169.254.169.254/32"),
        ip_network("fd00:ec2::254/128"),
    )
    warned = [p.field for p in found.problems if p.severity is Severity.WARNING and p.document]
    assert warned == ["spec.networks.blockCIDRs[2]"]


def test_a_seed_that_is_wrong_is_refused():
    found = parse(SHOOT + SEED.replace("10.2.0.0/16", "10.1.2.0/24"))

    assert found.cluster is None
    assert found.errors


def test_other_documents_are_still_passed_over_with_a_word():
    found = parse(SHOOT + "---\nkind: ConfigMap\napiVersion: v1\n")

    assert found.cluster.policies == ()
    assert [p.severity for p in found.problems if p.document] == [Severity.INFO]
