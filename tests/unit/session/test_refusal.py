"""Manifests that must not get as far as a lab: exactly the expected problems, and nothing built."""

import json
from dataclasses import replace

import pytest

from dataplane.commands import main
from dataplane.model.errors import LabFailedError
from dataplane.model.problem import ProblemType, Severity
from dataplane.session.prepare import Shape
from dataplane.session.refusal import refusal
from labs import build
from labs import scenario as scenarios
from labs.scenario import WantedProblem

REFUSED = tuple(name for name in scenarios.names() if name not in scenarios.built())
LARGE = scenarios.load("pool-too-large")


def out_of(capsys, *words):
    code = main([*words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(autouse=True)
def _nothing_is_built(monkeypatch):
    def never(*_, **__):
        raise LabFailedError("a lab was about to be built")

    monkeypatch.setattr(build.Lab, "__init__", never)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", REFUSED)
def test_the_expected_problems_are_found_with_any_seed(name, seed):
    assert refusal(scenarios.load(name), Shape(seed=seed)).met is True


@pytest.mark.parametrize("name", REFUSED)
def test_the_run_ends_well_and_has_the_problems_under_a_key_of_their_own(capsys, name):
    code, out, _ = out_of(capsys, "run", name, "--expect", "-o", "json")
    result = json.loads(out)

    assert code == 0
    assert (result["scenario"], result["answers"], result["met"]) == (name, [], True)
    assert (result["expected"], result["not_applicable"]) == ({}, [])
    assert result["problems"]


def test_another_problem_than_the_expected_is_not_met():
    (wanted,) = LARGE.expect_problems
    for other in (
        replace(wanted, field="spec.networking.services"),
        replace(wanted, type=ProblemType.FORBIDDEN),
        replace(wanted, contains="something else"),
        replace(wanted, severity=Severity.INFO),
    ):
        assert refusal(replace(LARGE, expect_problems=(other,)), Shape()).met is False


def test_an_error_beside_the_expected_is_not_met():
    family = scenarios.load("wrong-family")
    both = LARGE.manifest_text.replace("nodes: 2001:db8:2::/48", "nodes: 10.0.2.0/24")

    found = refusal(replace(family, manifest_text=both.replace(": 80", ": 64")), Shape())
    assert found.met is True
    more = replace(family, manifest_text=both.replace("calico", '""'))
    assert refusal(more, Shape()).met is False


def test_a_manifest_without_the_problem_is_not_met():
    fine = replace(LARGE, manifest_text=LARGE.manifest_text.replace(": 80", ": 64"))

    found = refusal(fine, Shape())

    assert found.met is False
    assert not [p for p in found.problems if p.severity is Severity.ERROR]


def test_what_is_expected_beside_errors_must_be_there_and_more_may_be():
    advised = WantedProblem(
        field="spec.networking.pods",
        type=ProblemType.INVALID,
        severity=Severity.WARNING,
        contains="pool of 32 bits",
    )
    wanted = (*LARGE.expect_problems, advised)

    assert refusal(replace(LARGE, expect_problems=wanted), Shape()).met is True
    assert refusal(replace(LARGE, expect_problems=(advised,)), Shape()).met is False
    absent = replace(advised, contains="33 bits")
    assert refusal(replace(LARGE, expect_problems=(*wanted, absent)), Shape()).met is False


def test_an_update_is_judged_against_what_there_was():
    update = scenarios.load("node-mask-update")

    assert refusal(replace(update, old=None, old_text=None), Shape()).met is False


def test_an_unmet_refusal_says_what_was_expected(capsys, monkeypatch):
    unmet = replace(LARGE, manifest_text=LARGE.manifest_text.replace(": 80", ": 64"))
    monkeypatch.setattr(scenarios, "load", lambda _: unmet)

    code, out, _ = out_of(capsys, "run", "pool-too-large", "--expect")

    assert code == 1
    assert "the problems are NOT as expected" in out
    assert "expected error FieldValueInvalid of spec.networking.pods" in out


@pytest.mark.parametrize("option", [("--serve",), ("--evidence", "x.jsonl")])
def test_there_is_nothing_to_serve_or_to_record(capsys, option):
    code, _, err = out_of(capsys, "run", "pool-too-large", "--expect", *option)

    assert code == 2
    assert "nothing is built" in err


def test_without_expect_it_is_an_input_like_any_other(capsys):
    code, _, err = out_of(capsys, "run", "pool-too-large")

    assert code == 2
    assert "the node CIDR size is too big" in err


def test_grades_leave_out_what_builds_no_lab(capsys):
    code, _, err = out_of(capsys, "grade", "pool-too-large")

    assert code == 2
    assert "no scenario of that name that builds a lab" in err


def test_the_list_says_that_nothing_is_built(capsys):
    _, out, _ = out_of(capsys, "scenarios")

    assert "not built: problems of spec.networking.pods" in out
