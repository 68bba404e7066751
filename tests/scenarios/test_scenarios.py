"""Every scenario is its own test: what it expects is found, nothing else is, nothing is left."""

import json
import os
import subprocess
import sys

import pytest
from pydantic import TypeAdapter

from dataplane.bench import trials
from dataplane.bench.grade import trial
from dataplane.model.answer import RunResult
from labs import scenario as scenarios
from tests import resume
from tests.runs import Run

SEEDS = range(20)
BOOK = resume.CACHE / "trials" / f"{trials.sources()}.jsonl"
"""What the runs of every seed found, for `sixscope grade --resume`: they are the same trials."""


def run(name: str, seed: int, once: Run) -> dict:
    """Run a scenario as users do and return its JSON; that it ends well is asserted last."""
    done = once(["run", name, "--expect", "--seed", str(seed), "-o", "json"])
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    result["ended"] = (done.returncode, done.stderr)
    return result


def assert_met(result: dict) -> None:
    code, said = result["ended"]
    assert code == 0, f"{said}\n{json.dumps(result.get('answers', result), indent=1)}"
    assert result["met"] is True


@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")
@pytest.mark.parametrize("name", scenarios.names())
def test_scenario_meets_its_expectations(name: str, once: Run) -> None:
    result = run(name, int(os.environ.get("SIXSCOPE_SEED", "0")), once)

    assert_met(result)
    for answer in result["answers"]:
        assert answer["looked_at"] > 0, answer


@pytest.mark.long
@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")
@pytest.mark.parametrize("name", scenarios.names())
@pytest.mark.parametrize(
    "seed", SEEDS
)  # the slower one: all scenarios with one seed, then the next
def test_scenario_meets_its_expectations_with_every_seed(name: str, seed: int, once: Run) -> None:
    result = run(name, seed, once)
    if result.get("answers"):  # of what is refused, nothing was built
        read = TypeAdapter(RunResult).validate_python(result)
        trials.write_down(BOOK, trial(name, seed, scenarios.load(name).faults, read))

    assert_met(result)


@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")
def test_without_probes_only_what_the_kernel_tells_when_asked_is_known() -> None:
    command = [sys.executable, "-m", "dataplane", "run", "default", "--no-probes", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 3, done.stderr
    states = {answer["check"]: answer["state"] for answer in json.loads(done.stdout)["answers"]}
    read = {"forwarding", "listeners", "pool-size"}
    assert {check for check, state in states.items() if state == "holds"} == read, states
    assert {state for check, state in states.items() if check not in read} == {"unknown"}, states
