"""Watched at raw tracepoints, with nothing attached to any device, the same is found."""

import json
import subprocess
import sys

import pytest


@pytest.mark.needs("root", "netns", "bpf", "btf", "cgroup2", "nft", "tun", "tayga", "bind")
@pytest.mark.parametrize("name", ["default", "masquerading-node", "small-link"])
def test_a_scenario_meets_its_expectations_in_zero_touch(name, tmp_path):
    command = [sys.executable, "-m", "dataplane", "run", name, "--expect", "--mode", "zero-touch"]
    recording = tmp_path / "evidence.jsonl"
    done = subprocess.run(
        [*command, "--evidence", str(recording), "-o", "json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr}"
    result = json.loads(done.stdout)
    assert result["met"] is True
    assert all(answer["looked_at"] > 0 for answer in result["answers"])
    lines = map(json.loads, recording.read_text().splitlines())
    reports = [line for line in lines if line.get("kind") == "report"]
    hooks = {line["hook"] for line in reports if line["probe"] in ("flows", "stamps")}
    assert hooks == {"raw-tracepoint"}
