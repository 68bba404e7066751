"""`sixscope validate`: files in, text or JSON and an exit code out."""

import io
import json
import sys

import pytest

from dataplane.commands import main
from dataplane.commands.verb import Exit
from dataplane.manifest import kinds
from dataplane.manifest.case import Kind
from tests.unit.echo import Echo

SHOOT = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata: {name: NAME, namespace: garden}
spec:
  say: WORDS
"""


@pytest.fixture(autouse=True)
def echo(monkeypatch):
    echo = Echo()
    seed = Kind(name="Seed", groups=("core.gardener.cloud",), judge=lambda _case: None)
    monkeypatch.setattr(kinds, "kinds", lambda: (echo.kind, seed))
    return echo


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def written(name, text):
        (tmp_path / name).write_text(text)
        return name

    return written


def shoot(words="", name="a"):
    return SHOOT.replace("NAME", name).replace(
        "WORDS", json.dumps(words.split(", ") if words else [])
    )


def validate(capsys, *words):
    code = main(["validate", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def result(capsys, *words):
    code, out, _ = validate(capsys, *words, "-o", "json")
    return code, json.loads(out)


def stdin(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("", Exit.HOLDS),
        ("warning gardener f", Exit.HOLDS),
        ("error seed f", Exit.HOLDS),
        ("error sixscope f", Exit.HOLDS),
        ("error gardener f", Exit.BROKEN),
        ("error kubernetes f", Exit.BROKEN),
        ("error provider f", Exit.BROKEN),
    ],
)
def test_the_exit_code_is_about_what_is_refused(capsys, files, words, code):
    given, found = result(capsys, files("a.yaml", shoot(words)))

    assert (given, found["valid"]) == (code, code == Exit.HOLDS)


def test_strict_refuses_what_is_recommended_against(capsys, files):
    name = files("a.yaml", shoot("warning seed f"))

    assert result(capsys, name)[0] == Exit.HOLDS
    code, found = result(capsys, name, "--strict")
    assert (code, found["valid"]) == (Exit.BROKEN, False)
    assert found["problems"][0]["severity"] == "error"


def test_a_problem_has_exactly_these_keys(capsys, files):
    _, found = result(capsys, files("a.yaml", shoot("error gardener spec.say[0]")))

    assert found == {
        "valid": False,
        "problems": [
            {
                "severity": "error",
                "type": "FieldValueInvalid",
                "field": "spec.say[0]",
                "detail": "wrong",
                "message": "spec.say[0]: Invalid value: wrong",
                "source": "gardener",
                "remedy": "do it right",
                "document": 0,
                "line": 5,
                "column": 10,  # behind the quote
            }
        ],
    }


def test_of_several_files_each_problem_names_its_own_and_documents_count_in_each(capsys, files):
    one = files("a.yaml", shoot("error gardener f") + "---\n" + shoot("error gardener f"))
    other = files("b.json", json.dumps({"apiVersion": "v1", "kind": "ConfigMap"}))

    code, found = result(capsys, one, other, one)

    assert code == Exit.BROKEN
    assert [(p["file"], p["document"], p["severity"]) for p in found["problems"]] == [
        ("a.yaml", 0, "error"),
        ("a.yaml", 1, "error"),
        ("b.json", 0, "info"),
        ("a.yaml", 0, "error"),
        ("a.yaml", 1, "error"),
    ]


@pytest.mark.parametrize("words", [(), ("-",)])
def test_standard_input_is_read(capsys, monkeypatch, words):
    stdin(monkeypatch, shoot("error gardener f"))

    assert result(capsys, *words)[0] == Exit.BROKEN


def test_standard_input_and_files_together(capsys, monkeypatch, files):
    stdin(monkeypatch, shoot("error gardener f"))

    _, found = result(capsys, files("a.yaml", shoot("error gardener f")), "-")

    assert [problem["file"] for problem in found["problems"]] == ["a.yaml", "-"]


@pytest.mark.parametrize(
    "words", [("-", "-"), ("-", "--old", "-"), ("--seed", "-"), ("--old", "-")]
)
def test_standard_input_is_read_once_only(capsys, words):
    code, _, err = validate(capsys, *words)

    assert code == Exit.REFUSED
    assert "once only" in err


def test_an_unreadable_file_keeps_no_other_from_being_judged(capsys, files, tmp_path):
    good = files("a.yaml", shoot("error gardener f"))
    bad = files("b.yaml", "a: [")
    (tmp_path / "c.yaml").write_bytes(b"\xff")
    (tmp_path / "d").mkdir()
    names = [good, bad, "c.yaml", "d", "e.yaml"]

    code, found = result(capsys, *names)

    assert (code, found["valid"]) == (Exit.REFUSED, False)
    assert [(p["file"], p["type"]) for p in found["problems"]] == [
        (good, "FieldValueInvalid"), *((name, "Unreadable") for name in names[1:])
    ]  # fmt: skip
    assert [p["detail"] for p in found["problems"][2:]] == [
        "not UTF-8 text (octet 0); is this a manifest?",
        "is a directory; name a manifest file",
        "no such file",
    ]


def test_a_document_that_is_no_mapping_is_unreadable(capsys, files):
    code, found = result(capsys, files("a.yaml", shoot() + "---\n- a\n"))

    assert (code, found["valid"]) == (Exit.REFUSED, False)


def test_an_update_and_a_seed_reach_the_case(capsys, files, echo):
    new = files("new.yaml", shoot())
    old = files("old.yaml", shoot("warning seed f", name="b"))
    seed = files("seed.yaml", "kind: Namespace\n---\nkind: Seed\nmetadata: {name: s}\n")

    result(capsys, new, "--old", old, "--seed", seed)

    (case,) = echo.asked
    assert case.old.section("metadata").text("name") == "b"
    assert case.seed.section("metadata").text("name") == "s"


@pytest.mark.parametrize("option", ["--old", "--seed"])
@pytest.mark.parametrize("content", [None, "a: ["])
def test_an_unreadable_old_file_or_seed_is_refused(capsys, files, option, content):
    new = files("new.yaml", shoot())
    if content:
        files("other.yaml", content)

    code, out, err = validate(capsys, new, option, "other.yaml", "-o", "json")

    assert code == Exit.REFUSED
    assert "other.yaml" in err
    assert "error" in json.loads(out)


def test_a_seed_file_without_a_seed_is_refused(capsys, files):
    code, _, err = validate(capsys, files("a.yaml", shoot()), "--seed", "a.yaml")

    assert code == Exit.REFUSED
    assert "holds no object of kind Seed" in err


@pytest.mark.parametrize("profile", ["current", "gep21", "proposal"])
def test_a_profile_is_chosen(capsys, files, echo, profile):
    validate(capsys, files("a.yaml", shoot()), "--profile", profile)

    assert echo.asked[0].profile == profile


@pytest.mark.parametrize(
    ("words", "on"),
    [
        ((), True),
        (("--feature-gate", "IPv6SingleStack=true"), True),
        (("--feature-gate", "IPv6SingleStack=false"), False),
        (
            ("--feature-gate", "IPv6SingleStack=false", "--feature-gate", "IPv6SingleStack=true"),
            True,
        ),
    ],
)
def test_a_feature_gate_is_switched(capsys, files, echo, words, on):
    _, _, err = validate(capsys, files("a.yaml", shoot()), "--profile", "gep21", *words)

    assert ("IPv6SingleStack" in echo.asked[0].gates) is on
    assert not err


@pytest.mark.parametrize("gate", ["IPv6=true", "IPv6SingleStack", "IPv6SingleStack=1", "=true", ""])
def test_an_unknown_feature_gate_is_a_usage_error(capsys, files, gate):
    name = files("a.yaml", shoot())

    code, out, err = validate(capsys, name, "--profile", "gep21", "--feature-gate", gate)

    assert (code, out) == (Exit.REFUSED, "")
    assert "known are: IPv6SingleStack=true|false" in err


def test_a_feature_gate_of_no_consequence_is_told(capsys, files):
    name = files("a.yaml", shoot())

    code, _, err = validate(capsys, name, "--feature-gate", "IPv6SingleStack=false")

    assert code == Exit.HOLDS
    assert "only matters to --profile gep21" in err


@pytest.mark.parametrize("words", [("--profile", "gep28"), ("--feature", "x=true"), ("--nope",)])
def test_a_wrong_option_is_a_usage_error(capsys, words):
    assert validate(capsys, *words)[0] == Exit.REFUSED


def test_defaulted_fields_in_json_one_entry_per_object_that_is_judged(capsys, files):
    text = shoot() + "---\napiVersion: v1\nkind: ConfigMap\n---\n" + shoot(name="b")

    _, plain = result(capsys, files("a.yaml", text))
    _, found = result(capsys, "a.yaml", "--defaulted")

    fields = {"spec.stage": "admission+validation", "spec.unset": None}
    assert "defaulted" not in plain
    assert found["defaulted"] == [
        {"document": 0, "title": "Shoot garden/a", "fields": fields},
        {"document": 2, "title": "Shoot garden/b", "fields": fields},
    ]


def test_defaulted_fields_of_several_files_name_their_own(capsys, files):
    names = [files("a.yaml", shoot()), files("b.yaml", shoot())]

    _, found = result(capsys, *names, "--defaulted")

    assert [entry["file"] for entry in found["defaulted"]] == names


TEXT = """\
a.yaml
  document 0  Shoot garden/a       not valid
    5:10  error    spec.say[0]: Invalid value: wrong  [gardener]
                   -> do it right
    5:40  warning  spec.say[1]: Invalid value: wrong  [seed]
                   -> do it right
    an API server makes of it
      spec.stage  "admission+validation"
      spec.unset  (stays unset)
  document 1  ConfigMap kube/x     not judged
  document 2  Shoot garden/longer  valid
    an API server makes of it
      spec.stage  "admission+validation"
      spec.unset  (stays unset)

