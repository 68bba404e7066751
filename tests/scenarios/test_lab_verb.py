"""`lab up|status|exec|down` as a user calls them: everything through the command line."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.netns.lab.leftovers import left_of

NAME = "v4only.internet.test"

pytestmark = pytest.mark.needs("root", "netns", "nft", "tun", "tayga", "bind", "cgroup2")


def lab(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dataplane", "lab", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def standing(name: str, *options: str) -> Iterator[dict]:
    done = lab("up", *options, "--name", name, "-o", "json")
    assert done.returncode == 0, done.stderr
    try:
        yield json.loads(done.stdout)
    finally:
        assert lab("down", name).returncode == 0
        assert left_of(name) == []


def test_it_stays_after_the_command_has_gone_and_leaves_nothing_when_it_goes(unique):
    with standing(unique) as up:
        status = json.loads(lab("status", unique, "-o", "json").stdout)["runs"][0]

        assert status["pid"] == up["pid"]
        assert status["casualties"] == []
        assert set(status["namespaces"]) >= {"pod-a", "node-0", "gateway", "server-dual"}


def test_commands_run_inside_with_the_names_of_the_cluster(unique):
    with standing(unique):
        ping = lab("exec", "--run", unique, "pod-a", "--", "ping", "-c1", NAME)
        code = lab("exec", "--run", unique, "pod-b", "--", "sh", "-c", "exit 7")
        quoted = lab("exec", "--run", unique, "pod-a", "--", "printf", "%s", "a b;$(id)")

    assert "64:ff9b:1::" in ping.stdout
    assert ping.returncode == 0
    assert code.returncode == 7
    assert quoted.stdout == "a b;$(id)"  # argv, no shell


def test_a_fault_stands_as_well(unique):
    with standing(unique, "default", "--fault", "dns64-off"):
        ping = lab("exec", "--run", unique, "pod-a", "--", "ping", "-6", "-c1", NAME)

    assert ping.returncode != 0  # over IPv6; over IPv4 the CLAT would hide it


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exec", "--run", "{run}", "pod-zz", "--", "true"), "there are"),
        (("exec", "--run", "{run}", "pod-a"), "name the command"),
        (("up", "--name", "{run}"), "exists"),
    ],
)
def test_what_cannot_be_done_says_why(unique, words, said):
    with standing(unique):
        done = lab(*(word.format(run=unique) for word in words))

    assert done.returncode in (2, 3)
    assert said in done.stderr


@pytest.mark.parametrize(
    "words", [("status", "no-such-run"), ("down", "no-such-run"), ("up", "--name", "../x")]
)
def test_names_that_lead_nowhere_are_refused(words):
    done = lab(*words)

    assert done.returncode == 2, done.stderr
    assert words[-1] in done.stderr
