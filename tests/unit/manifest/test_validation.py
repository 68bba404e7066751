"""Documents in, problems out: which object is judged by what, and what weighs how much."""

from dataclasses import replace

import pytest

from dataplane.manifest import kinds
from dataplane.manifest.case import Kind, Stage
from dataplane.manifest.documents import read_documents
from dataplane.manifest.severity import is_unreadable, is_valid
from dataplane.manifest.validation import Terms, judge, read_sheet
from dataplane.model.problem import ProblemType, Severity, Source
from tests.unit.echo import Echo

SHOOT = "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\n"


@pytest.fixture(autouse=True)
def echo(monkeypatch):
    echo = Echo()
    seed = Kind(name="Seed", groups=("core.gardener.cloud",), judge=lambda _case: None)
    monkeypatch.setattr(kinds, "kinds", lambda: (echo.kind, seed))
    return echo


def shoot(name="a", *, spec="{}", space="garden"):
    return f"{SHOOT}metadata: {{name: {name}, namespace: {space}}}\nspec: {spec}\n"


def judged(*texts, terms=None, **given):
    sheets = [read_sheet(text, name=f"{place}.yaml") for place, text in enumerate(texts)]
    return judge(sheets, terms or Terms(), **given)


def documents(*texts):
    return read_documents("---\n".join(texts), name="old.yaml")


def test_every_document_of_every_text_is_judged_in_order(echo):
    found = judged(shoot("a") + "---\n" + shoot("b"), shoot("c"))

    assert [(j.sheet, j.document, j.title) for j in found] == [
        (0, 0, "Shoot garden/a"), (0, 1, "Shoot garden/b"), (1, 0, "Shoot garden/c"),
    ]  # fmt: skip
    assert len(echo.asked) == 3


def test_an_unknown_kind_is_told_but_no_problem(echo):
    (found,) = judged("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")

    (problem,) = found.problems
    assert not found.judged
    assert (problem.severity, problem.source) == (Severity.INFO, Source.SIXSCOPE)
    assert problem.message == "kind: ConfigMap is not judged: no rule is about it"
    assert not echo.asked


def test_a_namesake_of_another_group_is_none_of_ours():
    (found,) = judged("apiVersion: boots.example.com/v1\nkind: Shoot\n")

    assert not found.judged
    assert is_valid(found.problems)
    assert found.problems[0].detail == (
        "Shoot of boots.example.com/v1 is not judged, only core.gardener.cloud/..."
    )


@pytest.mark.parametrize("version", ["v1", "gardener.cloud/v1beta1", "core.gardner.cloud/v1beta1"])
def test_a_nearly_right_group_is_an_error_and_the_object_is_judged(version):
    (found,) = judged(f"apiVersion: {version}\nkind: Shoot\n")

    (problem,) = found.problems
    assert found.judged
    assert (problem.type, problem.field) == (ProblemType.INVALID, "apiVersion")
    assert problem.source is Source.KUBERNETES
    assert problem.detail == f'no matches for kind "Shoot" in version "{version}"'
    assert problem.remedy == "write apiVersion: core.gardener.cloud/..."


@pytest.mark.parametrize("version", ["", "apiVersion: v1\n", "apiVersion: 5\n"])
def test_of_several_kinds_of_a_name_the_version_has_to_choose(monkeypatch, echo, version):
    boots = [replace(echo.kind, name="Boot", groups=(group,)) for group in ("a.dev", "b.dev")]
    monkeypatch.setattr(kinds, "kinds", lambda: boots)

    (found,) = judged(f"{version}kind: Boot\n")

    assert not found.judged
    assert [(p.field, p.remedy) for p in found.problems] == [
        ("apiVersion", "write apiVersion: a.dev/... or b.dev/...")
    ]
    assert judged("apiVersion: b.dev/v1\nkind: Boot\n")[0].judged


def test_a_missing_api_version_is_required():
    (found,) = judged("kind: Shoot\n")

    (problem,) = found.problems
    assert problem.message == "apiVersion: Required value: must be set"


