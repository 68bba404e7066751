"""The language of docs/seeds.md: what is true in it, what is not, what it does not read."""

import pytest

from tests.seeds import claims
from tests.seeds.claims import Outcome

OUTPUT = {
    "valid": False,
    "problems": [
        {"severity": "error", "field": "spec.pods", "message": 'spec.pods: "a"; b'},
        {"severity": "warning", "field": "spec.nodes", "message": "c"},
    ],
    "nodes": [{"name": "node-0", "pod_prefixes": ["2001:db8::/64", "10.0.0.0/24"], "pods": 2}],
    "fields": {"spec.ipFamilies": ["IPv6"]},
    "nothing": None,
}


def told(text, output=OUTPUT, code=1):
    outcome = Outcome(code=code, output=output)
    return [claims.why_not(claim, outcome) for claim in claims.read(text)]


@pytest.mark.parametrize(
    "text",
    [
        "exit 1",
        ".valid = false",
        "exit 1; .valid = false",
        ".problems[].field has spec.pods",
        ".problems[].field lacks spec.services",
        '.problems[].field = ["spec.pods", "spec.nodes"]',
        ".problems[severity=error].field = spec.pods",
        ".problems[severity=info].field counts 0",
        ".problems counts 2",
        '.problems[0].message = spec.pods: "a"; b',
        ".problems[].message contains pods",
        ".nodes[0].pod_prefixes has 2001:db8::/64",
        ".nodes[0].pod_prefixes[1] = 10.0.0.0/24",
        ".nodes[name=node-0].pods > 1",
        '.fields["spec.ipFamilies"] = ["IPv6"]',
        ".nothing = null",
    ],
)
def test_what_is_true(text):
    assert set(told(text)) == {None}


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("exit 0", "exit 1"),
        (".valid = true", "false"),
        (".problems[].field has spec", '["spec.pods", "spec.nodes"]'),
        (".problems[].field lacks spec.pods", '["spec.pods", "spec.nodes"]'),
        (".problems[].field = spec.pods", '["spec.pods", "spec.nodes"]'),
        (".problems[severity=info].field = spec.pods", "[]"),
        (".nodes[0].pods > 2", "2"),
        (".valid > 0", "false"),
        (".problems[0].message contains z", '"spec.pods: \\"a\\"; b"'),
        (".answers[].state has broken", "nothing there: 'answers'"),
        (".problems[].fields lacks spec", "nothing there: 'fields'"),
        (".nodes[1].name = node-1", "nothing there: list index out of range"),
        (".valid[].x = 1", "nothing there: no list, but false"),
    ],
)
def test_what_is_not_true_says_what_is_there(text, instead):
    assert told(text) == [instead]


def test_lines_and_texts_are_outputs_too():
    assert told(".[1].valid = true; .[].valid = [false, true]", [OUTPUT, {"valid": True}]) == [
        None,
        None,
    ]
    assert told(". contains <svg", "<svg xmlns=...") == [None]


@pytest.mark.parametrize(
    "text", ["", "exit", "valid = true", ".valid is true", ".a[ = 1", ".a]b = 1"]
)
def test_what_cannot_be_read(text):
    with pytest.raises(ValueError, match="is no"):
        claims.read(text)
