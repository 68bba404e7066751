"""`sixscope grade`: trials are made, counted, and kept."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun", "tayga", "bind")


def grade(*words):
    command = [sys.executable, "-m", "dataplane", "grade", *words, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_trials_are_made_once(tmp_path):
    book = str(tmp_path / "book")
    code, first, err = grade("masquerading-node", "--seeds", "1", "--resume", book)
    assert code == 0, err
    graded = {one["check"]: one for one in first["grades"]}
    assert graded["masquerade"]["detection"] == 1.0
    assert all(one["false_alarms"] == 0 for one in first["grades"])
    assert first["faults"] == [
        {"fault": "masquerading-node", "trials": 1, "broken": {"masquerade": 1}}
    ]

    code, second, err = grade("masquerading-node", "--seeds", "1", "--resume", book)
    assert (code, second) == (0, first)
    assert "1 trials are in the book, 0 to be made" in err


def test_what_is_no_scenario_is_refused():
    code, said, _ = grade("no-such-scenario")
    assert code == 2
    assert "no-such-scenario" in said["error"]["message"]
