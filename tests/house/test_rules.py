"""The rules that the house holds itself to, as far as a program can see whether they are kept."""

import importlib.util
import pkgutil
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import dataplane
import dataplane.checks
import labs.faults
import probes
from labs import scenario as scenarios

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 400  # lines
TOP_LEVEL = {
    *(".ci", ".clang-format", ".github", ".gitignore", ".lock", "ARCHITECTURE.md", "CHANGELOG.md"),
    *(
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "Vagrantfile",
        "dataplane",
        "docs",
        "labs",
        "probes",
    ),
    *("pyproject.toml", "run", "tests", "vagrant"),
}
EMPTY_NAMES = {
    "manager",
    "handler",
    "handlers",
    "utils",
    "util",
    "helper",
    "helpers",
    "common",
    "misc",
}
# Put together here, so that this file does not have what it looks for.
ELSEWHERE = ("/" + "work/", "/home" + "/", "/root/" + ".", "/Users" + "/")
REGISTRIES = tuple(
    ".".join(name)
    for name in (
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("proxy", "golang", "org"),
    )
)


def _git(*arguments):
    command = ("git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="module")
def files():
    """Return what is, or would be, in the repository: path -> text, None for what is no text."""
    listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    found = {}
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file():
            try:
                found[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                found[name] = None
    return found


pytestmark = pytest.mark.needs("git")


def _lines(files, pattern, *suffixes, but=()):
    """Return `path:line: text` wherever a pattern stands."""
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in files.items()
        if text and name not in but and (not suffixes or name.endswith(suffixes))
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]


def test_the_top_level_has_nothing_stray(files):
    assert {name.split("/")[0] for name in files} <= TOP_LEVEL


def test_no_file_is_longer_than_the_alarm(files):
    sources = (".py", ".c", ".h", ".sh", "run")
    long = {
        name: count
        for name, text in files.items()
        if text and name.endswith(sources) and (count := len(text.splitlines())) > LONGEST
    }
    assert not long


def test_names_say_something(files):
    ours = [name for name in files if not name.startswith("dataplane/kernel/include/include/")]
    empty = [name for name in ours if set(re.split(r"[/_.-]", name.lower())) & EMPTY_NAMES]
    assert not empty


def test_no_place_of_anybodys_machine(files):
    found = _lines(files, "|".join(map(re.escape, ELSEWHERE)))
    assert not found


def test_no_registry_is_named(files):
    found = _lines(files, "|".join(map(re.escape, REGISTRIES)))
    assert not found


def test_nothing_sleeps(files):
    rules = ("pyproject.toml", "tests/house/test_rules.py")
    pattern = r"\b(time|asyncio)\.sleep\b|from (time|asyncio) import .*\bsleep\b|^\s*sleep \d"
    assert not _lines(files, pattern, ".py", ".sh", "run", but=rules)


def test_no_task_is_lost(files):
    assert not _lines(files, r"\b(asyncio|loop)\.(create_task|ensure_future)\(", ".py")


def test_no_shell_strings(files):
    assert not _lines(
        files, r"shell=True|os\.system\(|create_subprocess_shell", ".py", but=(RULES,)
    )


RULES = "tests/house/test_rules.py"


def test_every_silenced_warning_has_a_reason(files):
    silenced = r"#\s*(noqa|type:\s*ignore|pragma:|mypy:)"
    reasoned = r"#\s*(noqa: [A-Z0-9, ]+|type:\s*ignore\[[\w, -]+\]|pragma: [\w ]+)\s+[-#] \S"
    found = [
        line
        for line in _lines(files, silenced, ".py", but=(RULES,))
        if not re.search(reasoned, line)
    ]
    assert not found


def test_ebpf_sources_say_their_licence(files):
    sources = [name for name in files if name.endswith((".c", ".h"))]
    assert sources
    wanted = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
    assert not [name for name in sources if wanted not in "\n".join(files[name].splitlines()[:3])]


def test_links_between_documents_lead_somewhere(files):
    dead = [
        f"{name}: {target}"
        for name, text in files.items()
        if text and name.endswith(".md")
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
        if not ((ROOT / name).parent / target).exists()
    ]
    assert not dead


def test_every_check_has_its_test_and_a_scenario_that_breaks_it(files):
    names = [m.name for m in pkgutil.iter_modules(dataplane.checks.__path__) if not m.ispkg]
    assert names
    untested = [name for name in names if f"tests/unit/checks/test_{name}.py" not in files]
    assert not untested
    broken = {
        check
        for name in scenarios.names()
        for check, wanted in scenarios.load(name).expect.items()
        if wanted.state == "broken" and wanted.subjects
    }
    assert broken >= {check.name for check in dataplane.checks.checks()}


def test_every_fault_is_used_by_a_scenario():
    used = {fault for name in scenarios.names() for fault in scenarios.load(name).faults}
    names = {m.name.replace("_", "-") for m in pkgutil.iter_modules(labs.faults.__path__)}
    assert names
    assert names <= used


def test_every_probe_has_its_program_and_its_test(files):
    programs = {Path(name).stem for name in files if re.fullmatch(r"probes/bpf/\w+\.c", name)}
    modules = {m.name for m in pkgutil.iter_modules(probes.__path__) if not m.ispkg}
    assert programs
    assert programs <= modules
    assert not [name for name in programs if f"tests/bpf/test_{name}.py" not in files]


def test_the_version_is_said_once_and_everywhere(files):
    headings = re.findall(r"^## \[?([^\]\s]+)\]?", files["CHANGELOG.md"], re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = [heading for heading in headings if heading != "Unreleased"]
    assert not released or dataplane.__version__ >= released[0]
    assert not _lines(files, r"__version__ = ", ".py", but=("dataplane/__init__.py", RULES))


def test_the_lock_holds_everything_that_is_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, dev = (_pins(name) for name in ("runtime", "dev"))
    extras = project["optional-dependencies"]
    asked = {_name(wish) for wish in [*project["dependencies"], *extras["lab"]]}
    assert asked <= runtime
    assert {_name(wish) for wish in extras["dev"]} <= runtime | dev
    assert not runtime & dev
    # Foreign projects have these names; BCC is the distribution's.
    assert not {"bcc", "dataplane", "labs", "probes"} & (runtime | dev)


def _pins(name):
    lines = (ROOT / ".lock" / f"{name}.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    return {_name(pin) for pin in pins}


def _name(wish):
    return re.match(r"[\w.-]+", wish)[0].lower().replace("_", "-")


def test_the_workflow_only_calls_run(files):
    (name,) = [name for name in files if name.startswith(".github/workflows/")]
    workflow = yaml.safe_load(files[name])
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"].startswith("ubuntu-")
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
            else:
                words = step["run"].split()
                assert words[0] == "sudo"
                command = next(word for word in words[1:] if "=" not in word)
                assert command == "./run"
                assert not set("|&;<>$`\n") & set(step["run"].strip())


def test_bcc_is_the_distributions():
    where = importlib.util.find_spec("bcc")
    assert where is None or "dist-packages" in (where.origin or "")
