"""Long tests that passed need not run again while nothing has changed: `--long` takes days to lose.

What passed is written down at once, one test per line, in `.cache/long/` under a digest of the
sources. Any change to them starts a new page; `rm -r .cache/long` forgets everything.
"""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("SIXSCOPE_CACHE", ROOT / ".cache"))
PAGES = CACHE / "long"
SOURCES = ("dataplane", "labs", "probes", "tests", "vagrant", ".lock", "pyproject.toml", "run")


def page() -> Path:
    """Return where the tests are written down that passed with the sources as they are now."""
    digest = hashlib.sha256()
    for name in SOURCES:
        top = ROOT / name
        for path in (top, *sorted(top.rglob("*"))):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return PAGES / f"{digest.hexdigest()[:16]}.txt"


def name(nodeid: str) -> str:
    """Return a test's own name: pytest-xdist adds `@group` to those that run on one worker."""
    test, _, group = nodeid.rpartition("@")
    return test if test and "]" not in group else nodeid


def passed(page: Path) -> frozenset[str]:
    """Return the tests that are written down."""
    return frozenset(page.read_text().splitlines()) if page.exists() else frozenset()


def write_down(page: Path, test: str) -> None:
    """Add a test that passed; what is written survives a SIGKILL of the session."""
    page.parent.mkdir(parents=True, exist_ok=True)
    with page.open("a") as out:
        out.write(f"{name(test)}\n")
