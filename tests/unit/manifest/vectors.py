"""Upstream's behaviour as data, from the folder that SIXSCOPE_VECTORS names, and a way to judge.

Not set is a skip; a folder without the files is a failure.
"""

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from dataplane.manifest.case import Case
from dataplane.manifest.documents import Document
from dataplane.manifest.fields import root
from dataplane.manifest.kinds import kind as kind_called
from dataplane.model.problem import Problem, Severity

FOLDER = os.environ.get("SIXSCOPE_VECTORS", "")
GATE = frozenset({"IPv6SingleStack"})
ORACLES = {
    "errors_master_2026_08": ("current", GATE),
    "errors_v1_63_gate_on": ("gep21", GATE),
    "errors_v1_63_gate_off": ("gep21", frozenset()),
}


def judged(kind, value, *, old=None, profile="current", gates=GATE) -> list[Problem]:
    """Return every problem of an object, as its kind finds them."""
    top = root(Document(index=0, value=value))
    before = None if old is None else root(Document(index=0, value=old))
    kind_called(kind).judge(Case(top=top, old=before, profile=profile, gates=gates))
    return top.problems


def errors(problems) -> list[Problem]:
    """Return those that make an object invalid."""
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def messages(problems) -> list[str]:
    """Return the whole lines."""
    return [problem.message for problem in problems]


def oracle_cases(kind):
    """Return what executed upstream code said about objects of a kind: (case, its list of errors)."""
    cases = _of(kind, "upstream-oracle.json", "cases")
    if not isinstance(cases, list) or not cases:
        return _instead(cases)
    return [
        pytest.param((case, key), id=f"{case['id']}-{key.removeprefix('errors_')}")
        for case in cases
        for key in ORACLES
    ]


def rule_cases(kind):
    """Return what upstream's unit tests expect of objects of a kind."""
    cases = _of(kind, "upstream-rules.json", "vectors")
    if not isinstance(cases, list) or not cases:
        return _instead(cases)
    return [pytest.param(case, id=case["id"]) for case in cases]


def agree_with_oracle(given) -> None:
    """Fail where a case's errors are other ones than upstream's, as a multiset of whole messages."""
    case, key = _present(given)
    profile, gates = ORACLES[key]
    old = case.get("old_object")
    found = errors(judged(case["kind"], case["object"], old=old, profile=profile, gates=gates))
    ours = Counter((p.type.value, p.field, p.message) for p in found)
    theirs = Counter((e["type"], e["field"], e["error"]) for e in case[key])
    assert ours == theirs


def agree_with_rules(case) -> None:
    """Fail where a case's errors are not those that upstream's own test expects."""
    case = _present(case)
    found = judged(case["kind"], case["object"], old=case.get("old_object"))
    agree_with_expectation(errors(found), case["expect"])


def agree_with_expectation(found, expected) -> None:
    """Fail where errors are not those of one of upstream's expectations."""
    ours = Counter((p.type.value, p.field) for p in found)
    theirs = Counter((e["type"], e["field"]) for e in expected["errors"])
    assert bool(found) is not expected["valid"]
    assert not theirs - ours
    if expected["match"] == "exact":
        assert ours == theirs
    for error in expected["errors"]:
        details = [p.detail for p in found if (p.type, p.field) == (error["type"], error["field"])]
        wanted = error.get("detail", "")
        if error.get("detail_match") == "equal":
            assert wanted in details
        else:
            assert any(wanted in detail for detail in details)


def _present(case):
    assert case is not None, f"SIXSCOPE_VECTORS={FOLDER} has no vectors"
    return case


def _instead(reason):
    if reason is None:
        skip = pytest.mark.skip(reason="SIXSCOPE_VECTORS names no folder with upstream's behaviour")
        return [pytest.param(None, marks=skip, id="unset")]
    return [pytest.param(None, id="missing")]


def _of(kind, name, key):
    if not FOLDER:
        return None
    path = Path(FOLDER) / name
    return [c for c in _read(path)[key] if c["kind"] == kind] if path.is_file() else []


@cache
def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))
