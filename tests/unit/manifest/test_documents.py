"""The reader: places, Kubernetes' scalars, and texts that want to hurt."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataplane.manifest import documents
from dataplane.manifest.documents import read_documents
from dataplane.model.problem import InvalidInputError, ProblemType


def only(text):
    (document,) = read_documents(text, name="test")
    return document


def refusal(text):
    with pytest.raises(InvalidInputError) as caught:
        read_documents(text, name="test")
    (problem,) = caught.value.problems
    assert problem.type is ProblemType.UNREADABLE
    assert problem.remedy
    return problem


def test_every_path_has_a_place():
    document = only("a:\n  b:\n  - c: 1\n  - d\n'e.f': {g: h}\n")
    assert document.position("a") == (1, 1)
    assert document.position("a.b") == (2, 3)
    assert document.position("a.b[0].c") == (3, 8)
    assert document.position("a.b[0].c", key=True) == (3, 5)
    assert document.position("a.b[1]") == (4, 5)
    assert document.position("a.b[1].missing") == (4, 5)
    assert document.position("a.missing.more") == (1, 1)
    assert document.position("missing") is None


@pytest.mark.parametrize(
    "key", ["a.b/c", "a b", "x" * 80, 'say "a"', "tab\there", "0.0.0.0/0", "[", "é"]
)
def test_keys_that_paths_put_in_brackets_have_a_place(key):
    document = only(f"m:\n  one: 1\n  {json.dumps(key)}: {{inner: 2}}\n")
    path = documents.join("m", key)
    assert document.position(path, key=True) == (3, 3)
    assert document.position(f"{path}.inner", key=True)[0] == 3
    assert document.position(f"{path}.inner")[1] > document.position(path)[1]


def test_a_merged_key_with_dots_points_at_where_it_was_written():
    document = only("a: &a {x.y: 1}\nb:\n  <<: *a\n  z: 2\n")
    assert document.position("b[x.y]") == (1, 13)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2001:10:20:30:40:50:1:2", "2001:10:20:30:40:50:1:2"),  # no base 60
        ("1:30", "1:30"),
        ("2022-11-21", "2022-11-21"),
        ("0o17", 15),
        ("017", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("-7", -7),
        ("1_000", 1000),
        ("089", 89.0),
        ("1.26", 1.26),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("'yes'", "yes"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!float 1", 1.0),
        ("1" * 5000, float("inf")),
        ("::/0", "::/0"),
    ],
)
def test_scalars_mean_what_kubernetes_makes_of_them(text, value):
    found = only(f"a: {text}\n").value["a"]
    assert found == value
    assert type(found) is type(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**62), 2**62)
        | st.text('aé:# \\"\n-', max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.text("ab.[]é", max_size=5).filter(lambda k: k != "<<"), inner, max_size=4
            )
        ),
        max_leaves=20,
    ).filter(lambda value: value is not None)
)
def test_json_is_read_as_json(value):
    assert only(json.dumps(value)).value == value
    assert only(json.dumps(value, indent="\t", ensure_ascii=False)).value == value


def test_several_documents_and_empty_ones():
    found = read_documents("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n", name="test")
    assert [(document.index, document.value) for document in found] == [
        (1, {"a": 1}),
        (3, {"b": 2}),
    ]
    assert read_documents("", name="test") == ()
    assert only("\ufeffa: 1").value == {"a": 1}


def test_aliases_and_merge_keys():
    document = only("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\n")
    assert document.value["y"] == {"a": 1, "b": 3}
    assert document.value["z"] == {"a": 1, "b": 2, "c": 4}
    assert document.position("y.a") == (1, 11)


def test_keys_are_texts():
    assert only("1: a\ntrue: b\n").value == {"1": "a", "true": "b"}


def test_every_duplicate_key_is_reported_with_its_path():
    document = only("a:\n- b: 1\n  b: 2\n  c.d: {e: 1, e: 2}\na: 3\n")
    assert document.value == {"a": [{"b": 1, "c.d": {"e": 1}}]}
    found = [(p.field, p.line, p.column, p.type) for p in document.problems]
    assert found == [
        ("a[0].b", 3, 3, ProblemType.DUPLICATE),
        ("a[0][c.d].e", 4, 15, ProblemType.DUPLICATE),
        ("a", 5, 1, ProblemType.DUPLICATE),
    ]


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    [
        ("a: [\n", 2, ""),
        ("a: b: c\n", 1, ""),
        ("a: 1\n\tb: 2\n", 2, ""),
        ("a: 'b\n", 2, ""),
        ("a: !!python/object/apply:os.system [x]\n", 1, "not for manifests"),
        ("a: !!binary aGk=\n", 1, "not for manifests"),
        ("a: !!int x\n", 1, "does not fit its tag"),
        ("a: *b\n", 1, "stands for nothing complete"),
        ("a: &a [*a]\n", 1, "stands for nothing complete"),
        ("? [a]\n: b\n", 1, "a key must be a text"),
        ("? {a: b}\n: b\n", 1, "a key must be a text"),
        ("a: {<<: 1}\n", 1, "<< merges mappings only"),
        ("\n" + "[" * 65 + "]" * 65, 2, "nested deeper"),
    ],
)
def test_what_cannot_be_read_says_where(text, line, detail):
    problem = refusal(text)
    assert problem.detail
    assert detail in problem.detail
    assert problem.message.startswith(f"line {line}, column {problem.column}: ")
    assert problem.line == line


def test_size_is_bounded():
    assert "at most" in refusal("a: " + "x" * documents.MAX_OCTETS).detail
    assert "not valid Unicode" in refusal("a: \udc80").detail
    assert refusal("a: \x00").detail


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join('*' + chr(97 + i) for _ in range(10))}]\n"
            for i in range(8)
        ),
        "[" + "1," * (documents.MAX_NODES + 1) + "]",
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "a: &a {"
        + ",".join(f"k{i}: 1" for i in range(1000))
        + "}\n"
        + "b: ["
        + ",".join(["{<<: *a}"] * 300)
        + "]",
    ],
    ids=["aliases", "values", "flow sequences", "flow mappings", "block sequences", "merges"],
)
def test_bombs_are_refused(text):
    assert "than" in refusal(text).detail


@given(st.text("ab:-[]{}&*!#'\"\n |>%@`,?<1.~\t\\x", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        found = read_documents(text, name="test")
    except InvalidInputError as error:
        found, problems = (), error.problems
    else:
        problems = ()
    assert all(problem.type is ProblemType.UNREADABLE for problem in problems)
    assert all(document.value is not None for document in found)


def test_both_of_yamls_parsers_agree(monkeypatch):
    text = "a: [1, {b: c}]\nd: &x\n  e: |\n    f\n  e: 2\ng: *x\n"
    fast = only(text)
    monkeypatch.setattr(documents, "_Loader", yaml.SafeLoader)
    slow = only(text)
    assert fast.value == slow.value
    assert fast.problems == slow.problems
    assert fast.position("a[1].b") == slow.position("a[1].b") == (1, 12)
