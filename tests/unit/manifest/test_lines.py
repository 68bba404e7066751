"""One case per line: each key, each stage, and lines that are no case at all."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.manifest import kinds
from dataplane.manifest.case import Kind, Stage
from dataplane.manifest.documents import MAX_DEPTH, MAX_OCTETS
from dataplane.manifest.lines import MAX_VALUES, answer, is_refusal
from dataplane.manifest.validation import GATES, Terms
from dataplane.model.problem import ProblemType, Severity
from tests.unit.echo import Echo


@pytest.fixture(autouse=True)
def echo(monkeypatch):
    echo = Echo()
    pair = Kind(name="Pair", groups=(), judge=echo.judge)
    monkeypatch.setattr(kinds, "kinds", lambda: (echo.kind, pair))
    return echo


def ask(terms=None, **keys):
    return answer(json.dumps(keys).encode(), terms or Terms())


def saying(*words):
    return {"kind": "Shoot", "spec": {"say": list(words)}}


def test_an_object_is_judged_by_its_own_kind():
    found = ask(object=saying("error gardener spec.depth"))

    assert not found.valid
    assert [(p.field, p.document, p.line) for p in found.problems] == [("spec.depth", 0, None)]
    assert found.result is None


def test_an_object_may_leave_out_its_kind_and_its_version(echo):
    found = ask(kind="Shoot", object={"spec": {}})

    assert found.valid
    assert not found.problems
    assert echo.asked[0].profile == "current"


def test_the_kind_of_the_line_comes_first(echo):
    ask(kind="Pair", object={"kind": "Shoot", "apiVersion": "core.gardener.cloud/v1beta1"})

    assert echo.asked[0].top.values["kind"] == "Shoot"


def test_of_several_kinds_of_a_name_the_version_has_to_choose(monkeypatch, echo):
    boots = [replace(echo.kind, name="Boot", groups=(group,)) for group in ("a.dev", "b.dev")]
    monkeypatch.setattr(kinds, "kinds", lambda: boots)

    assert is_refusal(ask(kind="Boot", object={}))
    assert is_refusal(ask(kind="Boot", object={"apiVersion": "c.dev/v1"}))
    assert ask(kind="Boot", object={"apiVersion": "b.dev/v1"}).valid


def test_a_named_kind_judges_its_own_version(echo):
    assert ask(kind="Shoot", object={"kind": "Shoot", "apiVersion": "boots.example.com/v1"}).valid
    assert len(echo.asked) == 1


def test_a_bare_networking_section_is_a_shoot_by_the_proposal(echo):
    ask(object={"networking": {}})
    ask(object={"networking": {}}, profile="current")
    ask(object={"networking": {}}, kind="Shoot")

    assert [case.profile for case in echo.asked] == ["proposal", "current", "current"]


def test_an_object_of_an_unknown_kind_is_told_but_no_problem():
    found = ask(object={"apiVersion": "v1", "kind": "ConfigMap"})

    assert found.valid
    assert [problem.severity for problem in found.problems] == [Severity.INFO]


@pytest.mark.parametrize("key", ["object", "args"])
def test_the_object_has_two_names(echo, key):
    ask(**{"kind": "Pair", key: {"spec": {"a": 1}}})

    assert echo.asked[0].top.values == {"spec": {"a": 1}}


@pytest.mark.parametrize("key", ["old", "old_object"])
@pytest.mark.parametrize("operation", [{}, {"operation": "update"}])
def test_the_old_object_has_two_names(echo, key, operation):
    ask(**{"object": saying(), key: {"spec": {"was": "x"}}, **operation})

    assert echo.asked[0].old.values == {"spec": {"was": "x"}}


def test_what_is_created_was_not_there_before(echo):
    ask(object=saying(), old_object={"spec": {}}, operation="create")

    assert echo.asked[0].old is None


@pytest.mark.parametrize(
    ("keys", "stage"),
    [
        ({}, Stage.BOTH),
        ({"seed": {}}, Stage.BOTH),
        ({"stage": "validation", "seed": {}}, Stage.VALIDATION),
        ({"stage": "admission"}, Stage.ADMISSION),
        ({"stage": "admission+validation"}, Stage.BOTH),
        ({"stage": "controller"}, Stage.VALIDATION),
        ({"stage": "planning"}, Stage.VALIDATION),
        ({"stage": "real-node"}, Stage.VALIDATION),
    ],
)
def test_the_stage_reaches_the_case(echo, keys, stage):
    ask(object=saying(), **keys)

    assert echo.asked[0].stage is stage


def test_the_seed_reaches_the_case(echo):
    ask(object=saying(), seed={"spec": {"networks": {}}})

    assert echo.asked[0].seed.values == {"spec": {"networks": {}}}


@pytest.mark.parametrize(
    ("stage", "filled"), [("defaulting", "validation"), ("admission-defaulting", "admission")]
)
def test_defaulting_answers_with_what_is_filled_in(stage, filled):
    found = ask(object=saying("error gardener spec.depth"), stage=stage)

    assert found.valid  # a server fills in before it judges
    assert found.result == {"spec.stage": filled, "spec.unset": None}


def test_a_kind_without_defaults_fills_in_nothing():
    assert ask(kind="Pair", object={}, stage="defaulting").result == {}


def test_defaulting_of_nonsense_is_not_valid():
    found = ask(object={"kind": "Shoot", "spec": {"say": 5}}, stage="defaulting")

    assert not found.valid
    assert not is_refusal(found)


@pytest.mark.parametrize(
    ("gates", "on"),
    [
        ({}, GATES),
        ({"feature_gates": {}}, GATES),
        ({"feature_gates": {"IPv6SingleStack": True}}, GATES),
        ({"feature_gates": {"IPv6SingleStack": False}}, frozenset()),
    ],
)
def test_profile_and_gates_reach_the_case(echo, gates, on):
    ask(object=saying(), profile="gep21", **gates)

    assert (echo.asked[0].profile, echo.asked[0].gates) == ("gep21", on)


def test_profile_and_gates_of_the_call_are_for_lines_without_their_own(echo):
    terms = Terms(profile="gep21", gates=frozenset())

    ask(terms, object=saying())
    ask(terms, object=saying(), profile="current", feature_gates={"IPv6SingleStack": True})

    assert [(case.profile, case.gates) for case in echo.asked] == [
        ("gep21", frozenset()),
        ("current", GATES),
    ]


def test_strict_makes_warnings_errors():
    words = "warning seed spec.depth"

    assert ask(object=saying(words)).valid
    assert not ask(Terms(strict=True), object=saying(words)).valid


def test_keys_of_vectors_that_are_no_question_are_left_alone():
    extras = {"id": "x", "expect": {"valid": False}, "source": {}, "note": "", "function": "f"}

    assert ask(object=saying(), errors_master_2026_08=["x"], **extras).valid


BAD = [
    (b"", "not JSON: the line is empty"),
    (b"  \r", "not JSON: the line is empty"),
    (b"{", "not JSON: Expecting property name enclosed in double quotes: column 2 (char 1)"),
    (b"kind: Shoot", "not JSON: Expecting value: column 1 (char 0)"),
    (b"\xff\xfe", "not UTF-8 text (octet 0)"),
    (b"\x00", "not JSON"),
    (b'{"object": NaN}', "not JSON: NaN is no JSON value"),
    (b'{"object": -Infinity}', "not JSON: -Infinity is no JSON value"),
    (b'{"object": ' + b"9" * 5000 + b"}", "not JSON"),
    (b"[" * 100_000, "nested deeper than 64 levels"),
    (b'{"object": ' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64 levels"),
    (b'{"object": {"a": "' + b"x" * MAX_OCTETS + b'"}}', "more than 1048576 octets on one line"),
    (b'{"object": {"a": [' + b",".join([b"1"] * 49_998) + b"]}}", "more than 50000 values"),
    (b"[]", "must be a JSON object"),
    (b"5", "must be a JSON object"),
    (b"null", "must be a JSON object"),
    (b"{}", "there is no object to judge"),
    (b'{"object": null}', "there is no object to judge"),
    (b'{"object": []}', "object must be a JSON object"),
    (b'{"object": "x"}', "object must be a JSON object"),
    (b'{"object": {}, "old": 5}', "old must be a JSON object"),
    (b'{"object": {}, "old_object": []}', "old_object must be a JSON object"),
    (b'{"object": {}, "seed": "s"}', "seed must be a JSON object"),
    (b'{"object": {}, "kind": 5}', "kind must be a text"),
    (b'{"object": {}, "kind": "Boot"}', 'kind "Boot" is unknown'),
    (b'{"object": {}, "kind": "\\u001b[2J"}', 'kind "\\x1b[2J" is unknown'),
    (b'{"object": {}, "stage": true}', "stage must be a text"),
    (b'{"object": {}, "stage": "later"}', 'stage "later" is unknown'),
    (b'{"object": {}, "operation": "delete"}', 'operation "delete" is unknown'),
    (b'{"object": {}, "operation": "update"}', "an update needs the object as it was"),
    (b'{"object": {}, "profile": "gep28"}', 'profile "gep28" is unknown'),
    (b'{"object": {}, "feature_gates": []}', "feature_gates must be a JSON object"),
    (b'{"object": {}, "feature_gates": {"DualStack": true}}', 'feature gate "DualStack" is unk'),
    (b'{"object": {}, "feature_gates": {"IPv6SingleStack": 1}}', "must be true or false"),
]


@pytest.mark.parametrize(("line", "detail"), BAD, ids=[detail for _, detail in BAD])
def test_a_bad_line_is_answered_with_what_to_do(line, detail):
    found = answer(line, Terms())

    (problem,) = found.problems
    assert is_refusal(found)
    assert (found.valid, found.result) == (False, None)
    assert (problem.type, problem.severity) == (ProblemType.UNREADABLE, Severity.ERROR)
    assert detail in problem.detail
    assert problem.remedy


def test_what_is_just_shallow_small_and_short_enough_is_judged():
    levels = MAX_DEPTH - 1
    deep = b'{"object": {"kind": "Shoot", "a": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}}"
    wide = b'{"object": {"kind": "Shoot", "a": [' + b",".join([b"[]"] * 1000) + b"]}}"
    full = wide.replace(b",".join([b"[]"] * 1000), b",".join([b"1"] * (MAX_VALUES - 4)))
    commas = b'{"object": {"kind": "Shoot", "a": "' + b"," * MAX_VALUES + b'"}}'
    start = b'{"object": {"kind": "Shoot", "a": "'
    long = start + b"x" * (MAX_OCTETS - len(start) - 3) + b'"}}'

    assert len(long) == MAX_OCTETS
    assert all(answer(line, Terms()).valid for line in (deep, wide, full, commas, long))


def test_a_byte_order_mark_does_no_harm():
    assert answer(b"\xef\xbb\xbf" + json.dumps({"object": saying()}).encode(), Terms()).valid


WORDS = st.sampled_from(
    ["kind", "object", "args", "old", "old_object", "seed", "stage", "operation", "profile",
     "feature_gates", "Shoot", "Pair", "spec", "networking", "admission", "gep21"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | WORDS, inner),
)


@given(VALUES)
def test_every_value_has_an_answer(value):
    found = answer(json.dumps(value).encode(), Terms())

    assert found.valid is (not any(p.severity is Severity.ERROR for p in found.problems))


@given(st.binary() | st.text().map(str.encode))
def test_every_octet_has_an_answer(line):
    assert is_refusal(answer(line, Terms()))
