"""Every scenario is its own test: what it expects is found, nothing else is, nothing is left."""

import json
import os
import subprocess
import sys

import pytest

from labs import scenario as scenarios

SEEDS = range(20)


def run(name: str, seed: int) -> dict:
    command = [sys.executable, "-m", "dataplane", "run", name, "--expect", "--seed", str(seed)]
    done = subprocess.run(
        [*command, "-o", "json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    answers = json.dumps(result.get("answers", result), indent=1)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}\n{answers}"
    return result


@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")
@pytest.mark.parametrize("name", scenarios.names())
def test_scenario_meets_its_expectations(name: str) -> None:
    result = run(name, seed=int(os.environ.get("SIXSCOPE_SEED", "0")))

    assert result["met"] is True
    for answer in result["answers"]:
        assert answer["looked_at"] > 0, answer


@pytest.mark.long
@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", scenarios.names())
def test_scenario_meets_its_expectations_with_every_seed(name: str, seed: int) -> None:
    assert run(name, seed)["met"] is True


@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")
def test_without_probes_only_what_the_kernel_tells_when_asked_is_known() -> None:
    command = [sys.executable, "-m", "dataplane", "run", "default", "--no-probes", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 3, done.stderr
    states = {answer["check"]: answer["state"] for answer in json.loads(done.stdout)["answers"]}
    read = {"forwarding", "listeners", "pool-size"}
    assert {check for check, state in states.items() if state == "holds"} == read, states
    assert {state for check, state in states.items() if check not in read} == {"unknown"}, states
