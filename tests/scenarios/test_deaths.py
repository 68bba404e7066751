"""`sixscope run` ended at any instant: the right code, clear words, and the machine as before."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.netns.lab.leftovers import gone, left_of

pytestmark = pytest.mark.needs("root", "netns", "bpf", "nft", "tun", "tayga", "bind", "cgroup2")

RUNS = Path("/run/sixscope")
MARK = "SIXSCOPE_TEST_DEATH"
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
KILLS = 8
MORE_KILLS = 50


@dataclass
class Running:
    """A run that is going on, and the name that it gave itself, once it has one."""

    child: subprocess.Popen
    mark: str
    output: list[str] = field(default_factory=list)
    name: str | None = None

    def look(self) -> None:
        """Find the run's name by the process that claimed it; a look at a file, never at our code."""
        for found in RUNS.glob("*/run.json"):
            with suppress(OSError, ValueError):
                claim = json.loads(found.read_text())
                if claim["pid"] == self.child.pid:
                    self.name = claim["run"]

    def proceed(self, seconds: float) -> bool:
        """Let it run for so long and learn its name meanwhile; False when it ended before."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(min(left, 0.02))
                return False
            self.look()
        return True

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return the code as a shell shows it, and what was said."""
        out, err = self.child.communicate(timeout=60)
        code = self.child.returncode
        return (code if code >= 0 else 128 - code), "".join(self.output) + out, err

    def processes(self) -> list[str]:
        """Return every process that inherited our mark, which all of the run's do."""
        mark = f"{MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"{entry.name}: {words}")
        return found

    def left(self) -> list[str]:
        """Return all that the run has left on the machine."""
        return left_of(self.name) if self.name is not None else []


@contextmanager
def running(mark: str, *words: str) -> Iterator[Running]:
    """Run a command as the leader of a process group, as a shell does."""
    with subprocess.Popen(
        [sys.executable, "-m", "dataplane", "run", *words],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            yield Running(child, mark)
        finally:
            child.kill()


@pytest.fixture(scope="module")
def duration() -> float:
    """Return how long a run takes here and now, so that instants fall into it."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "dataplane", "run", "default"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.monotonic() - begin


def ended(mark: str, duration: float, number: signal.Signals, seed: int) -> None:
    """End a run by a signal to itself, or to all of its process group as Ctrl-C does."""
    chance = Random(f"{number.name}/{seed}")
    instant, whole_group = chance.uniform(0, duration), chance.random() < 0.5
    with running(mark, "default") as run:
        if run.proceed(instant):
            (os.killpg if whole_group else os.kill)(run.child.pid, number)
            if chance.random() < 0.5 and run.proceed(chance.uniform(0, 0.3)):
                (os.killpg if whole_group else os.kill)(run.child.pid, number)  # an impatient user
        code, out, err = run.end()
        where = f"{number.name} after {instant:.3f} s, group {whole_group}: {code}\n{out}\n{err}"
        complete = "the answers are as expected" in out
        assert code == CODES[number] or (complete and code == 0), where
        if run.name is not None and not complete:
            assert f"{number.name}: taking everything down" in err, where
        if run.name is not None:
            assert "Traceback" not in err, where
            assert "Error" not in err, where
        assert gone(run.processes), where
        assert run.left() == [], where


@pytest.mark.parametrize("seed", range(KILLS))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_takes_everything_down_when_told_to_end(unique, duration, number, seed):
    ended(unique, duration, number, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(KILLS, KILLS + MORE_KILLS))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_takes_everything_down_when_told_to_end_often(unique, duration, number, seed):
    ended(unique, duration, number, seed)


def killed(mark: str, duration: float, seed: int) -> None:
    instant = Random(f"SIGKILL/{seed}").uniform(0, duration)
    with running(mark, "default") as run:
        run.proceed(instant)
        run.child.kill()
        run.end()
        assert gone(run.processes), f"killed after {instant:.3f} s, but there are processes"
        command = [sys.executable, "-m", "dataplane", "doctor", "--sweep", "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert run.left() == [], f"killed after {instant:.3f} s"


@pytest.mark.parametrize("seed", range(KILLS))
def test_what_a_kill_leaves_is_swept(unique, duration, seed):
    killed(unique, duration, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(KILLS, KILLS + MORE_KILLS))
def test_what_a_kill_leaves_is_swept_often(unique, duration, seed):
    killed(unique, duration, seed)


def until(run: Running, words: str) -> str:
    """Read what it says until it says this; return the line."""
    while line := run.child.stderr.readline():
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> int:
    url = f"http://localhost:{port}/api/v1/answers"
    with urllib.request.urlopen(url, timeout=10) as got:
        return got.status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_served_run_ends_when_told_to(unique, number):
    port = free_port()
    with running(unique, "default", "--serve", "--port", str(port)) as run:
        until(run, "is being served")
        assert answers(port) == 200
        run.child.send_signal(number)
        code, out, err = run.end()

        assert code == CODES[number], err
        assert "the answers are as expected" in out
        assert "Traceback" not in err
        assert gone(run.processes)
    with pytest.raises(urllib.error.URLError):
        answers(port)


def test_a_port_in_use_is_said_before_anything_is_built(unique):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(unique, "default", "--serve", "--port", str(port), "-o", "json") as run:
            run.proceed(30)
            code, out, err = run.end()

    assert code == 2
    assert run.name is None
    assert str(port) in err
    assert str(port) in json.loads(out)["error"]["message"]


def test_two_at_once_do_not_meet(unique):
    with running(f"{unique}a", "default") as one, running(f"{unique}b", "dual-stack") as two:
        for run in (one, two):
            while run.name is None and run.proceed(0.05):
                pass
        assert one.name != two.name
        (code, out, err), (other, also, errors) = one.end(), two.end()

    assert (code, other) == (0, 0), out + err + also + errors
    assert one.left() == two.left() == []


def test_a_sweep_leaves_a_run_alone_that_goes_on(unique):
    with running(unique, "default") as run:
        while run.name is None and run.proceed(0.05):
            pass
        command = [sys.executable, "-m", "dataplane", "doctor", "--sweep", "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        code, out, err = run.end()

    assert run.name in json.loads(done.stdout)["alive"]
    assert code == 0, out + err
