"""What people see of the command line, and the codes that it ends with."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dataplane.commands import main, verbs
from dataplane.commands.verb import Exit

GOLDEN = Path(__file__).parent / "golden"
LAB = tuple(("lab", action) for action in ("up", "status", "exec", "down"))
HELPS = ((), *((verb.name,) for verb in verbs()), *LAB)
SHOOT = """
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata: {name: s}
spec:
  networking:
    type: calico
    pods: 2001:db8:1::/48
    nodes: 2001:db8:2::/48
    services: 2001:db8:3::/112
    ipFamilies: [IPv6]
"""


@pytest.fixture
def shoot(tmp_path):
    path = tmp_path / "shoot.yaml"
    path.write_text(SHOOT)
    return path


def out_of(capsys, *words):
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_every_verb_of_the_main_job_is_there():
    names = {verb.name for verb in verbs()}

    assert {
        "validate", "plan", "scenarios", "run", "lab", "attach", "replay", "serve", "explain",
        "doctor", "bench",
    } <= names  # fmt: skip


@pytest.mark.parametrize("verb", [verb.name for verb in verbs()])
def test_every_verb_explains_itself(capsys, verb):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    assert ended.value.code == 0
    assert f"usage: sixscope {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_is_as_it_was(capsys, monkeypatch, words):
    """The usage is left out: where its lines break is up to the Python that runs."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([*words, "--help"])

    _, _, text = capsys.readouterr().out.partition("\n\n")
    assert text == (GOLDEN / f"{'-'.join(words) or 'sixscope'}.txt").read_text()


def test_help_lists_every_verb_with_its_help(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])

    text = " ".join(capsys.readouterr().out.split())
    for verb in verbs():
        assert f"{verb.name} {verb.help}" in text


def test_a_valid_manifest(capsys, shoot):
    code, out, _ = out_of(capsys, "validate", shoot, "-o", "json")

    assert code == Exit.HOLDS
    assert json.loads(out)["valid"] is True


def test_an_invalid_manifest_lists_all_problems_with_their_paths(capsys, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(
        SHOOT.replace("2001:db8:1::/48", "10.0.0.0/8").replace("db8:2::/48", "db8:2::/300")
    )

    code, out, _ = out_of(capsys, "validate", path, "-o", "json")

    assert code == Exit.BROKEN
    fields = {p["field"] for p in json.loads(out)["problems"] if p["severity"] == "error"}
    assert fields == {"spec.networking.pods", "spec.networking.nodes"}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"a: [", "Unreadable"),
        (b"\xff\xfe", "UTF-8"),
        (b"x" * (1 << 21), "larger"),
    ],
)
def test_what_cannot_be_read_ends_two(capsys, tmp_path, content, word):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)

    code, out, err = out_of(capsys, "validate", path, "-o", "json")

    assert code == Exit.REFUSED
    assert word in out + err


def test_an_invalid_manifest_is_not_planned(capsys, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(SHOOT.replace("2001:db8:1::/48", "nonsense"))

    code, out, err = out_of(capsys, "plan", path, "-o", "json")

    assert code == Exit.REFUSED
    assert "spec.networking.pods" in err
    assert json.loads(out)["error"]["problems"][0]["field"] == "spec.networking.pods"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "/nowhere/shoot.yaml"), "sixscope: /nowhere/shoot.yaml: no such file\n"),
        (("plan", "shoot.yaml"), "sixscope: shoot.yaml: no such file\n"),
        (("run", "dual-stak"), "no scenario of that name; did you mean dual-stack or"),
        (("run", "zzz"), "`sixscope scenarios` shows all"),
    ],
)
def test_a_missing_file_was_a_scenario_or_was_not(capsys, words, said):
    code, _, err = out_of(capsys, *words)

    assert code == Exit.REFUSED
    assert said in err


def test_the_plan_is_the_same_every_time(capsys, shoot):
    one, two = (out_of(capsys, "plan", shoot, "--seed", 5, "-o", "json")[1] for _ in range(2))

    assert one == two
    assert json.loads(one)["nat64"]["prefix"] == "64:ff9b:1::/96"


def test_scenarios_as_json(capsys):
    code, out, _ = out_of(capsys, "scenarios", "-o", "json")

    entries = {entry["name"]: entry for entry in json.loads(out)["scenarios"]}
    assert code == Exit.HOLDS
    assert entries["default"].keys() == {
        "name", "title", "engine", "tags", "expect", "expect_problems",
    }  # fmt: skip
    assert entries["nat64-down"]["expect"] == {"nat64": {"state": "broken", "subjects": "victims"}}


@pytest.mark.parametrize("name", ["masquerade", "dns64-off"])
def test_explain_knows_checks_and_faults(capsys, name):
    code, out, _ = out_of(capsys, "explain", name)

    assert code == Exit.HOLDS
    assert len(out.splitlines()) > 2


def test_explain_nonsense_names_what_there_is(capsys):
    code, _, err = out_of(capsys, "explain", "mascarade")

    assert code == Exit.REFUSED
    assert "masquerade" in err


@pytest.mark.parametrize(
    "verb", ["run", "plan", "validate", "scenarios", "replay", "attach", "doctor", "bench"]
)
def test_every_json_output_has_a_schema(capsys, verb):
    code, out, _ = out_of(capsys, verb, "--schema")

    assert code == Exit.HOLDS
    assert json.loads(out)


def test_expect_without_expectations_is_a_usage_error(capsys, shoot):
    code, _, err = out_of(capsys, "run", shoot, "--expect")

    assert code == Exit.REFUSED
    assert "--expect needs a scenario" in err


def test_an_endpoint_that_would_be_open_is_refused_before_anything_is_built(capsys, monkeypatch):
    monkeypatch.delenv("SIXSCOPE_TOKEN", raising=False)
    code, _, err = out_of(capsys, "run", "default", "--serve", "--host", "0.0.0.0")

    assert code == Exit.REFUSED
    assert "token" in err


def test_attach_imports_nothing_of_the_lab():
    program = (
        "import sys\n"
        "from dataplane.commands import main\n"
        "try:\n"
        "    main(['attach', '--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('labs', 'scapy', 'dns')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("words", [("--nodes", "0"), ("--nope",), ("default", "extra")])
def test_a_wrong_command_line_is_one_json_object_too(capsys, words):
    code, out, err = out_of(capsys, "run", *words, "-o", "json")

    assert code == Exit.REFUSED
    assert "usage: sixscope" in err
    assert json.loads(out)["error"]["message"] in err


def test_without_asking_for_json_none_is_printed(capsys):
    code, out, _ = out_of(capsys, "run", "--nodes", "0")

    assert (code, out) == (Exit.REFUSED, "")


@pytest.mark.parametrize("option", ["--evidence", "--junit"])
def test_where_nothing_can_be_written_is_said_before_anything_is_built(capsys, option):
    code, _, err = out_of(capsys, "run", "default", option, "/nowhere/at/all")

    assert code == Exit.REFUSED
    assert "there is no directory /nowhere/at" in err
