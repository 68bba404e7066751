"""Machines that have never seen the project: a clone, one command, nothing else."""

import faulthandler
import json
import subprocess
from pathlib import Path

import pytest

FRESH = Path(__file__).with_name("fresh.sh")
SUITES = ("bookworm", "trixie", "noble")

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs("root", "netns", "debootstrap", "git"),
    pytest.mark.xdist_group("fresh"),  # one at a time: they share trees
]


@pytest.fixture(autouse=True)
def _own_deadline():
    """Hours may pass in one of these; `fresh` has a deadline, so a hang ends all the same."""
    faulthandler.cancel_dump_traceback_later()


def fresh(suite, *command, minutes):
    return subprocess.run(
        [str(FRESH), suite, *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=60 * minutes,
    )


@pytest.mark.needs("bpf", "cgroup2", "nft", "tun")
@pytest.mark.parametrize("suite", SUITES)
def test_one_command_and_everything_holds(suite):
    done = fresh(suite, "./run", "lab", "-o", "json", minutes=20)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    answers = json.loads(done.stdout)["answers"]
    assert answers
    assert {answer["state"] for answer in answers} == {"holds"}
    assert all(answer["looked_at"] > 0 for answer in answers)


@pytest.mark.needs("bpf", "cgroup2", "nft", "tun", "qemu")
@pytest.mark.parametrize("suite", SUITES)
def test_the_whole_check_passes(suite):
    done = fresh(suite, "./.ci/run", minutes=60)
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
    assert " passed" in done.stdout.splitlines()[-1]


def test_a_virtual_machine_is_prepared_the_same_way_and_gets_a_token():
    look = "stat -c '%a %s' /etc/sixscope/token && sha256sum /etc/sixscope/token"
    script = f"p=vagrant/provision.sh; $p $PWD && {look} && $p $PWD && {look} && ./run prepare lab"
    done = fresh("bookworm", "sh", "-c", script, minutes=20)
    assert done.returncode == 0, done.stderr[-4000:]
    mode, digest, *again = done.stdout.splitlines()
    assert mode == "600 64"
    assert again == [mode, digest]
