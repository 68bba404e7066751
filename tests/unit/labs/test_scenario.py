import pytest

from dataplane.model.problem import InvalidInputError
from labs import scenario as scenarios

GOOD = "title: T\nmanifest: gep-21.yaml\n"
REFUSED = "expect_problems: [{field: spec, type: FieldValueInvalid, contains: x}]\n"


@pytest.mark.parametrize("name", scenarios.names())
def test_every_scenario_loads(name):
    assert scenarios.load(name).title


def test_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)

    read = scenarios.read(path)

    assert (read.name, read.nodes, read.pods, read.engine) == ("mine", 2, 4, "tayga")
    assert read.expect == {}
    assert "kind: Shoot" in read.manifest_text


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("title: T\n", "manifest"),
        (GOOD + "manifets: x\n", "manifets"),
        (GOOD + "nodes: two\n", "nodes"),
        (GOOD + "neighbours: asked\n", "neighbours"),
        (GOOD + "default_routes: true\n", "default_routes"),
        (GOOD + "expect: {nat64: {state: wrong}}\n", "expect.nat64.state"),
        (GOOD + "clat: [\n", ""),
        (GOOD + "ingress: {target: pod}\n", "ingress.target"),
        (GOOD + "ingress: {balancers: 2}\n", "ingress.balancers"),
        (GOOD + "ingress: 1\n", "ingress"),
        (GOOD.replace("gep-21.yaml", "../../../etc/passwd"), "manifest"),
        (GOOD.replace("gep-21.yaml", "nowhere.yaml"), "manifest"),
        (GOOD + "old: gep-21.yaml\n", "old"),
        (GOOD + "service: ExternalName\n", "service"),
        (GOOD + "external_traffic_policy: Local\n", "external_traffic_policy"),
        (GOOD + REFUSED + "old: nowhere.yaml\n", "old"),
        (GOOD + "second: nowhere.yaml\n", "second"),
        (GOOD + "policy: [policies.yaml, nowhere.yaml]\n", "policy"),
        (GOOD + "policy: policies.yaml\n", "policy"),
        (GOOD + REFUSED + "second: gep-21.yaml\n", "second"),
        (GOOD + REFUSED + "faults: [dns64-off]\n", "faults"),
        (GOOD + REFUSED + "expect: {nat64: {state: broken}}\n", "expect"),
        (GOOD + REFUSED.replace("FieldValueInvalid", "Wrong"), "expect_problems.0.type"),
    ],
)
def test_a_wrong_scenario_says_where(tmp_path, text, field):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)

    with pytest.raises(InvalidInputError) as caught:
        scenarios.read(path)

    assert [problem.field for problem in caught.value.problems] == [field]
    assert all(problem.remedy for problem in caught.value.problems)


def test_an_unknown_name_is_no_path():
    with pytest.raises(KeyError):
        scenarios.load("../scenarios/default")