def test_what_the_kind_says_of_its_api_version_is_not_said_twice():
    (found,) = judged("kind: Shoot\nspec: {say: [error kubernetes apiVersion]}\n")

    assert [problem.field for problem in found.problems] == ["apiVersion"]


@pytest.mark.parametrize("text", ["a: 1\n", "kind: 5\n", "spec: {networking2: {}}\n"])
def test_a_document_without_a_kind_is_refused(text):
    (found,) = judged(text)

    assert [problem.field for problem in found.problems] == ["kind"]
    assert not is_valid(found.problems)


@pytest.mark.parametrize("text", ["networking: {}\n", "spec: {networking: {}}\n"])
@pytest.mark.parametrize(
    ("chosen", "profile"), [(None, "proposal"), ("current", "current"), ("gep21", "gep21")]
)
def test_a_bare_networking_section_is_a_shoot_by_the_proposal(echo, text, chosen, profile):
    (found,) = judged(text, terms=Terms(profile=chosen))

    (case,) = echo.asked
    assert found.title == "Shoot networking"
    assert case.profile == profile
    assert not found.problems


def test_a_whole_shoot_is_judged_by_the_current_profile(echo):
    judged(shoot(spec="{networking: {}}"))

    assert echo.asked[0].profile == "current"


def test_the_gates_reach_the_case(echo):
    judged(shoot(), terms=Terms(profile="gep21", gates=frozenset()))

    assert echo.asked[0].gates == frozenset()


@pytest.mark.parametrize("text", ["- a\n", "5\n", "text\n"])
def test_a_document_that_is_no_mapping_is_unreadable(text):
    (found,) = judged(text)

    assert is_unreadable(found.problems)


@pytest.mark.parametrize(
    ("text", "detail"),
    [("a: [", "flow"), ("", "no document"), ("# nothing\n---\n", "no document")],
)
def test_a_text_that_cannot_be_read_is_a_sheet_with_a_problem(text, detail):
    sheet = read_sheet(text, name="x")

    assert is_unreadable(sheet.problems)
    assert detail in sheet.problems[0].detail
    assert not sheet.documents


@pytest.mark.parametrize(
    ("words", "weight", "strict"),
    [
        ("error gardener f", "error", "error"),
        ("error kubernetes f", "error", "error"),
        ("error provider f", "error", "error"),
        ("error seed f", "warning", "error"),
        ("error sixscope f", "warning", "error"),
        ("warning seed f", "warning", "error"),
        ("warning sixscope f", "warning", "error"),
        ("warning gardener f", "warning", "warning"),
        ("info seed f", "info", "info"),
        ("info sixscope f", "info", "info"),
    ],
)
def test_only_what_is_refused_upstream_is_an_error_unless_strict(words, weight, strict):
    text = shoot(spec=f"{{say: [{words}]}}")

    (plain,) = judged(text)
    (hard,) = judged(text, terms=Terms(strict=True))

    assert plain.problems[0].severity == weight
    assert hard.problems[0].severity == strict


def test_a_key_written_twice_is_a_warning():
    (found,) = judged(shoot() + "spec: {}\n")

    assert [(p.type, p.severity) for p in found.problems] == [
        (ProblemType.DUPLICATE, Severity.WARNING)
    ]


def test_problems_carry_document_line_and_column():
    text = shoot("a") + "---\n" + shoot("b", spec="\n  say:\n  - error gardener spec.say[0]")

    found = judged(text)[1].problems[0]

    assert (found.document, found.line, found.column) == (1, 11, 5)


def test_an_update_knows_the_object_of_the_same_name(echo):
    old = documents(shoot("b", spec="{was: b}"), shoot("a", spec="{was: a}"))

    judged(shoot("a") + "---\n" + shoot("b"), before=old)

    assert [case.old.section("spec").text("was") for case in echo.asked] == ["a", "b"]


