"""Shoots against upstream: what its own functions answered, and what its unit tests expect."""

from collections import Counter
from ipaddress import IPv6Network

import pytest

from dataplane.manifest import severity
from dataplane.manifest.case import Case, Stage
from dataplane.manifest.documents import Document
from dataplane.manifest.fields import root
from dataplane.manifest.kinds import kind as kind_called
from dataplane.model.problem import Severity
from tests.unit.manifest.vectors import (
    GATE,
    ORACLES,
    agree_with_expectation,
    oracle_cases,
    rule_cases,
)

RULE_KINDS = ("Shoot", "NetworkDisjointedness", "ShootDisjointedness")
STAGES = {"defaulting": Stage.VALIDATION, "admission-defaulting": Stage.ADMISSION}
RANDOM = "<random fd..::/112 in fd00::/8>"


def top(value):
    return None if value is None else root(Document(index=0, value=value))


def case_of(vector, **terms):
    stage = STAGES.get(vector["stage"]) or Stage(vector["stage"])
    return Case(
        top=top(vector["object"]),
        old=top(vector.get("old_object")),
        seed=top(vector.get("seed")),
        stage=stage,
        **terms,
    )


def errors(vector, **terms):
    case = case_of(vector, **terms)
    kind_called(vector["kind"]).judge(case)
    weighed = severity.weighed(case.top.problems, strict=False)
    return [problem for problem in weighed if problem.severity is Severity.ERROR]


def answers():
    """Return the oracle's cases, each with a release that it was asked; admission only today's."""
    found = oracle_cases("Shoot")
    known = [case for case in found if case.values[0] and case.values[0][1] in case.values[0][0]]
    return known or found


@pytest.mark.parametrize("given", answers())
def test_every_line_is_upstreams(given):
    assert given is not None, "SIXSCOPE_VECTORS names a folder without vectors"
    vector, key = given
    profile, gates = ORACLES[key]
    found = errors(vector, profile=profile, gates=gates)
    ours = Counter((p.type.value, p.field, p.message) for p in found)
    theirs = Counter((e["type"], e["field"], e["error"]) for e in vector[key])
    assert ours == theirs


def expectations():
    found = [case for kind in RULE_KINDS for case in rule_cases(kind)]
    real = [case for case in found if case.values[0] is not None]
    return real or found[:1]


@pytest.mark.parametrize("vector", expectations())
def test_upstreams_own_tests_would_pass(vector):
    assert vector is not None, "SIXSCOPE_VECTORS names a folder without vectors"
    expect = vector["expect"]
    if "result" in expect:
        defaulted(vector, expect["result"])
        return
    agree_with_expectation(errors(vector, gates=GATE), expect)


def defaulted(vector, wanted):
    result = kind_called(vector["kind"]).default(case_of(vector))
    for path, value in wanted.items():
        if value == RANDOM:
            network = IPv6Network(result[path])
            assert network.prefixlen == 112
            assert network.subnet_of(IPv6Network("fd00::/8"))
        else:
            assert result[path] == value
