"""Capabilities, promises and the machine as before: the rules that every test lives under."""

import os
import secrets
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import capabilities, machine, resume
from tests.runs import built_programs, once, shared, with_programs  # noqa: F401 - fixtures

# A busy machine is slow, which is no fault of what is tested. Thirty examples find what is easily
# found and keep the pure tests quick; `--long` looks for the rest.
settings.register_profile(
    "quick",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("long", settings.get_profile("quick"), max_examples=300)

STATE = pytest.StashKey[machine.State]()
PROMISED = pytest.StashKey[frozenset[str]]()
NOTE = pytest.StashKey[str]()
DONE_BEFORE = pytest.StashKey[frozenset[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sixscope")
    group.addoption(
        "--must-have",
        default="",
        metavar="A,B,...",
        help="capabilities that this machine promises: a test fails, not skips, when one is missing",
    )
    group.addoption(
        "--failed-stage",
        action="append",
        default=[],
        metavar="NAME",
        help="a stage of the check that failed before pytest ran: the summary counts it as an error",
    )
    group.addoption("--long", action="store_true", help="run the long tests as well")


def _catch_what_is_ignored() -> None:
    """Do nothing about signals that are ignored, rather than ignore them.

    Whoever started this may have had them ignored (`nohup`, a script's `&`). Programs inherit that,
    and then end at no signal that a test sends them; what is caught, they do not inherit.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


def pytest_configure(config: pytest.Config) -> None:
    _catch_what_is_ignored()
    settings.load_profile("long" if config.getoption("--long") else "quick")
    words: str = config.getoption("--must-have")
    promised: frozenset[str] = frozenset(filter(None, words.split(",")))
    unknown = promised - capabilities.PROBES.keys()
    if unknown:
        known = ", ".join(sorted(capabilities.PROBES))
        raise pytest.UsageError(
            f"--must-have: no capability is called {', '.join(sorted(unknown))}; there are {known}"
        )
    config.stash[PROMISED] = promised
    given = _from_controller(config)
    config.stash[DONE_BEFORE] = frozenset(given["done before"] if given else ())
    if given is not None:
        return
    os.environ[machine.TOKEN] = secrets.token_hex(3)
    if config.getoption("--long"):
        page = resume.page()
        config.stash[DONE_BEFORE] = resume.passed(page)
        config.pluginmanager.register(_Record(page))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["done before"] = sorted(node.config.stash[DONE_BEFORE])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        unknown = _needs(item) - capabilities.PROBES.keys()
        if unknown:
            raise pytest.UsageError(f"{item.nodeid}: needs unknown capabilities: {sorted(unknown)}")
    done_before = config.stash[DONE_BEFORE]
    left_out = [
        item
        for item in items
        if item.get_closest_marker("long")
        and (not config.getoption("--long") or resume.name(item.nodeid) in done_before)
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


class _Record:
    """Writes down which long tests passed: in the controller, where all workers' reports arrive."""

    def __init__(self, page: Path) -> None:
        self.page = page

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed and "long" in report.keywords:
            resume.write_down(self.page, report.nodeid)


def pytest_runtest_setup(item: pytest.Item) -> None:
    lacking = {name: why for name in sorted(_needs(item)) if (why := capabilities.missing(name))}
    if not lacking:
        return
    reasons = "; ".join(f"{name}: {why}" for name, why in lacking.items())
    promised = item.config.stash[PROMISED]
    if lacking.keys() & promised:
        pytest.fail(f"promised by --must-have but missing: {reasons}", pytrace=False)
    pytest.skip(reasons)


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a directory with a path so short that sockets fit in it (unix(7): 108 octets)."""
    with TemporaryDirectory(prefix="sx-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def prefix(worker_id: str) -> str:
    """Return how names of this session's namespaces, interfaces and tables begin (<= 12 octets)."""
    worker = worker_id.removeprefix("gw").replace("master", "")
    return f"sx-{os.environ[machine.TOKEN][:4]}{worker}-"


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count()


@pytest.fixture
def unique(prefix: str, _numbers: Iterator[int]) -> str:
    """Return a name that no other test has, for a namespace, an interface or a run (<= 15 octets)."""
    return f"{prefix}{next(_numbers)}"


def pytest_sessionstart(session: pytest.Session) -> None:
    if _from_controller(session.config) is None:
        session.config.stash[STATE] = machine.state()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare the machine with what it was, when all workers have gone and before the summary."""
    config = session.config
    if STATE not in config.stash:
        return
    token = os.environ[machine.TOKEN]
    alive = machine.wait_for_end(machine.processes(token), seconds=5)
    machine.end(alive)
    ours = [f"process left behind: {pid} {command}" for pid, command in alive.items()]
    found = machine.differences(config.stash[STATE], machine.state())
    strangers = machine.strangers(token)
    # A name that carries our token is ours; any other may be that of somebody else's lab.
    foreign = [words for words in found if strangers and f"sx-{token[:4]}" not in words]
    ours += [words for words in found if words not in foreign]
    if foreign:
        config.stash[NOTE] = (
            f"{len(foreign)} differences of the machine are not judged ({foreign[0]}, ...), "
            f"because others work here: {next(iter(strangers.values()))}"
        )
    promised = config.stash[PROMISED]
    ours += [
        f"promised by --must-have but missing: {name}: {why}"
        for name in sorted(promised)
        if (why := capabilities.missing(name))
    ]
    if ours:
        _report(session, "the machine as before", "\n".join(ours))
    for stage in config.getoption("--failed-stage"):
        _report(session, f"stage: {stage}", "failed before pytest ran: see above")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    config = terminalreporter.config
    if config.stash[DONE_BEFORE]:
        count = len(config.stash[DONE_BEFORE])
        terminalreporter.write_line(
            f"note: {count} long tests passed before, with these very sources"
        )
    if NOTE in config.stash:
        terminalreporter.write_line(f"note: {config.stash[NOTE]}")


def _report(session: pytest.Session, name: str, words: str) -> None:
    """Make the session fail with an error of its own in the summary."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        report = pytest.TestReport(
            nodeid=name,
            location=("tests/conftest.py", None, name),
            keywords={},
            outcome="failed",
            longrepr=words,
            when="teardown",
        )
        reporter.stats.setdefault("error", []).append(report)
    session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _needs(item: pytest.Item) -> set[str]:
    return {name for marker in item.iter_markers("needs") for name in marker.args}


def _from_controller(config: pytest.Config) -> dict[str, Any] | None:
    """Return what a worker of xdist was given; None in the process that the user started."""
    return getattr(config, "workerinput", None)
