"""Owners that die at any instant: SIGINT leaves nothing, SIGKILL leaves what a sweep removes."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from labs.claim import is_alive
from labs.site import RUNS
from labs.sweep import sweep
from tests.netns.lab.leftovers import gone, left_of

pytestmark = pytest.mark.needs("root", "netns", "nft", "tun", "tayga", "bind", "cgroup2")

ROOT = Path(__file__).resolve().parents[3]
KILLS = 8
MORE_KILLS = 50


@contextmanager
def owner(run, *, pods=6):
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("owner.py")), run, str(pods)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert child.stdout.readline() == b"building\n", child.stderr.read().decode()
        yield child
    finally:
        child.kill()
        child.communicate()


def strike(child, signal_number, after):
    """Send a signal to an owner some time after it began to build, however far it is by then."""
    try:
        child.wait(after)
    except subprocess.TimeoutExpired:
        child.send_signal(signal_number)
    return child.communicate(timeout=20)


def instant(seed):
    """Return a moment while a lab is being built, or shortly after."""
    return Random(seed).uniform(0, 0.4)


def programs_of(run):
    return [words for words in left_of(run) if words.startswith("process")]


def kill_and_sweep(run, seed):
    with owner(run) as child:
        strike(child, signal.SIGKILL, instant(seed))
        assert gone(lambda: programs_of(run)), "a killed owner leaves no process"
        report = sweep(run=run)
        assert run not in report.alive
        assert left_of(run) == []


@pytest.mark.parametrize("seed", range(KILLS))
def test_sigkill_then_sweep(run, seed):
    kill_and_sweep(run, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(KILLS, KILLS + MORE_KILLS))
def test_sigkill_then_sweep_often(run, seed):
    kill_and_sweep(run, seed)


@pytest.mark.parametrize("seed", range(KILLS))
def test_sigint(run, seed):
    with owner(run) as child:
        words, errors = strike(child, signal.SIGINT, instant(seed))
        assert (words, errors) in {(b"cancelled\n", b""), (b"up\ncancelled\n", b"")}
        assert left_of(run) == []


def test_a_sweep_leaves_the_living_alone(run):
    with owner(run) as child:
        assert child.stdout.readline() == b"up\n"
        before = left_of(run)
        report = sweep(run=run)
        assert report.alive == (run,)
        assert report.swept == ()
        assert left_of(run) == before
        assert is_alive(RUNS / run)
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=20)
        assert not is_alive(RUNS / run)


def test_a_sweep_says_what_it_removed(run):
    with owner(run) as child:
        assert child.stdout.readline() == b"up\n"
        strike(child, signal.SIGKILL, 0)
    (swept,) = sweep(run=run).swept
    assert swept.run == run
    assert f"sx-{run}-pod-0" in swept.namespaces
    assert swept.cgroup == f"sixscope-{run}"
    assert sweep(run=run).swept == ()
