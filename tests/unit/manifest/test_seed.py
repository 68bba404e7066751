"""Seeds: Gardener's errors, whole lines of them, and what it takes without looking."""

import pytest

from dataplane.manifest import kinds
from dataplane.manifest.case import Case
from dataplane.manifest.documents import Document
from dataplane.manifest.fields import root
from dataplane.model.problem import ProblemType, Severity, Source
from tests.unit.manifest import vectors

OURS = {"pods": "10.4.0.0/14", "services": "10.8.0.0/14", "nodes": "10.12.0.0/14"}


def seed(**networks):
    return {"metadata": {"name": "soil"}, "spec": {"networks": networks}}


def said(value, **given):
    return vectors.messages(vectors.errors(vectors.judged("Seed", value, **given)))


@pytest.mark.parametrize("case", vectors.oracle_cases("Seed"))
def test_it_says_what_executed_upstream_code_says(case):
    vectors.agree_with_oracle(case)


@pytest.mark.parametrize("case", vectors.rule_cases("Seed"))
def test_it_says_what_upstream_tests_expect(case):
    vectors.agree_with_rules(case)


def test_a_seed_without_networks_misses_pods_and_services():
    assert said({"metadata": {"name": "soil"}}) == [
        'spec.networks.pods: Invalid value: "": invalid CIDR address: ',
        'spec.networks.services: Invalid value: "": invalid CIDR address: ',
    ]


def test_shoot_defaults_may_equal_the_seed_in_ipv4_but_not_in_ipv6():
    four = seed(**OURS, shootDefaults={"pods": OURS["pods"], "services": OURS["services"]})
    six = {"pods": "fd01::/48", "services": "fd02::/48"}

    assert said(four) == []
    assert said(seed(**six, shootDefaults=six, ipFamilies=["IPv6"])) == [
        (
            'spec.networks.shootDefaults.pods: Invalid value: "fd01::/48": '
            'must not overlap with "spec.networks.pods" ("fd01::/48")'
        ),
        (
            'spec.networks.shootDefaults.services: Invalid value: "fd02::/48": '
            'must not overlap with "spec.networks.services" ("fd02::/48")'
        ),
    ]


def test_shoot_defaults_are_apart_from_each_other():
    defaults = {"pods": "172.16.0.0/12", "services": "172.16.0.0/16"}

    assert said(seed(**OURS, shootDefaults=defaults)) == [
        (
            'spec.networks.shootDefaults.services: Invalid value: "172.16.0.0/16": '
            'must not overlap with "spec.networks.shootDefaults.pods" ("172.16.0.0/12")'
        )
    ]


@pytest.mark.parametrize(
    ("services", "families", "lines"),
    [
        ("12.0.0.0/8", ["IPv4"], []),
        (
            "13.0.0.0/7",
            ["IPv4"],
            ['spec.networks.services: Invalid value: "12.0.0.0/7": cannot be larger than /8'],
        ),
        ("3000::/7", ["IPv4", "IPv6"], []),
        ("::ffff:12.0.0.0/103", ["IPv4"], []),  # a mask of 103 bits, though it is a /7 of IPv4
    ],
)
def test_ipv4_services_have_a_largest_size(services, families, lines):
    pods = "10.0.0.0/8" if families == ["IPv4"] else "fd00::/16"
    assert said(seed(pods=pods, services=services, ipFamilies=families)) == lines


def test_a_range_that_is_wrong_alone_ends_the_comparison():
    value = seed(pods="240.0.0.0/8", services="240.0.0.0/4", nodes="fd00::/8")
    assert said(value) == [
        'spec.networks.services: Invalid value: "240.0.0.0/4": cannot be larger than /8',
        'spec.networks.nodes: Invalid value: "fd00::": must be a valid IPv4 address',
    ]


def test_reserved_ranges_are_reserved_for_shoot_defaults_too():
    defaults = {"pods": "244.8.0.0/13", "services": "fd8f:6d53:b97a::/48"}
    value = seed(**OURS, shootDefaults=defaults, ipFamilies=["IPv4", "IPv6"])
    assert said(value) == [
        (
            'spec.networks.shootDefaults.pods: Invalid value: "244.8.0.0/13": pod network intersects '
            "with reserved shoot pod network mapping range (244.0.0.0/8)"
        ),
        (
            'spec.networks.shootDefaults.services: Invalid value: "fd8f:6d53:b97a::/48": service '
            "network intersects with default vpn network (fd8f:6d53:b97a:1::/96)"
        ),
    ]


def test_the_first_release_kept_everything_apart():
    value = seed(**OURS, shootDefaults={"pods": "10.5.0.0/16", "services": "192.168.0.0/16"})

    assert said(value) == []
    assert said(value, profile="gep21") == [
        (
            'spec.networks.shootDefaults.pods: Invalid value: "10.5.0.0/16": '
            'must not overlap with "spec.networks.pods" ("10.4.0.0/14")'
        ),
        (
            'spec.networks.shootDefaults.services: Invalid value: "192.168.0.0/16": '
            'must not overlap with "[]" ("192.168.123.0/24")'
        ),
    ]


