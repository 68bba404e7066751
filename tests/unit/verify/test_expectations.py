from dataclasses import replace

import pytest

from dataplane.model.answer import Answer, Expectation, Finding, NotApplicable, State
from dataplane.model.problem import Severity
from dataplane.verify import met


def finding(subject, severity=Severity.ERROR):
    return Finding(severity=severity, subject=subject, expected="", seen="", cause="", remedy="")


BROKEN = Answer(
    check="nat64",
    state=State.BROKEN,
    looked_at=1,
    reason="",
    findings=(finding("b"), finding("a"), finding("a"), finding("c", Severity.INFO)),
)
HOLDS = Answer(check="clat", state=State.HOLDS, looked_at=1, reason="")


def expect(state, *subjects):
    return Expectation(state=State(state), subjects=subjects or None)


@pytest.mark.parametrize(
    ("expected", "as_expected"),
    [
        ({"nat64": expect("broken")}, True),
        ({"nat64": expect("broken", "a", "b")}, True),
        ({"nat64": expect("broken", "b", "a", "a")}, True),
        ({"nat64": expect("broken", "a")}, False),
        ({"nat64": expect("broken", "a", "b", "c")}, False),
        ({"nat64": expect("unknown")}, False),
        ({"nat64": expect("holds")}, False),
        ({}, False),
        ({"nat64": expect("broken"), "clat": expect("holds")}, True),
        ({"nat64": expect("broken"), "clat": expect("unknown")}, False),
        ({"nat64": expect("broken"), "dns64": expect("holds")}, False),
    ],
)
def test_answers_against_expectations(expected, as_expected):
    assert met(expected, (BROKEN, HOLDS)) is as_expected


def test_a_check_that_is_not_listed_must_hold():
    assert met({}, (HOLDS,))
    assert not met({}, (replace(HOLDS, state=State.UNKNOWN),))


def test_a_check_that_does_not_apply_meets_no_expectation():
    absent = NotApplicable(check="dns64", reason="")

    assert met({}, (HOLDS,), (absent,))
    assert not met({"dns64": expect("holds")}, (HOLDS,), (absent,))


def test_nobody_may_be_expected_too():
    nobody = Expectation(state=State.HOLDS, subjects=())

    assert met({"clat": nobody}, (HOLDS,))
    assert not met({"clat": nobody}, (replace(HOLDS, findings=(finding("a"),)),))
