"""The keyword grammar of "IPv6 for Gardener"."""

import pytest

from dataplane.model.address import Family
from dataplane.model.cluster import Strategy
from dataplane.model.problem import Severity
from dataplane.rules.keywords import Field, is_proposal, keywords_of, read


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


@pytest.mark.parametrize(
    ("value", "kind", "character"),
    [
        ("v6global/31", "nodes", 10),
        ("v6global/64+prefix/64", "nodes", 20),
        ("v6global/64+subnet/96", "nodes", 13),
        ("v6global+prefix/96", "pods", 10),
        ("v4private, v6global/200", "nodes", 21),
        ("v4private v6fromNode", "nodes", 11),
        ("v6global,v6private", "nodes", 10),
        ("nov6 v6global", "nodes", 6),
        ("custom/64", "nodes", 8),
        ("nov4/8", "nodes", 5),
        ("10.0.0.0/16,v6globl/64", "nodes", 13),
        ("10.0.0.0/16 , 2001:db8::1/64", "nodes", 15),
    ],
)
def test_errors_point_at_their_character(value, kind, character):
    (problem,) = written(value, kind=kind).problems
    assert f"(at character {character})" in problem.detail
    assert f"(at character {character})" in problem.message
    assert problem.column == character


def test_values_of_a_list_have_paths_of_their_own():
    field = Field(path="spec.networking.nodes", kind="nodes")
    answer = read(field, ["10.0.0.0/16", "v6global/31"], listed=True)
    (problem,) = answer.problems
    assert (problem.field, problem.column) == ("spec.networking.nodes[1]", 10)
    assert answer.proposal


def test_ranges_are_kept_as_they_are_written():
    answer = written("2001:DB8::/64+prefix/80 10.1.0.0/16", provider="local")
    assert [(found.kind, found.text) for found in answer.ranges] == [
        ("nodes", "2001:DB8::/64"),
        ("nodes", "10.1.0.0/16"),
    ]


def test_azure_has_nothing_global():
    (problem,) = written("v6global/64", provider="azure").problems
    assert "v6private is for it" in problem.detail
    assert written("v6private/48", provider="azure").problems == ()


def test_a_typing_error_gets_a_suggestion():
    (problem,) = written("v6globl/64").problems
    assert "v6global" in problem.remedy


def test_plain_fields_know_no_keywords():
    field = Field(path="pods", kind="pods", families=(Family.IPV6,), plain=True)
    (problem,) = read(field, ["v6fromNode"]).problems
    assert problem.message == (
        'pods: Invalid value: "v6fromNode": invalid CIDR address: v6fromNode'
    )
    assert "--profile proposal" in problem.remedy
    assert problem.column is None
    (problem,) = read(field, ["10.0.0.0/99"]).problems
    assert "proposal" not in problem.remedy
    assert read(field, []).wishes == ()


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


def test_a_misspelt_keyword_is_shown_with_its_modifier():
    (problem,) = written("v6globall/64+prefix/96").problems
    assert problem.detail == "invalid CIDR address: v6globall/64+prefix/96"
    assert '"v6globall/64+prefix/96"' in problem.message
    assert problem.remedy == "did you mean v6global? Keywords are case-sensitive"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("v6global/64+prefix/96", ("v6global",)),
        ("globalIPv6/64, nov4", ("v6global", "nov4")),
        (["v6fromNode", "v4private/16"], ("v6fromNode", "v4private")),
        ("v6global 10.0.0.0/8", None),
        ("2001:db8::/64+prefix/96", None),
        ("v6globall", None),
        ("", None),
        (None, None),
        (["v6global", 7], None),
    ],
)
def test_keywords_alone_are_told_from_everything_else(value, expected):
    assert keywords_of(value) == expected