def test_an_only_object_is_updated_whatever_its_name(echo):
    (found,) = judged(shoot("new"), before=documents("kind: Seed\n", shoot("old")))

    assert echo.asked[0].old.section("metadata").text("name") == "old"
    assert not found.problems


def test_a_namespace_tells_objects_of_one_name_apart(echo):
    old = documents(shoot(space="x", spec="{was: x}"), shoot(space="y", spec="{was: y}"))

    judged(shoot(space="y"), before=old)

    assert echo.asked[0].old.section("spec").text("was") == "y"


def test_an_object_that_was_not_there_is_new_and_that_is_said(echo):
    (found, _) = judged(shoot("a") + "---\n" + shoot("b"), before=documents(shoot("b")))

    assert echo.asked[0].old is None
    assert [(p.severity, p.field) for p in found.problems] == [(Severity.INFO, "metadata.name")]


def test_without_an_old_file_nothing_is_an_update(echo):
    (found,) = judged(shoot())

    assert echo.asked[0].old is None
    assert echo.asked[0].stage is Stage.BOTH
    assert not found.problems


def test_an_only_seed_admits_every_shoot(echo):
    judged(shoot(), seeds=documents("kind: Seed\nmetadata: {name: s}\n"))

    (case,) = echo.asked
    assert case.seed.section("metadata").text("name") == "s"
    assert case.stage is Stage.BOTH


def test_of_several_seeds_the_shoots_own_admits_it(echo):
    seeds = documents(*(f"kind: Seed\nmetadata: {{name: {name}}}\n" for name in "st"))

    judged(shoot(spec="{seedName: t}"), seeds=seeds)

    assert echo.asked[0].seed.section("metadata").text("name") == "t"


@pytest.mark.parametrize("spec", ["{seedName: u}", "{}"])
def test_a_shoot_of_none_of_several_seeds_is_not_admitted(echo, spec):
    seeds = documents(*(f"kind: Seed\nmetadata: {{name: {name}}}\n" for name in "st"))

    (found,) = judged(shoot(spec=spec), seeds=seeds)

    assert echo.asked[0].seed is None
    assert [(p.severity, p.field) for p in found.problems] == [(Severity.WARNING, "spec.seedName")]


def test_defaults_are_filled_in_when_asked_for():
    (plain,) = judged(shoot())
    (asked,) = judged(shoot(spec="{say: 5}"), defaults=True)

    assert plain.defaulted == {}
    assert asked.defaulted == {"spec.stage": "admission+validation", "spec.unset": None}
    assert len(asked.problems) == 1  # of judging; not once more of defaulting


LIST = """
apiVersion: v1
kind: List
items:
- apiVersion: core.gardener.cloud/v1beta1
  kind: Shoot
  metadata: {name: a}
  spec: {say: [error gardener spec.depth]}
- apiVersion: v1
  kind: ConfigMap
- 5
"""


@pytest.mark.parametrize("kind", ["List", "ShootList"])
def test_the_items_of_a_list_are_objects(kind):
    found = judged(LIST.replace("kind: List", f"kind: {kind}"))

    assert [(j.path, j.judged) for j in found] == [
        ("items[0]", True), ("items[1]", False), ("items[2]", False),
    ]  # fmt: skip
    assert [(p.field, p.line) for p in found[0].problems] == [("items[0].spec.depth", 8)]
    assert found[0].problems[0].message == "items[0].spec.depth: Invalid value: wrong"
    assert found[2].problems[0].message == "items[2]: Invalid value: 5: must be a mapping"


def test_a_list_with_a_key_written_twice_says_so_itself():
    found = judged(LIST + "kind: List\n")

    assert [(j.path, [p.type for p in j.problems]) for j in found[:2]] == [
        ("", [ProblemType.DUPLICATE]),
        ("items[0]", [ProblemType.INVALID]),
    ]


def test_titles_do_nothing_to_a_terminal():
    (found,) = judged('kind: "\\e[2J"\n')

    assert found.title == "\\x1b[2J"
    assert found.problems[0].message.isprintable()
