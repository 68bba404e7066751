"""The keyword grammar of "IPv6 for Gardener"."""

import pytest

from dataplane.model.address import Family
from dataplane.model.cluster import Strategy
from dataplane.model.problem import Severity
from dataplane.rules.keywords import Field, is_proposal, read


def written(value, *, kind="nodes", provider="local", families=()):
    field = Field(path=f"spec.networking.{kind}", kind=kind, families=families, provider=provider)
    return read(field, [value] if isinstance(value, str) else value)


@pytest.mark.parametrize(
    ("value", "kind", "strategy", "size", "node_prefix"),
    [
        ("v6global", "nodes", Strategy.V6_GLOBAL, 64, None),
        ("v6global/56", "services", Strategy.V6_GLOBAL, 56, None),
        ("v6global/64+prefix/96", "nodes", Strategy.V6_GLOBAL, 64, 96),
        ("v6global+prefix", "nodes", Strategy.V6_GLOBAL, 64, 96),
        ("v6private", "pods", Strategy.V6_PRIVATE, 48, None),
        ("v6private/112", "services", Strategy.V6_PRIVATE, 112, None),
        ("v6fromNode", "pods", Strategy.V6_FROM_NODE, None, None),
        ("v6fromNode/112", "pods", Strategy.V6_FROM_NODE, 112, None),
        ("v4fromNode", "pods", Strategy.V4_FROM_NODE, None, None),
        ("v4private", "nodes", Strategy.V4_PRIVATE, None, None),
        ("v4private/20+prefix/26", "nodes", Strategy.V4_PRIVATE, 20, 26),
    ],
)
def test_words(value, kind, strategy, size, node_prefix):
    answer = written(value, kind=kind)
    assert answer.problems == ()
    assert answer.proposal
    (wish,) = answer.wishes
    assert (wish.strategy, wish.size, wish.node_prefix) == (strategy, size, node_prefix)
    assert wish.network is None


@pytest.mark.parametrize(("provider", "length"), [("aws", 80), ("gcp", 96), ("openstack", 96)])
def test_the_prefix_per_node_is_the_providers(provider, length):
    assert written("v6global+prefix", provider=provider).wishes[0].node_prefix == length


def test_a_cidr_may_ask_for_a_prefix_per_node():
    (wish,) = written("2001:db8::/64+prefix/80").wishes
    assert (str(wish.network), wish.node_prefix) == ("2001:db8::/64", 80)


@pytest.mark.parametrize(
    ("value", "means"),
    [("globalIPv6/64", "v6global"), ("v6global+nodeCidr/80", "+prefix")],
)
def test_old_words_are_taken_with_a_warning(value, means):
    answer = written(value)
    (problem,) = answer.problems
    assert problem.severity is Severity.WARNING
    assert means in problem.detail
    assert answer.wishes[0].strategy is Strategy.V6_GLOBAL


@pytest.mark.parametrize(
    "value",
    [
        "10.0.0.0/16,2001:db8::/66",
        "2001:db8::/66 , 10.0.0.0/16",
        "10.0.0.0/16  2001:db8::/66",
        ["2001:db8::/66", "10.0.0.0/16"],
    ],
)
def test_tuples_in_any_notation(value):
    answer = written(value)
    assert answer.problems == ()
    assert {wish.family for wish in answer.wishes} == set(Family)


def test_nothing_and_custom():
    answer = written("v6global nov4")
    assert answer.absent == (Family.IPV4,)
    assert [wish.family for wish in answer.wishes] == [Family.IPV6]
    answer = written("custom")
    assert answer.custom
    assert answer.wishes == ()


@pytest.mark.parametrize(
    ("value", "kind", "detail"),
    [
        ("v6global/31", "nodes", "must be between /32 and /112"),
        ("v6global/113", "nodes", "must be between /32 and /112"),
        ("v6private/47", "pods", "must be between /48 and /112"),
        ("v6private/113", "pods", "must be between /48 and /112"),
        ("v4private/7", "nodes", "must be between /8 and /28"),
        ("v6fromNode", "nodes", "is for pods only"),
        ("v6fromNode", "services", "is for pods only"),
        ("v6global+prefix/96", "pods", "+prefix is for nodes only"),
        ("v6global/64+prefix/64", "nodes", "must be longer than the range"),
        ("v6global/64+prefix/128", "nodes", "at most /124"),
        ("v6global+subnet/96", "nodes", "+subnet is no modifier"),
        ("custom/64", "nodes", "custom takes no size"),
        ("custom+prefix", "nodes", "leaves all to the network plugin"),
        ("nov4/8", "nodes", "takes neither a size nor a modifier"),
        ("nov6,v6global", "nodes", "nov6 contradicts the IPv6 value"),
        ("v6global,v6private", "nodes", "only one IPv6 value is possible"),
        ("v6global,2001:db8::/64", "nodes", "only one IPv6 value is possible"),
        ("v4private,v6global,custom", "nodes", "custom contradicts the values of both families"),
        ("V6Global", "nodes", "invalid CIDR address: V6Global"),
        ("v6globl/64", "nodes", "invalid CIDR address: v6globl/64"),
        ("10.0.0.0/16,", "nodes", "invalid CIDR address: 10.0.0.0/16,"),
        (" v6global", "nodes", "invalid CIDR address:  v6global"),
        ("x" * 5000, "nodes", "invalid CIDR address: x"),
    ],
)
def test_refusals(value, kind, detail):
    problems = written(value, kind=kind).problems
    assert [p for p in problems if p.severity is Severity.ERROR and detail in p.detail], problems
    assert all(len(p.message) < 10_000 and p.remedy for p in problems)


def test_a_typing_error_gets_a_suggestion():
    (problem,) = written("v6globl/64").problems
    assert "v6global" in problem.remedy


def test_plain_fields_know_no_keywords():
    field = Field(path="pods", kind="pods", families=(Family.IPV6,), plain=True)
    (problem,) = read(field, ["v6fromNode"]).problems
    assert problem.message == (
        'pods: Invalid value: "v6fromNode": invalid CIDR address: v6fromNode'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("v6global/64", True),
        ("a,b", True),
        ("::/0+prefix", True),
        ("10.0.0.0/8", False),
        ("x", False),
    ],
)
def test_what_counts_as_the_proposals(value, expected):
    assert is_proposal(value) is expected
