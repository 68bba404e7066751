"""NetworkPolicies against the sentences of Kubernetes' documentation ("Network Policies")."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dataplane.model.policy import (
    Direction,
    IPBlock,
    Party,
    Policy,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    Requirement,
    Selector,
)
from dataplane.rules.gardener import blockcidrs
from dataplane.rules.policy import (
    NAMESPACE_LABEL,
    completed,
    decide,
    forgets_ipv6,
    has_ipv4_blocks_alone,
    selects,
)


def pod(name, address, *labels, namespace="default"):
    return Party(name=name, address=ip_address(address), namespace=namespace, labels=labels)


def labelled(*labels):
    pairs = (label.split("=") for label in labels)
    return Selector(
        requirements=tuple(Requirement(key=k, operator="In", values=(v,)) for k, v in pairs)
    )


def block(network, *exceptions):
    parts = tuple(map(ip_network, exceptions))
    return PolicyPeer(block=IPBlock(network=ip_network(network), exceptions=parts))


WEB = pod("web", "2001:db8::1", "app=web", "tier=front")
DB = pod("db", "2001:db8::2", "app=db")
DB4 = pod("db", "10.0.0.2", "app=db")
STRANGER = pod("web", "2001:db8::3", "app=web", namespace="other")
DNS = pod("dns", "2001:db8::53", "k8s-app=kube-dns", namespace="kube-system")
SIX = Party(name="six", address=ip_address("2001:db8:f::1"))
FOUR = Party(name="four", address=ip_address("198.51.100.1"))


def allows(policies, source, destination, protocol="tcp", port=8080):
    return decide(policies, source, destination, protocol, port).allowed


def test_without_policies_everything_is_allowed():
    assert allows((), WEB, DB)
    assert allows((), SIX, DB)


def test_a_pod_that_is_not_selected_is_not_isolated():
    nothing = Policy(name="p", pods=labelled("app=web"), ingress=())

    assert allows([nothing], WEB, DB)
    assert not allows([nothing], DB, WEB)


@pytest.mark.parametrize(
    ("direction", "denied", "fine"),
    [(Direction.INGRESS, (WEB, DB), (DB, WEB)), (Direction.EGRESS, (DB, WEB), (WEB, DB))],
)
def test_a_selected_pod_is_isolated_in_that_direction_only(direction, denied, fine):
    deny = Policy(name="deny", pods=labelled("app=db"), **{direction.value: ()})
    decision = decide([deny], *denied, "tcp", 1)

    (denial,) = decision.denials
    assert (denial.direction, denial.pod, denial.policies) == (direction, "db", ("deny",))
    assert decision.governed == ("db",)
    assert decide([deny], *fine, "tcp", 1).governed == ()


def test_an_empty_selector_is_about_every_pod_of_the_namespace_and_no_other():
    deny = Policy(name="deny", egress=())

    assert not allows([deny], WEB, SIX)
    assert not allows([deny], DB, SIX)
    assert allows([deny], STRANGER, SIX)


def test_rules_add_up_and_none_takes_away():
    deny = Policy(name="deny", egress=())
    six = Policy(name="six", egress=(PolicyRule(peers=(block("2001:db8:f::/48"),)),))

    assert not allows([deny], WEB, SIX)
    assert allows([deny, six], WEB, SIX)
    assert allows([six, deny], WEB, SIX)
    (denial,) = decide([deny, six], WEB, FOUR, "tcp", 1).denials
    assert denial.policies == ("deny", "six")


def test_an_empty_rule_allows_everything_and_no_rule_nothing():
    assert allows([Policy(name="all", ingress=(PolicyRule(),))], SIX, DB, "icmp", 0)
    assert not allows([Policy(name="none", ingress=())], SIX, DB)


def test_both_ends_have_to_allow():
    out = Policy(name="out", pods=labelled("app=web"), egress=())
    into = Policy(name="into", pods=labelled("app=db"), ingress=())
    everybody = PolicyRule()

    assert not allows([replace(out, egress=(everybody,)), into], WEB, DB)
    assert not allows([out, replace(into, ingress=(everybody,))], WEB, DB)
    assert allows([replace(out, egress=(everybody,)), replace(into, ingress=(everybody,))], WEB, DB)
    both = decide([out, into], WEB, DB, "tcp", 1)
    assert [denial.direction for denial in both.denials] == [Direction.EGRESS, Direction.INGRESS]
    assert both.governed == ("web", "db")


def test_a_pod_cannot_block_itself():
    deny = Policy(name="deny", ingress=(), egress=())

    assert allows([deny], WEB, WEB)
    assert not allows([deny], WEB, STRANGER)  # the same name elsewhere is somebody else


def test_exceptions_are_not_of_a_block():
    rule = PolicyRule(peers=(block("2001:db8::/32", "2001:db8:f::/48"),))
    policy = Policy(name="p", egress=(rule,))

    assert allows([policy], WEB, DNS)
    assert not allows([policy], WEB, SIX)


@pytest.mark.parametrize(
    ("network", "own", "other"), [("0.0.0.0/0", FOUR, SIX), ("::/0", SIX, FOUR)]
)
def test_a_block_says_nothing_of_the_other_family(network, own, other):
    policy = Policy(name="p", egress=(PolicyRule(peers=(block(network),)),))

    assert allows([policy], WEB, own)
    assert not allows([policy], WEB, other)


@pytest.mark.parametrize(
    ("peer", "seen"),
    [
        (PolicyPeer(pods=labelled("app=web")), {"web"}),
        (PolicyPeer(pods=Selector()), {"web", "db"}),
        (PolicyPeer(namespaces=Selector()), {"web", "db", "stranger", "dns"}),
        (PolicyPeer(namespaces=Selector(), pods=labelled("app=web")), {"web", "stranger"}),
        (PolicyPeer(namespaces=labelled(f"{NAMESPACE_LABEL}=kube-system")), {"dns"}),
    ],
)
def test_selectors_of_a_peer_are_both_to_be_met(peer, seen):
    policy = Policy(name="p", pods=labelled("me=yes"), ingress=(PolicyRule(peers=(peer,)),))
    me = pod("me", "2001:db8::9", "me=yes")
    others = {"web": WEB, "db": DB, "stranger": STRANGER, "dns": DNS, "six": SIX}

    assert {name for name, other in others.items() if allows([policy], other, me)} == seen


@pytest.mark.parametrize(
    ("port", "allowed"),
    [
        (PolicyPort(first=8080), {("tcp", 8080)}),
        (PolicyPort(protocol="udp", first=8080), {("udp", 8080)}),
        (PolicyPort(first=8000, last=9000), {("tcp", 8080), ("tcp", 8081)}),
        (PolicyPort(), {("tcp", 8080), ("tcp", 8081)}),
        (None, {("tcp", 8080), ("tcp", 8081), ("udp", 8080), ("icmp", 0)}),
    ],
)
def test_ports_are_of_one_protocol_and_echoes_have_none(port, allowed):
    rule = PolicyRule(ports=() if port is None else (port,))
    policy = Policy(name="p", ingress=(rule,))
    tried = {("tcp", 8080), ("tcp", 8081), ("udp", 8080), ("icmp", 0)}

    assert {way for way in tried if allows([policy], WEB, DB, *way)} == allowed


@pytest.mark.parametrize(
    ("operator", "values", "fits"),
    [
        ("In", ("db", "web"), True),
        ("In", ("db",), False),
        ("NotIn", ("db",), True),
        ("NotIn", ("web",), False),
        ("Exists", (), True),
        ("DoesNotExist", (), False),
    ],
)
def test_expressions(operator, values, fits):
    selector = Selector(requirements=(Requirement(key="app", operator=operator, values=values),))

    assert selects(selector, WEB.labels) is fits
    missing = operator in {"NotIn", "DoesNotExist"}
    assert selects(selector, ("other=1",)) is missing


def test_what_forgot_ipv6_is_completed_with_the_exceptions_that_stand_for_those_of_ipv4():
    policy = Policy(name="p", egress=(PolicyRule(peers=(block("0.0.0.0/0", "10.0.0.0/8"),)),))
    local = Party(name="local", address=ip_address("fd00::1"))

    assert forgets_ipv6(policy)
    meant = completed(policy)
    assert allows([meant], WEB, SIX)
    assert not allows([meant], WEB, local)
    assert completed(meant) == meant


@pytest.mark.parametrize(
    "rules",
    [
        (PolicyRule(peers=(block("0.0.0.0/0"), block("::/0", "fc00::/7"))),),
        (PolicyRule(peers=(block("0.0.0.0/0"),)), PolicyRule(peers=(block("::/0"),))),
        (PolicyRule(peers=(block("10.0.0.0/8"),)),),
        (PolicyRule(),),
        (),
    ],
)
def test_what_opens_both_families_or_not_all_of_ipv4_forgets_nothing(rules):
    assert not forgets_ipv6(Policy(name="p", egress=rules))


def test_block_cidrs_are_exceptions_of_their_own_family():
    blocked = tuple(map(ip_network, ("198.51.100.0/24", "2001:db8:f::/48")))
    policies = blockcidrs.policies(blocked)
    component = pod("component", "2001:db8::7", *blockcidrs.labels())
    public4, public6 = (
        Party(name="far", address=ip_address(text)) for text in ("192.0.2.1", "2001:db8:e::1")
    )

    assert not any(allows(policies, component, other) for other in (SIX, FOUR))
    assert all(allows(policies, component, other) for other in (public4, public6))
    assert all(allows(policies, WEB, other) for other in (SIX, FOUR, public4, public6))
    assert not any(map(forgets_ipv6, policies))
    private = Party(name="private", address=ip_address("fd00::1"))
    assert not allows(policies, component, private)


def test_a_component_may_ask_the_dns_where_it_is_private():
    policies = blockcidrs.policies(())
    component = pod("component", "fd00::7", *blockcidrs.labels())
    dns = replace(DNS, address=ip_address("fd00::53"))

    assert allows(policies, component, dns, "udp", 53)
    assert not allows(policies, component, dns, "tcp", 80)
    assert not allows(policies, component, replace(DB, address=ip_address("fd00::2")), "udp", 53)


def test_an_address_of_the_other_family_is_in_no_block():
    assert DB4.address not in IPBlock(network=ip_network("::/0"))
    assert DB.address not in IPBlock(network=ip_network("0.0.0.0/0"))


@pytest.mark.parametrize(
    ("rules", "alone"),
    [
        ((PolicyRule(peers=(block("10.0.0.0/8"), block("192.0.2.0/24"))),), True),
        ((PolicyRule(peers=(block("10.0.0.0/8"), block("2001:db8::/32"))),), False),
        ((PolicyRule(peers=(block("10.0.0.0/8"), PolicyPeer(pods=Selector()))),), False),
        ((PolicyRule(peers=(block("10.0.0.0/8"),)), PolicyRule()), False),
        ((), False),
        (None, False),
    ],
)
def test_blocks_of_ipv4_alone(rules, alone):
    policy = Policy(name="p", egress=rules)

    assert has_ipv4_blocks_alone(policy, Direction.EGRESS) is alone
