"""Labs that stay: brought up, asked, entered, and taken down by processes that come and go."""

import os
import select
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from dataplane.kernel import cgroup
from dataplane.model.errors import LabFailedError, UnsupportedError
from dataplane.model.topology import Ruleset
from labs import control, supervisor
from labs.site import RUNS, Site, cgroup_name
from tests.netns.lab.leftovers import gone, left_of, members
from tests.netns.lab.world import world

pytestmark = pytest.mark.needs("root", "netns", "nft", "tun", "tayga", "bind", "cgroup2")


@pytest.fixture
def standing(run):
    """A lab that is up under a supervisor."""
    status = supervisor.up(world(pods=2), run=run)
    yield status
    if (RUNS / run).exists():
        supervisor.down(run)


def _inside(run, *argv, member="pod-0", **more):
    command = supervisor.command(run, member, argv)
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def test_it_says_how_it_is(run, standing):
    assert standing.run == run
    assert standing.namespaces["pod-0"] == f"sx-{run}-pod-0"
    assert {"authority", "resolver", "tayga-nat64-gateway"} < set(standing.programs)
    assert standing.casualties == ()
    assert run in supervisor.runs()
    assert supervisor.status(run).pid == standing.pid
    assert os.getsid(standing.pid) != os.getsid(0), "a session of its own"
    control = (RUNS / run / "control").stat().st_mode
    assert stat.S_ISSOCK(control)
    assert stat.S_IMODE(control) == 0o600


@pytest.mark.usefixtures("standing")
def test_it_says_what_died(run):
    lab_pids = members(_cgroup(run, "gateway-nat64"))
    for pid in lab_pids:
        os.kill(pid, signal.SIGKILL)
    # The supervisor learns of it by its own wait; asking is what a user would do.
    for _ in range(1000):
        if supervisor.status(run).casualties:
            break
    assert supervisor.status(run).casualties == ("tayga-nat64-gateway",)


@pytest.mark.usefixtures("standing")
def test_a_command_runs_inside(run):
    assert _inside(run, "cat", "/proc/self/cgroup").stdout.strip().endswith(f"sixscope-{run}/pod-0")
    link = _inside(run, "cat", "/sys/class/net/lo/operstate")
    assert link.returncode == 0
    resolver = _inside(run, "cat", "/etc/resolv.conf").stdout
    assert "nameserver fd00:5e::a" in resolver
    name = _inside(run, "getent", "ahostsv6", "v4only.internet.test")
    assert "64:ff9b:1::c633:6404" in name.stdout
    echoed = _inside(run, "cat", input="through standard input")
    assert echoed.stdout == "through standard input"
    with pytest.raises(KeyError):
        supervisor.command(run, "pod-99", ["true"])


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["no-such-program"], 127),
        (["/etc/passwd"], 126),
    ],
)
def test_exit_codes_are_those_of_a_shell(run, argv, code):
    assert supervisor.execute(run, "pod-0", argv) == code


@pytest.mark.usefixtures("standing")
def test_taking_down_ends_what_runs_inside(run):
    with subprocess.Popen(supervisor.command(run, "pod-0", ["sleep", "1000"])) as child:
        while child.pid not in members(_cgroup(run, "pod-0")):
            assert child.poll() is None
        supervisor.down(run)
        assert child.wait(5) == -signal.SIGKILL
    assert left_of(run) == []
    with pytest.raises(supervisor.NoSuchRunError, match=run):
        supervisor.down(run)
    with pytest.raises(supervisor.NoSuchRunError, match=run):
        supervisor.status(run)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_takes_it_down(run, standing, number):
    handle = os.pidfd_open(standing.pid)
    os.kill(standing.pid, number)
    _wait(handle)
    assert left_of(run) == []


def test_down_cleans_up_after_a_killed_supervisor(run, standing):
    handle = os.pidfd_open(standing.pid)
    os.kill(standing.pid, signal.SIGKILL)
    _wait(handle)
    with pytest.raises(supervisor.NoSuchRunError, match="its supervisor has gone"):
        supervisor.status(run)
    supervisor.down(run)
    assert left_of(run) == []


def test_down_kills_a_supervisor_that_does_not_answer(run, standing):
    os.kill(standing.pid, signal.SIGSTOP)
    supervisor.down(run, seconds=0.2)
    assert left_of(run) == []


def test_up_says_why_it_failed(run):
    broken = replace(world(pods=1), rulesets=(Ruleset(namespace="pod-0", text="nonsense"),))
    with pytest.raises(LabFailedError, match=r"pod-0.*nft.*syntax error"):
        supervisor.up(broken, run=run)
    assert left_of(run) == []
    magic = world(pods=1)
    magic = replace(magic, resolver=replace(magic.resolver, server="magic"))
    with pytest.raises(UnsupportedError, match="DNS64 server magic"):
        supervisor.up(magic, run=run)
    with pytest.raises(ValueError, match="not a name"):
        supervisor.up(world(pods=1), run="No Name", directory=RUNS / run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("seed", range(4))
def test_a_starter_that_is_interrupted_leaves_nothing(run, number, seed):
    script = (
        "import sys\n"
        "from labs import supervisor\n"
        "from tests.netns.lab.world import world\n"
        "topology = world(pods=6)\n"
        "print('go', flush=True)\n"
        "supervisor.up(topology, run=sys.argv[1])\n"
        "print('up', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, run],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    ) as starter:
        assert starter.stdout.readline() == b"go\n", starter.stderr.read().decode()
        with suppress(subprocess.TimeoutExpired):
            starter.wait(Random(seed).uniform(0, 0.8))
        starter.send_signal(number)
        said, _ = starter.communicate(timeout=30)
    if b"up" in said:  # it was faster
        supervisor.down(run)
    elif number == signal.SIGKILL:
        assert gone(lambda: left_of(run)), "the supervisor notices by itself"


def test_up_refuses_a_run_that_is_there(run, standing):
    with pytest.raises(LabFailedError, match="exists: choose another name"):
        supervisor.up(world(pods=1), run=run)
    assert supervisor.status(run).pid == standing.pid


def test_nonsense_on_the_socket_is_answered_and_forgotten(run, standing):
    with pytest.raises(LabFailedError, match="unknown request"):
        control.ask(RUNS / run, {"do": "dance"}, seconds=5)
    with pytest.raises(LabFailedError):
        control.ask(RUNS / run, {"please": "status"}, seconds=5)
    assert supervisor.status(run).pid == standing.pid


def _cgroup(run, member):
    site = Site(run=run, directory=RUNS / run, cgroup=cgroup.root() / cgroup_name(run))
    return site.cgroup_of(member)


def _wait(handle):
    assert select.select([handle], [], [], 20)[0], "it did not end"
    os.close(handle)
