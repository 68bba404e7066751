"""What a test session promises and keeps: capabilities, long tests, and the machine as before."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import capabilities, machine

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("capability", sorted(capabilities.PROBES))
def test_a_probe_says_why(capability):
    why = capabilities.missing(capability)
    assert why is None or why.strip()


@pytest.fixture
def session(tmp_path):
    """Return a way to run a test file of our own under the project's conftest, elsewhere."""
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "capabilities.py", "machine.py", "resume.py", "runs.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests" / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "dataplane" / "kernel", tmp_path / "dataplane" / "kernel")

    def run(text, *arguments):
        (tmp_path / "tests" / "test_it.py").write_text(text)
        environment = {name: value for name, value in os.environ.items() if name != machine.TOKEN}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env={**environment, "SIXSCOPE_CACHE": str(tmp_path / "cache")},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


NEEDY = """
import pytest
from tests import capabilities
capabilities.PROBES["tcx"] = lambda: "made up"

@pytest.mark.needs("tcx")
def test_needy():
    pass
"""


def test_a_missing_capability_is_a_skip_with_its_reason(session):
    done = session(NEEDY)
    assert done.returncode == 0, done.stdout
    assert "tcx: made up" in done.stdout
    assert "1 skipped" in done.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_broken_promise_is_a_failure(session, workers):
    done = session(NEEDY, "--must-have", "root,tcx", "-n", workers)
    assert done.returncode == 1
    assert "promised by --must-have but missing: tcx: made up" in done.stdout
    assert "skipped" not in done.stdout


def test_a_broken_promise_is_a_failure_even_if_no_test_asks(session):
    done = session(NEEDY.replace('needs("tcx")', "needs()"), "--must-have", "tcx")
    assert done.returncode == 1
    assert "1 passed, 1 error" in done.stdout


@pytest.mark.parametrize("arguments", [("--must-have", "luck"), ()])
def test_an_unknown_capability_is_an_error(session, arguments):
    done = session("" if arguments else NEEDY.replace('needs("tcx")', 'needs("luck")'), *arguments)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "luck" in done.stderr


def test_a_stage_that_failed_counts(session):
    done = session("def test_it(): pass", "--failed-stage", "style")
    assert done.returncode == 1
    assert "1 passed, 1 error" in done.stdout.splitlines()[-1]


GROUPED = """
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_it(number, worker_id):
    with open("workers", "a") as out:
        out.write(worker_id + " ")
"""


def test_tests_of_one_group_share_a_worker(session, tmp_path):
    done = session(GROUPED, "-n", "2", "--dist", "loadgroup")
    assert "8 passed" in done.stdout
    assert len(set((tmp_path / "workers").read_text().split())) == 1


LONG = """
import pytest

@pytest.mark.long
@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("good", [True, False])
def test_it(good):
    assert good
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_long_tests_run_when_asked_and_go_on_where_they_stopped(session, workers):
    grouped = ("--long", "-n", workers, "--dist", "loadgroup")
    assert "2 deselected" in session(LONG).stdout
    assert "1 failed, 1 passed" in session(LONG, *grouped).stdout
    again = session(LONG, *grouped)
    assert "1 failed" in again.stdout
    assert "1 passed" not in again.stdout
    changed = session(LONG + "\n", *grouped)
    assert "1 failed, 1 passed" in changed.stdout


LEAVE = """
import subprocess, warnings

def test_it(prefix):
    warnings.simplefilter("ignore", ResourceWarning)
    subprocess.{statement}
"""


@pytest.mark.needs("root", "netns")
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            'run(["ip", "netns", "add", prefix + "left"], check=True)',
            "network namespace left behind",
        ),
        ('Popen(["tail", "-f", "/dev/null"])', "process left behind"),
    ],
)
def test_what_a_session_leaves_behind_fails_it(session, statement, words):
    done = session(LEAVE.format(statement=statement))
    for name in set(re.findall(r"namespace left behind: (sx-\S+-left)", done.stdout)):
        subprocess.run(["ip", "netns", "del", name], check=True)
    assert words in done.stdout
    assert "1 passed, 1 error" in done.stdout
    assert done.returncode == 1


@pytest.mark.needs("root", "netns")
def test_the_end_of_another_lab_does_not_fail_a_session(session, unique):
    another = f"sx-b{unique.removeprefix('sx-')}"  # without the token: somebody else's
    subprocess.run(["ip", "netns", "add", another], check=True)
    ends = f'run(["ip", "netns", "del", "{another}"], check=True)'
    done = session(LEAVE.format(statement=ends))
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout.splitlines()[-1]
