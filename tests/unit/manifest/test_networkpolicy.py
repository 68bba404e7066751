"""NetworkPolicies: kube-apiserver's errors about peers, and IPv4 that forgot about IPv6."""

import pytest

from dataplane.model.problem import Severity, Source
from tests.unit.manifest import vectors

NOT_A_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
STRICT = "must be a strict subset of `cidr`"


def block(cidr, *excepted):
    return {"ipBlock": {"cidr": cidr, **({"except": list(excepted)} if excepted else {})}}


def policy(*to, types=("Egress",), **spec):
    rules = {"egress": [{"to": list(to)}]} if to else {}
    return {"metadata": {"name": "p"}, "spec": {"policyTypes": list(types), **rules, **spec}}


def judged(value, **given):
    return vectors.judged("NetworkPolicy", value, **given)


def said(value, **given):
    return vectors.messages(vectors.errors(judged(value, **given)))


def lint(value):
    return [problem for problem in judged(value) if problem.source is Source.SEED]


PEER = "spec.egress[0].to[0]"


@pytest.mark.parametrize(
    ("peer", "lines"),
    [
        ({"podSelector": {}}, []),
        ({"podSelector": {}, "namespaceSelector": {}}, []),
        ({}, [f"{PEER}: Required value: must specify a peer"]),
        ({"ipBlock": {}}, [f"{PEER}.ipBlock.cidr: Required value"]),
        (
            {"podSelector": {}, **block("2001:db8::/32")},
            [f"{PEER}: Forbidden: may not specify both ipBlock and another peer"],
        ),
        (block("10.0.0.1"), [f'{PEER}.ipBlock.cidr: Invalid value: "10.0.0.1": {NOT_A_CIDR}']),
        (block("::/129"), [f'{PEER}.ipBlock.cidr: Invalid value: "::/129": {NOT_A_CIDR}']),
        (
            block("2001:db8::/32", "2001:db8:1::/48", "2001:db8::/32", "2001::/16", "x"),
            [
                f'{PEER}.ipBlock.except[1]: Invalid value: "2001:db8::/32": {STRICT}',
                f'{PEER}.ipBlock.except[2]: Invalid value: "2001::/16": {STRICT}',
                f'{PEER}.ipBlock.except[3]: Invalid value: "x": {NOT_A_CIDR}',
            ],
        ),
        (block("x", "y"), [f'{PEER}.ipBlock.cidr: Invalid value: "x": {NOT_A_CIDR}']),
        (block("::/0", "10.0.0.0/8"), [f'{PEER}.ipBlock.except[0]: Invalid value: "10.0.0.0/8": {STRICT}']),
    ],
)  # fmt: skip
def test_peers_are_checked_as_kube_apiserver_does(peer, lines):
    assert said(policy(peer)) == lines


def test_ingress_is_checked_like_egress():
    value = policy(types=(), ingress=[{}, {"from": [{"podSelector": {}}, block("fd00::/8 ")]}])
    assert said(value) == [
        f'spec.ingress[1].from[1].ipBlock.cidr: Invalid value: "fd00::/8 ": {NOT_A_CIDR}'
    ]


def test_what_a_policy_had_already_is_not_checked_again():
    old, new = policy(block("nonsense")), policy(block("nonsense"), block("more nonsense"))

    assert said(old) == said(policy(block("nonsense")), old=policy(block("fd00::/8"))) != []
    assert said(new, old=old) == [
        f'spec.egress[0].to[1].ipBlock.cidr: Invalid value: "more nonsense": {NOT_A_CIDR}'
    ]


@pytest.mark.parametrize(
    ("cidr", "details"),
    [
        ("2001:db8::/32", []),
        ("10.0.0.0/8", []),
        (
            "10.0.0.1/8",
            ['CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)'],
        ),
        (
            "2001:db8::1/64",
            ['CIDR value "2001:db8::1/64" is ambiguous in this context (should be "2001:db8::/64" or "2001:db8::1/128"?)'],
        ),
        (
            "010.0.0.0/8",
            ['non-standard CIDR value "010.0.0.0/8" will be considered invalid in a future Kubernetes release: use "10.0.0.0/8"'],
        ),
        (
            "10.0.0.0/08",
            ['non-standard CIDR value "10.0.0.0/08" will be considered invalid in a future Kubernetes release: use "10.0.0.0/8"'],
        ),
        (
            "::ffff:10.0.0.0/104",
            ['non-standard CIDR value "::ffff:10.0.0.0/104" will be considered invalid in a future Kubernetes release: use "10.0.0.0/8"'],
        ),
        (
            "2001:DB8:0::/64",
            ['IPv6 CIDR value "2001:DB8:0::/64" should be in RFC 5952 canonical format ("2001:db8::/64")'],
        ),
    ],
)  # fmt: skip
def test_odd_ways_of_writing_are_warnings_as_upstream_words_them(cidr, details):
    found = [p for p in judged(policy(block(cidr))) if p.source is Source.KUBERNETES]
    assert [p.detail for p in found] == details
    assert {p.severity for p in found} <= {Severity.WARNING}
    assert all(p.field == f"{PEER}.ipBlock.cidr" for p in found)