def test_the_gate_is_asked_before_the_ranges():
    value = seed(pods="nonsense", services="", ipFamilies=["IPv6"])

    assert said(value, profile="gep21", gates=frozenset()) == [
        (
            'spec.networks.ipFamilies: Invalid value: []core.IPFamily{"IPv6"}: '
            "IPv6 single-stack networking is not supported"
        )
    ]
    assert len(said(value, profile="gep21")) == len(said(value)) == 2


@pytest.mark.parametrize("profile", ["current", "gep21"])
def test_an_update_changes_nothing_but_nodes_that_were_not_set(profile):
    old = seed(pods=OURS["pods"], services=OURS["services"])
    new = seed(**{**OURS, "pods": "10.16.0.0/14"}, ipFamilies=["IPv4", "IPv6"])

    assert said(seed(**OURS), old=old, profile=profile) == []
    assert said(new, old=old, profile=profile)[:2] == [
        (
            'spec.networks.ipFamilies: Invalid value: []core.IPFamily{"IPv4", "IPv6"}: '
            "field is immutable"
        ),
        'spec.networks.pods: Invalid value: "10.16.0.0/14": field is immutable',
    ]


def test_nodes_cannot_be_taken_away():
    new = seed(pods=OURS["pods"], services=OURS["services"])
    assert said(new, old=seed(**OURS)) == [
        'spec.networks.nodes: Invalid value: "null": field is immutable'
    ]


@pytest.mark.parametrize(("old", "new"), [({}, {"ipFamilies": ["IPv4"]}), ({"ipFamilies": []}, {})])
def test_families_that_are_left_out_are_ipv4(old, new):
    assert said(seed(**OURS, **new), old=seed(**OURS, **old)) == []


@pytest.mark.parametrize(
    ("networks", "families"), [({}, ["IPv4"]), ({"ipFamilies": ["IPv6", "IPv4"]}, ["IPv6", "IPv4"])]
)
def test_defaulting_fills_in_the_families(networks, families):
    top = root(Document(index=0, value=seed(**networks)))
    kind = kinds.kind("Seed", "core.gardener.cloud/v1beta1")
    assert kind.default(Case(top=top)) == {"spec.networks.ipFamilies": families}


def test_blocked_ranges_that_block_nothing_are_told():
    blocked = ["169.254.169.254/32", "fd00:ec2::254/128", "10.0.0.0", "v6private/48", "10.0.0.1/8"]
    problems = vectors.judged("Seed", seed(**OURS, blockCIDRs=blocked))

    assert vectors.errors(problems) == []
    assert {(p.severity, p.source, p.type) for p in problems} == {
        (Severity.WARNING, Source.SIXSCOPE, ProblemType.ADVICE)
    }
    assert vectors.messages(problems) == [
        (
            'spec.networks.blockCIDRs[2]: "10.0.0.0" is no CIDR; '
            "nobody refuses it, and nothing is blocked by it"
        ),
        (
            'spec.networks.blockCIDRs[3]: "v6private/48" is no CIDR; '
            "nobody refuses it, and nothing is blocked by it"
        ),
        'spec.networks.blockCIDRs[4]: "10.0.0.1/8" has host bits set; 10.0.0.0/8 is blocked',
    ]


@pytest.mark.parametrize("address", ["169.254.169.254/32", "fd00:ec2::254/128"])
def test_a_blocked_address_lacks_its_length_only(address):
    value = seed(**OURS, blockCIDRs=[address.partition("/")[0]])
    (problem,) = vectors.judged("Seed", value)
    assert problem.remedy == f"write {address}"


def test_an_ipv6_seed_is_for_ipv6_shoots():
    (hint,) = vectors.judged(
        "Seed", seed(pods="fd01::/48", services="fd02::/48", ipFamilies=["IPv6"])
    )
    assert (hint.severity, hint.source) == (Severity.INFO, Source.SEED)
    assert hint.field == "spec.networks.ipFamilies"
    assert "seedSelector" in hint.remedy


@pytest.mark.parametrize(("field", "meant"), [("podsV6", "pods"), ("nodesCIDR", "nodes")])
def test_a_rejected_alternative_is_unknown_and_the_right_field_is_named(field, meant):
    (problem,) = vectors.judged("Seed", seed(**OURS, **{field: "fd00::/48"}))
    assert (problem.type, problem.severity) == (ProblemType.UNKNOWN_FIELD, Severity.WARNING)
    assert problem.field == f"spec.networks.{field}"
    assert problem.remedy == f"did you mean {meant}?"


def test_what_cannot_be_decoded_is_not_judged():
    assert said(seed(pods=10, services="nonsense")) == [
        "spec.networks.pods: Invalid value: 10: must be a text"
    ]