standard input
    3:1  error    while parsing a flow node did not find expected node content  [sixscope]
                  -> the input must be YAML or JSON, as kubectl reads it

c.yaml
  document 0  Shoot garden/a  valid
    an API server makes of it
      spec.stage  "admission+validation"
      spec.unset  (stays unset)

3 files, 4 objects (1 not judged): not valid; 2 errors; 1 warning
"""


def test_the_text_is_grouped_by_file_and_document(capsys, monkeypatch, files):
    text = shoot("error gardener spec.say[0], warning seed spec.say[1]")
    text += "---\nkind: ConfigMap\nmetadata: {name: x, namespace: kube}\n---\n"
    stdin(monkeypatch, "a: [\n\n")
    names = [files("a.yaml", text + shoot(name="longer")), "-", files("c.yaml", shoot())]

    code, out, _ = validate(capsys, *names, "--defaulted")

    assert code == Exit.REFUSED
    assert out == TEXT


def test_hostile_names_do_nothing_to_a_terminal(capsys, files):
    hostile = '"\\e[31m"'
    text = f"kind: {hostile}\nmetadata: {{name: {hostile}}}\n{hostile}: 1\n{hostile}: 2\n"

    _, out, _ = validate(capsys, files("\x1b[31m.yaml", text), "--strict", "--defaulted")

    assert "\x1b" not in out
    assert "\\x1b[31m" in out


def test_the_schema_says_how_documents_count(capsys):
    code, out, _ = validate(capsys, "--schema")

    assert code == Exit.HOLDS
    schema = json.loads(out)
    assert schema["properties"].keys() == {"valid", "problems", "defaulted"}
    assert "counts from 0 in each file" in schema["$defs"]["FileProblem"]["description"]


def test_lines_have_a_schema_of_their_own(capsys):
    _, out, _ = validate(capsys, "--jsonl", "--schema")

    assert json.loads(out)["properties"].keys() == {"valid", "problems", "result"}