def test_all_of_ipv4_without_all_of_ipv6_is_a_warning_with_what_to_add():
    (warning,) = lint(policy({"podSelector": {}}, block("0.0.0.0/0")))

    assert (warning.severity, warning.source) == (Severity.WARNING, Source.SEED)
    assert warning.message == (
        "spec.egress[0].to[1].ipBlock.cidr: "
        "0.0.0.0/0 without ::/0: with IPv6 this rule lets nothing through"
    )
    assert warning.remedy == 'add to spec.egress[0].to: - {ipBlock: {cidr: "::/0"}}'


def test_the_twin_of_a_public_network_leaves_out_private_ones_too():
    excepted = (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.169.254/32",
        "192.0.2.0/24",
    )
    (warning,) = lint(policy(block("0.0.0.0/0", *excepted)))

    assert warning.remedy == (
        'add to spec.egress[0].to: - {ipBlock: {cidr: "::/0", '
        'except: ["fe80::/10", "fc00::/7", "fd00:ec2::254/128"]}}; '
        'except there too the IPv6 ranges of "192.0.2.0/24"'
    )


def test_the_twin_that_is_proposed_is_the_end_of_the_warning():
    excepted = ("10.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4")
    twin = block("::/0", "fe80::/10", "fc00::/7", "::1/128", "ff00::/8")
    assert judged(policy(block("0.0.0.0/0", *excepted), twin)) == []


@pytest.mark.parametrize("twin", [block("::/0"), block("::/0", "fc00::/7"), block("2000::/3")])
def test_a_twin_in_the_same_list_is_enough(twin):
    assert judged(policy(block("0.0.0.0/0"), twin)) == []
    assert judged(policy(twin, block("0.0.0.0/0", "10.0.0.0/8"))) == []


HTTPS, DNS = [{"port": 443}], [{"port": 53, "protocol": "UDP"}]
FOUR, SIX = [block("0.0.0.0/0")], [block("::/0")]


@pytest.mark.parametrize(
    ("rules", "warnings"),
    [
        ([{"to": FOUR, "ports": HTTPS}, {"to": SIX, "ports": HTTPS}], 0),
        ([{"to": FOUR, "ports": HTTPS}, {"to": SIX}], 0),
        ([{"to": FOUR, "ports": HTTPS}, {"ports": HTTPS}], 0),  # without peers: everybody
        ([{"to": FOUR, "ports": HTTPS}, {"to": SIX, "ports": DNS}], 1),
        ([{"to": FOUR}, {"to": SIX, "ports": DNS}], 1),
        ([{"to": FOUR, "ports": HTTPS}, {"to": [block("2001:db8::/32")], "ports": HTTPS}], 1),
    ],
)
def test_a_twin_in_another_rule_counts_where_it_opens_the_same_ports(rules, warnings):
    found = lint({"spec": {"egress": rules}})
    assert [p.severity for p in found] == [Severity.WARNING] * warnings


def test_directions_do_not_help_each_other():
    found = lint({"spec": {"egress": [{"to": FOUR}], "ingress": [{"from": SIX}]}})
    assert [p.field for p in found] == ["spec.egress[0].to[0].ipBlock.cidr"]


def test_rules_of_a_direction_that_the_policy_is_not_about_are_of_no_effect():
    assert lint(policy(block("0.0.0.0/0"), types=("Ingress",))) == []


def test_any_list_of_ipv4_blocks_alone_is_worth_a_word():
    (hint,) = lint(policy(block("10.0.0.0/8"), block("192.0.2.0/24")))
    assert (hint.severity, hint.field) == (Severity.INFO, "spec.egress[0].to")
    assert lint(policy(block("10.0.0.0/8"), block("fd00::/8"))) == []


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ({"egress": [{"to": ["10.0.0.0/8"]}]}, 'spec.egress[0].to[0]: Invalid value: "10.0.0.0/8": must be a mapping'),
        ({"egress": {"to": []}}, 'spec.egress: Invalid value: {"to": []}: must be a list'),
        ({"ingress": ["x"]}, 'spec.ingress[0]: Invalid value: "x": must be a mapping'),
    ],
)  # fmt: skip
def test_what_cannot_be_decoded_is_not_judged(spec, line):
    assert said({"spec": spec}) == [line]
