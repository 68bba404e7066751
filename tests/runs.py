"""Runs of the tool that several tests ask for: each command is carried out once in a session of tests."""

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.resume import ROOT

SECONDS = 120
SEED = ["--seed", "0"]  # which is the one that is taken without

Run = Callable[[list[str]], subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def once(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a way to run `sixscope WORDS` from the repository's root, or to get what it gave before."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if hasattr(request.config, "workerinput") else base) / "runs"
    folder.mkdir(exist_ok=True)

    def run(words: list[str]) -> subprocess.CompletedProcess:
        at = next((i for i in range(len(words)) if words[i : i + 2] == SEED), len(words))
        words = [*words[:at], *words[at + 2 :]]
        name = hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]
        with (folder / name).open("a+") as book:
            fcntl.flock(book, fcntl.LOCK_EX)  # who comes second waits for the first one's result
            book.seek(0)
            command = [sys.executable, "-m", "dataplane", *words]
            if told := book.read():
                return subprocess.CompletedProcess(command, **json.loads(told))
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            told = {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
            json.dump(told, book)
            return done

    return run
