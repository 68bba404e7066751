"""What several tests of a session need, made once whoever comes first: runs of the tool, built programs."""

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataplane.kernel import built
from tests.resume import ROOT

SECONDS = 120
SEED = ["--seed", "0"]  # which is the one that is taken without

Run = Callable[[list[str]], subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of all workers of this session."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@contextmanager
def locked(path: Path) -> Iterator[str]:
    """Hold a file, and hand over what somebody has written there before."""
    with path.open("a+") as book:
        fcntl.flock(book, fcntl.LOCK_EX)
        book.seek(0)
        yield book.read()


def sixscope(words: list[str]) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dataplane", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.fixture(scope="session")
def once(shared: Path) -> Run:
    """Return a way to run `sixscope WORDS` from the repository's root, or to get what it gave before."""
    folder = shared / "runs"
    folder.mkdir(exist_ok=True)

    def run(words: list[str]) -> subprocess.CompletedProcess:
        at = next((i for i in range(len(words)) if words[i : i + 2] == SEED), len(words))
        words = [*words[:at], *words[at + 2 :]]
        path = folder / hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]
        with locked(path) as told:
            if told:
                return subprocess.CompletedProcess(words, **json.loads(told))
            done = sixscope(words)
            given = {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
            path.write_text(json.dumps(given))
            return done

    return run


@pytest.fixture(scope="session")
def built_programs(shared: Path) -> Path:
    """Return where the probes' programs are, built once: the compiler takes 2 s of every run."""
    folder = shared / "programs"
    with locked(shared / "programs.lock"):
        if not folder.exists():
            done = sixscope(["build-programs", str(folder)])
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def with_programs(built_programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what the test starts load built programs; that they are compiled is tested in tests/bpf."""
    monkeypatch.setenv(built.VARIABLE, str(built_programs))
