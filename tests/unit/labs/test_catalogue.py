"""docs/catalogue.md says what the scenarios expect, row by row, and leaves none out."""

import re
from itertools import groupby
from pathlib import Path

import pytest

from dataplane.checks import checks
from labs import scenario as scenarios

CATALOGUE = Path(__file__).resolve().parents[3] / "docs" / "catalogue.md"
SIZES = {"A": 6, "B": 6, "C": 9, "D": 10, "E": 10}
IDS = [f"{letter}{number}" for letter, size in SIZES.items() for number in range(1, size + 1)]
MUST = {
    "A1", "A2", "A3", "B1", "B2", "B3", "C1", "C2", "C4", "D1", "D2", "D3", "E1", "E2", "E7",
}  # fmt: skip
OPEN: set[str] = set()
"""Rows whose scenarios are still being written; to be empty."""

LINE = re.compile(r"^\| ([A-E]\d+) \| (.+?) \| (.+?) \| (.+) \|$")
CHECKED = re.compile(r"`([a-z0-9-]+)` (broken|unknown)")
JUDGED = re.compile(r"`([A-Za-z0-9.\[\]]+)` (error|warning|info)")
HEALTHY, NONE = "healthy", "none"
LEAST_WORDS = 8  # a reason says something


def rows():
    found = [
        match.groups() for match in map(LINE.match, CATALOGUE.read_text().splitlines()) if match
    ]
    return [(row, scenario.strip("`"), finding) for row, _, scenario, finding in found]


SHOWN = [(row, scenario, finding) for row, scenario, finding in rows() if scenario != NONE]


def test_every_row_is_there_in_order():
    assert [row for row, _ in groupby(row for row, _, _ in rows())] == IDS


@pytest.mark.parametrize(("row", "name", "finding"), SHOWN, ids=[f"{r}-{s}" for r, s, _ in SHOWN])
def test_a_row_says_what_its_scenario_expects(row, name, finding):
    if row in OPEN:
        pytest.skip("being written")
    scenario = scenarios.load(name)
    checked = {(check, want.state.value) for check, want in scenario.expect.items()}
    judged = {(p.field, p.severity.value) for p in scenario.expect_problems}

    if finding == HEALTHY:
        assert not checked | judged
        assert "healthy" in scenario.tags
        return
    pieces = finding.split(", ")
    assert all(CHECKED.fullmatch(piece) or JUDGED.fullmatch(piece) for piece in pieces)
    assert {found for piece in pieces for found in CHECKED.findall(piece)} == checked
    assert {found for piece in pieces for found in JUDGED.findall(piece)} == judged
    assert checked | judged


def test_who_has_no_scenario_says_why():
    reasons = {row: finding for row, scenario, finding in rows() if scenario == NONE}

    assert reasons
    assert all(len(reason.split()) >= LEAST_WORDS for reason in reasons.values())
    named = {name for text in reasons.values() for name in re.findall(r"scenario `([^`]+)`", text)}
    assert named <= set(scenarios.names())


def test_the_first_fifteen_have_a_scenario_that_finds_something():
    finding = {row for row, _, found in SHOWN if found != HEALTHY}

    assert finding | OPEN >= MUST


def test_nothing_is_open():
    assert not OPEN


def test_the_checks_that_are_named_exist():
    named = {check for _, _, found in SHOWN for check, _ in CHECKED.findall(found)}

    assert named <= {check.name for check in checks()}
