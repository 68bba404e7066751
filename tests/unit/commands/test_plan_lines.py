"""`sixscope plan --jsonl`: as many answers as lines, each in its place, at once."""

import io
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataplane.commands import main
from dataplane.commands.verb import Exit
from dataplane.manifest.documents import MAX_OCTETS

GOOD = (
    '{"kind": "AWSSubnetting", "function": "calcNextIPv6CidrBlock", "args": {"current": "::/64"}}'
)
WRONG = GOOD.replace("::/64", "10.0.0.0/8")
BAD = "?"


def answers(monkeypatch, capsys, data, *words):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    code = main(["plan", "--jsonl", *words])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], Exit.HOLDS),
        ([GOOD, GOOD], Exit.HOLDS),
        ([GOOD, WRONG, GOOD], Exit.BROKEN),
        ([BAD, WRONG, GOOD], Exit.REFUSED),
        ([GOOD, ""], Exit.REFUSED),
    ],
)
def test_the_gravest_line_decides(monkeypatch, capsys, lines, code):
    data = "".join(f"{line}\n" for line in lines).encode()

    given, found = answers(monkeypatch, capsys, data)

    assert given == code
    assert [answer["valid"] for answer in found] == [line == GOOD for line in lines]


def test_the_shape_of_answers(monkeypatch, capsys):
    _, found = answers(monkeypatch, capsys, f"{GOOD}\n{WRONG}\n{BAD}".encode())

    assert found[:2] == [
        {"valid": True, "result": "0:0:0:1::/64"},
        {"valid": False, "result": None, "error": "input CIDR is not IPv6"},
    ]
    assert found[2]["error"].startswith("not JSON: ")
    assert found[2]["error"].endswith('"args": {...}} on one line')


def test_a_service_is_an_object(monkeypatch, capsys):
    question = {
        "id": "whatever else a case has",
        "kind": "AWSLoadBalancerService",
        "function": "buildLoadBalancerScheme",
        "object": {"metadata": {"annotations": {}}},
    }

    code, found = answers(monkeypatch, capsys, json.dumps(question).encode())

    assert (code, found) == (Exit.HOLDS, [{"valid": True, "result": "internal"}])


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"", "not JSON: the line is empty"),
        (b"[]", "must be a JSON object"),
        (b"\xff", "not UTF-8 text (octet 0)"),
        (b'{"args": {}}', "kind is missing or no text"),
        (b'{"kind": 4, "args": {}}', "kind is missing or no text"),
        (b'{"kind": "NodeIPAM", "function": [], "args": {}}', "function must be a text"),
        (b'{"kind": "NodeIPAM", "function": "NewCIDRSet"}', "args must be a JSON object"),
        (b'{"kind": "NodeIPAM", "args": NaN}', "not JSON: NaN is no JSON value"),
        (b'{"kind": "\\ud800", "args": {}}', "is unknown"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"kind": "NodeIPAM", "args": ' + b"9" * 10_000 + b"}", "not JSON: "),
        (b'"' + b"x" * MAX_OCTETS + b'"', f"more than {MAX_OCTETS} octets on one line"),
    ],
    ids=range(12),
)
def test_unreadable_lines(monkeypatch, capsys, line, error):
    code, found = answers(monkeypatch, capsys, line + b"\n" + GOOD.encode())

    assert code == Exit.REFUSED
    assert [answer["valid"] for answer in found] == [False, True]
    assert error in found[0]["error"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=5))
def test_whatever_the_lines_there_are_as_many_answers(monkeypatch, capsys, lines):
    data = b"".join(line + b"\n" for line in (*lines, GOOD.encode()))

    _, found = answers(monkeypatch, capsys, data)

    assert [answer["valid"] for answer in found] == [False] * len(lines) + [True]


def test_a_manifest_does_not_go_with_lines(capsys):
    assert main(["plan", "--jsonl", "default"]) == Exit.REFUSED
    assert "--jsonl takes all from the lines" in capsys.readouterr().err


def test_the_schema_of_answers(capsys):
    assert main(["plan", "--jsonl", "--schema"]) == Exit.HOLDS

    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == {"valid", "result", "error"}


def test_an_answer_comes_before_the_next_question():
    program = "import sys; from dataplane.commands import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "plan", "--jsonl"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for line, valid in ((GOOD, True), (WRONG, False), (GOOD, True)):
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["valid"] is valid
        process.stdin.close()
        assert process.wait(timeout=60) == Exit.BROKEN
