"""Networks: Gardener's errors on create, on update, and while one is being deleted."""

import pytest

from tests.unit.manifest import vectors

PODS, SERVICES = "10.96.0.0/12", "10.112.0.0/16"


def network(*, deleted=False, **spec):
    metadata = {"name": "net", "namespace": "shoot--a--b"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-21T08:00:00Z"
    return {"metadata": metadata, "spec": {"type": "cilium", **spec}}


def plain(**more):
    return network(podCIDR=PODS, serviceCIDR=SERVICES, **more)


def said(value, **given):
    return vectors.messages(vectors.errors(vectors.judged("Network", value, **given)))


@pytest.mark.parametrize("case", vectors.oracle_cases("Network"))
def test_it_says_what_executed_upstream_code_says(case):
    vectors.agree_with_oracle(case)


@pytest.mark.parametrize("case", vectors.rule_cases("Network"))
def test_it_says_what_upstream_tests_expect(case):
    vectors.agree_with_rules(case)


def test_an_empty_network_misses_everything():
    assert said({}) == [
        "metadata.name: Required value: name or generateName is required",
        "metadata.namespace: Required value",
        "spec.type: Required value: field is required",
        "spec.podCIDR: Required value: field is required",
        "spec.serviceCIDR: Required value: field is required",
    ]


def test_names_are_checked_as_kubernetes_does():
    value = plain() | {"metadata": {"name": "Net", "namespace": "a.b"}}
    name, namespace = said(value)
    assert name.startswith('metadata.name: Invalid value: "Net": a lowercase RFC 1123 subdomain')
    assert namespace == 'metadata.namespace: Invalid value: "a.b": must not contain dots'


def test_the_api_server_may_choose_the_name():
    assert said(plain() | {"metadata": {"generateName": "net-", "namespace": "ns"}}) == []


@pytest.mark.parametrize(
    ("families", "pods", "services"),
    [
        (["IPv6"], "2600:1f13::/56", "2600:1f13::10:0/108"),
        (["IPv6"], "fd00::1/48", "fd00::/48"),
    ],
)
def test_only_ipv6_alone_may_have_services_among_its_pods(families, pods, services):
    value = network(podCIDR=pods, serviceCIDR=services, ipFamilies=families)
    dual = network(podCIDR=pods, serviceCIDR=services, ipFamilies=["IPv6", "IPv4"])
    line = (
        f'spec.serviceCIDR: Invalid value: "{services}": '
        f'must not overlap with "spec.podCIDR" ("{pods}")'
    )

    assert said(value) == []
    assert said(value, profile="gep21") == said(dual) == [line]


def test_a_second_family_takes_either():
    assert (
        said(network(podCIDR="fd00::/48", serviceCIDR=SERVICES, ipFamilies=["IPv4", "IPv6"])) == []
    )
    assert said(network(podCIDR="fd00::/48", serviceCIDR=SERVICES)) == [
        'spec.podCIDR: Invalid value: "fd00::": must be a valid IPv4 address'
    ]


def test_no_range_is_looked_at_where_the_families_are_wrong():
    assert said(
        {"metadata": plain()["metadata"], "spec": {"ipFamilies": ["IPv4", "IPv7", "IPv7"]}}
    ) == [
        "spec.type: Required value: field is required",
        'spec.ipFamilies[1]: Unsupported value: "IPv7": supported values: "IPv4", "IPv6"',
        'spec.ipFamilies[2]: Unsupported value: "IPv7": supported values: "IPv4", "IPv6"',
        'spec.ipFamilies[2]: Duplicate value: "IPv7"',
    ]


FOUR, SIX, DUAL = ["IPv4"], ["IPv6"], ["IPv4", "IPv6"]


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (FOUR, FOUR, None),
        (FOUR, DUAL, None),
        (DUAL, FOUR, None),
        (None, [], None),
        (None, DUAL, "oldIPFamilies=[], newIPFamilies=[IPv4 IPv6]"),
        (DUAL, None, "oldIPFamilies=[IPv4 IPv6], newIPFamilies=[]"),
        (DUAL, DUAL[::-1], "oldIPFamilies=[IPv4 IPv6], newIPFamilies=[IPv6 IPv4]"),
    ],
)
def test_families_move_only_between_ipv4_and_ipv4_first(old, new, shown):
    line = f"spec.ipFamilies: Forbidden: unsupported IP family update: {shown}"
    assert said(plain(ipFamilies=new), old=plain(ipFamilies=old)) == ([line] if shown else [])


def test_the_first_release_had_no_moves_at_all():
    assert said(plain(), old=plain(ipFamilies=FOUR), profile="gep21") == [
        "spec.ipFamilies: Invalid value: []v1alpha1.IPFamily(nil): field is immutable"
    ]


def test_type_and_ranges_stay():
    old = plain()
    new = network(
        type="calico", podCIDR="10.80.0.0/12", serviceCIDR="10.64.0.0/16", providerConfig={}
    )
    assert said(new, old=old) == [
        'spec.type: Invalid value: "calico": field is immutable',
        'spec.podCIDR: Invalid value: "10.80.0.0/12": field is immutable',
        'spec.serviceCIDR: Invalid value: "10.64.0.0/16": field is immutable',
    ]


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        ({"podCIDR": "10.80.0.0/12"}, "PodCIDR: 10.80.0.0/12 != 10.96.0.0/12"),
        ({"type": "calico"}, "DefaultSpec.Type: calico != cilium"),
        (
            {"ipFamilies": ["IPv4", "IPv6"]},
            "IPFamilies: [IPv4 IPv6] != <nil slice>",
        ),
        (
            {"providerConfig": {"overlay": {"enabled": False}}, "class": "shoot"},
            (
                "DefaultSpec.Class: v1alpha1.ExtensionClass != <nil pointer>,"
                "DefaultSpec.ProviderConfig: runtime.RawExtension != <nil pointer>"
            ),
        ),
    ],
)
@pytest.mark.parametrize("which", ["old", "new"])
def test_nothing_changes_while_it_is_being_deleted(new, changes, which):
    ranges = {"podCIDR": PODS, "serviceCIDR": SERVICES}
    old = network(**ranges, deleted=which == "old")
    value = network(**(ranges | new), deleted=which == "new")
    assert said(value, old=old) == [
        (
            "spec: Forbidden: cannot update network spec if deletion timestamp is set. "
            f"Requested changes: {changes}"
        )
    ]


def test_an_unchanged_network_may_be_deleted():
    families = {"ipFamilies": []}
    assert said(plain(deleted=True, **families), old=plain()) == []


def test_what_is_wrong_anyway_is_told_beside_what_may_not_change():
    old, new = plain(deleted=True), network(podCIDR="x", serviceCIDR=SERVICES, deleted=True)
    assert said(new, old=old) == [
        (
            "spec: Forbidden: cannot update network spec if deletion timestamp is set. "
            "Requested changes: PodCIDR: x != 10.96.0.0/12"
        ),
        'spec.podCIDR: Invalid value: "x": invalid CIDR address: x',
    ]


def test_a_rejected_alternative_is_unknown_and_the_right_field_is_named():
    (problem,) = vectors.judged("Network", plain(podCIDRV6="fd00::/48"))
    assert problem.field == "spec.podCIDRV6"
    assert problem.remedy == "did you mean podCIDR?"
