"""Every item of the proposals has its rows in docs/seeds.md, and their commands do what they say."""

import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dataplane.commands import main
from tests.seeds import claims, table
from tests.seeds.claims import Outcome

ROOT = table.PAGE.parents[1]
LAB = pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")
# Number and letters of every item; the letters are explained in the head of docs/seeds.md.
ITEMS = {
    "S0": "01BK 02VR 03KR 04V 05V 06BK 07BK 08K 09K 10VB 11KR 12V 13V 14VP 15VP 16VP 17V 18V 19K 20VB "
    "21K 22I",
    "S2": "01P 02V 03K 04R 05BK 06BK 07BK 08V 09VB 10P 11PBK 12BK 13VKR 14I 15P 16P 17PB 18PR 19PR 20P "
    "21P 22P 23P 24P 25PR 26BKR 27VKR 28V 29PK 30P 31VB 32V 33V 34P 35V 36VP 37VP 38VP 39VP 40VP 41VP "
    "42VP 43V 44V 45V 46P 47V 48V 49I",
    "S3": "01KR 02I 03PB 04PK 05P 06P 07V 08P 09P 10V 11P 12V 13BK 14V 15P 16V 17I 18B 19B 20V 21PBV "
    "22VB 23P 24VBK 25VBK 26V 27PBK 28P 29BK 30I",
    "S4": "01V 02RK 03I 04V 05V 06V 07B 08V 09V 10V 11V 12V 13P 14V 15V 16V 17V 18V 19V 20VBK 21V 22VBK "
    "23B 24V 25VP 26VBK 27BR 28VK 29B 30V 31VR 32V",
}
CHECK = ["./run", "test"]
ROWS = table.rows()
CALLS = [call for row in ROWS for call in row.calls]
COMMANDS = list(dict.fromkeys(call.command for call in CALLS))


def items():
    return [
        (f"{document}-{item[:2]}", letter)
        for document, written in ITEMS.items()
        for item in written.split()
        for letter in item[2:]
    ]


def outcome(command, monkeypatch, capsys, once):
    """Run a command from the root of the repository; labs in a process of their own."""
    words = shlex.split(command)
    if words[:2] == CHECK:
        return collected(words[2:])
    assert words.pop(0) == "sixscope", command
    given = b""
    if "<" in words:
        at = words.index("<")
        given = (ROOT / words[at + 1]).read_bytes()
        del words[at : at + 2]
    if not {"-o", "--jsonl", "--resolved"} & set(words):
        words += ["-o", "json"]
    if words[0] == "run":
        done = once(words)
        assert done.stdout, done.stderr
        code, text = done.returncode, done.stdout
    else:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        code = main(words)
        text = capsys.readouterr().out
    return Outcome(code=code, output=values(words, text))


def collected(words):
    """Find tests of the project's own, without running them: the whole check does that elsewhere."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *words]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    tests = [line for line in done.stdout.splitlines() if "::" in line]
    return Outcome(code=done.returncode, output={"tests": tests})


def values(words, text):
    if "--jsonl" in words:
        return [json.loads(line) for line in text.splitlines()]
    if "--resolved" in words:
        return list(yaml.safe_load_all(text))
    return json.loads(text) if words[words.index("-o") + 1] == "json" else text


def test_every_item_has_its_row_once():
    assert [(row.id, row.letter) for row in ROWS] == items()


def test_the_head_counts_the_open_rows():
    assert table.open_rows() == sum(row.is_open for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.id}-{row.letter}")
def test_a_row_has_what_its_letter_asks_for(row):
    assert row.asked
    if row.letter == "I":
        assert row.place.endswith(".")
    elif not row.is_open:
        assert row.calls, "a row has a command, or says why it is open"
        assert row.has_twin or row.letter not in {"V", "K"}


def test_no_file_is_there_without_a_command():
    named = {word for command in COMMANDS for word in command.split()}
    files = {str(path.relative_to(ROOT)) for path in Path(ROOT / "docs" / "seeds").iterdir()}

    assert not files - named


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=LAB if command.startswith("sixscope run ") else ())
        for command in COMMANDS
    ],
)
def test_a_command_gives_what_is_asserted(command, monkeypatch, capsys, once):
    claimed = [
        claim for call in CALLS if call.command == command for claim in claims.read(call.claims)
    ]
    found = outcome(command, monkeypatch, capsys, once)

    wrong = {claim.text: claims.why_not(claim, found) for claim in claimed}
    assert {text: instead for text, instead in wrong.items() if instead is not None} == {}
