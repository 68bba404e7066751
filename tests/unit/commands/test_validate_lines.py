"""`sixscope validate --jsonl`: as many answers as lines, each in its place, at once."""

import io
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataplane.commands import main
from dataplane.commands.lines import read_lines
from dataplane.commands.verb import Exit
from dataplane.manifest import kinds
from dataplane.manifest.documents import MAX_OCTETS
from tests.unit.echo import Echo

GOOD = '{"object": {"kind": "Shoot"}}'
WRONG = '{"object": {"kind": "Shoot", "spec": {"say": ["error gardener f"]}}}'
BAD = "?"


@pytest.fixture(autouse=True)
def echo(monkeypatch):
    echo = Echo()
    monkeypatch.setattr(kinds, "kinds", lambda: (echo.kind,))
    return echo


def answers(monkeypatch, capsys, data, *words):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code = main(["validate", "--jsonl", *words])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], Exit.HOLDS),
        ([GOOD, GOOD], Exit.HOLDS),
        ([GOOD, WRONG, GOOD], Exit.BROKEN),
        ([BAD, WRONG, GOOD], Exit.REFUSED),
        ([WRONG, GOOD, ""], Exit.REFUSED),
    ],
)
def test_the_gravest_line_decides(monkeypatch, capsys, lines, code):
    data = "".join(f"{line}\n" for line in lines).encode()

    given, found = answers(monkeypatch, capsys, data)

    assert given == code
    assert [answer["valid"] for answer in found] == [line == GOOD for line in lines]


def test_an_answer_has_the_shape_of_the_json_output(monkeypatch, capsys, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"apiVersion": "core.gardener.cloud/v1", ' + WRONG[12:-1])
    main(["validate", str(path), "-o", "json"])
    whole = json.loads(capsys.readouterr().out)

    _, (found,) = answers(monkeypatch, capsys, WRONG.encode())

    assert found.keys() == whole.keys()
    assert found["problems"] == [{**whole["problems"][0], "line": None, "column": None}]


def test_defaulting_has_a_result(monkeypatch, capsys):
    line = '{"object": {"kind": "Shoot"}, "stage": "defaulting"}'

    _, (found,) = answers(monkeypatch, capsys, line.encode())

    assert found["result"] == {"spec.stage": "validation", "spec.unset": None}


def test_strict_profile_and_gates_are_for_every_line(monkeypatch, capsys, echo):
    words = ("--strict", "--profile", "gep21", "--feature-gate", "IPv6SingleStack=false")

    code, _ = answers(
        monkeypatch, capsys, WRONG.replace("error gardener", "warning seed").encode(), *words
    )

    assert code == Exit.BROKEN
    assert (echo.asked[0].profile, echo.asked[0].gates) == ("gep21", frozenset())


@pytest.mark.parametrize(
    "words", [("a.yaml",), ("--old", "a.yaml"), ("--seed", "a.yaml"), ("--defaulted",)]
)
def test_what_stands_on_the_lines_is_not_given_twice(capsys, words):
    assert main(["validate", "--jsonl", *words]) == Exit.REFUSED
    assert "--jsonl takes all from the lines" in capsys.readouterr().err


def test_a_fault_of_a_rule_costs_one_answer_only(monkeypatch, capsys):
    fault = WRONG.replace("error gardener f", "fault")

    code, found = answers(monkeypatch, capsys, f"{GOOD}\n{fault}\n{GOOD}\n".encode())

    assert code == Exit.REFUSED
    assert [answer["valid"] for answer in found] == [True, False, True]
    assert "TypeError (a fault of sixscope" in found[1]["problems"][0]["detail"]


def test_surrogates_find_their_way_out(monkeypatch, capsys):
    line = b'{"object": {"kind": "\\ud800"}}'

    code, (found,) = answers(monkeypatch, capsys, line)

    assert code == Exit.HOLDS
    assert "\\ud800" in found["problems"][0]["detail"]


def test_a_line_that_is_too_long_is_one_line(monkeypatch, capsys):
    long = b'{"object": {"a": "' + b"x" * (3 * MAX_OCTETS) + b'"}}\n'

    code, found = answers(monkeypatch, capsys, GOOD.encode() + b"\n" + long + GOOD.encode())

    assert code == Exit.REFUSED
    assert [answer["valid"] for answer in found] == [True, False, True]


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)), st.booleans())
def test_lines_are_cut_but_none_is_lost(lines, ended):
    data = b"\n".join(lines) + b"\n" * (ended and bool(lines))
    expected = data.removesuffix(b"\n").split(b"\n") if data else []

    assert list(read_lines(io.BytesIO(data), limit=5)) == [line[:6] for line in expected]


@given(
    st.lists(st.text().map(lambda text: text.replace("\n", " ")) | st.sampled_from([GOOD, WRONG]))
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_are_as_many_answers_as_lines(monkeypatch, capsys, lines):
    data = "".join(f"{line}\n" for line in lines).encode()

    _, found = answers(monkeypatch, capsys, data)

    assert [answer["valid"] for answer in found] == [line == GOOD for line in lines]


def test_a_pipe_can_talk_in_turns():
    """The second line is written only when the answer to the first one is there."""
    program = "import sys; from dataplane.commands import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", program, "validate", "--jsonl"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        for line in ("", "{}", "[]"):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["valid"] is False
        process.stdin.close()
        assert process.wait() == Exit.REFUSED
