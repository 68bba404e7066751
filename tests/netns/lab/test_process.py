"""Processes: where they run, when they are ready, how they end."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from dataplane.kernel import cgroup, netns
from dataplane.kernel.process import Placement, Process, find, run
from dataplane.model.errors import LabFailedError, UnsupportedError
from tests.netns.lab.leftovers import members

pytestmark = pytest.mark.needs("root", "netns")


@pytest.fixture
def namespace(unique):
    netns.create(unique)
    yield unique
    netns.remove(unique)


@pytest.fixture
def group(unique):
    path = cgroup.create(f"sixscope-{unique}")
    yield path
    cgroup.remove(path)
    assert not path.exists()


async def _started(tmp_path, script, place=Placement(), **more):  # noqa: B008 - a frozen value
    return await Process.start(
        "test", [sys.executable, "-c", script], place, log=tmp_path / "log", **more
    )


async def _ended(process):
    async def over():
        return process.returncode is not None

    with suppress(LabFailedError):
        await process.ready(over, seconds=10)


@pytest.mark.needs("cgroup2")
async def test_it_runs_where_it_is_put(tmp_path, namespace, group):
    shown = tmp_path / "shown"
    shown.write_text("only here")
    hidden = tmp_path / "hidden"
    hidden.write_text("what it really says")
    place = Placement(netns=netns.path(namespace), cgroup=group, binds=((shown, hidden),))
    process = await _started(
        tmp_path,
        f"import os; print(os.stat('/proc/self/ns/net').st_ino); print(open('{hidden}').read())",
        place,
    )
    await _ended(process)
    inode, text = process.tail().splitlines()
    assert int(inode) == netns.path(namespace).stat().st_ino
    assert text == "only here"
    assert hidden.read_text() == "what it really says"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


@pytest.mark.needs("cgroup2")
async def test_its_control_group_knows_it(tmp_path, group):
    process = await _started(
        tmp_path,
        "import signal; print('here', flush=True); signal.pause()",
        Placement(cgroup=group),
    )

    async def said():
        return "here" in process.tail()

    await process.ready(said, seconds=10)
    assert members(group) == [process.pid]
    cgroup.kill(group)
    await _ended(process)
    assert process.returncode == -signal.SIGKILL
    assert process.died
    assert "ended -9" in str(process.failure(f"ended {process.returncode}"))


async def test_it_is_told_from_one_that_was_stopped(tmp_path):
    process = await _started(tmp_path, "import signal; signal.pause()")
    await process.stop()
    assert process.returncode == -signal.SIGTERM
    assert not process.died
    await process.stop()


async def test_one_that_will_not_end_is_killed(tmp_path):
    process = await _started(
        tmp_path,
        "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()",
    )

    async def deaf():
        return "deaf" in process.tail()

    await process.ready(deaf, seconds=10)
    await process.stop(grace=0.1)
    assert process.returncode == -signal.SIGKILL


async def test_one_that_ends_too_early_is_quoted(tmp_path):
    process = await _started(tmp_path, "print('no luck today'); raise SystemExit(3)")

    async def never():
        return False

    with pytest.raises(LabFailedError, match=r"ended 3 before it was ready.*no luck today"):
        await process.ready(never, seconds=10)


async def test_one_that_is_never_ready_is_given_up(tmp_path):
    process = await _started(tmp_path, "import signal; signal.pause()")

    async def never():
        return False

    with pytest.raises(LabFailedError, match=r"was not ready within 0\.05 s"):
        await process.ready(never, seconds=0.05)
    await process.stop()


async def test_signals_that_python_ignores_are_not_inherited(tmp_path):
    process = await Process.start(
        "test", ["grep", "SigIgn", "/proc/self/status"], Placement(), log=tmp_path / "log"
    )
    await _ended(process)
    assert process.tail().split() == ["SigIgn:", "0" * 16]


def test_it_dies_with_whoever_started_it(tmp_path):
    """Also by SIGKILL, and also when it has become another program."""
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from dataplane.kernel.process import Placement, Process\n"
        "async def main():\n"
        "    p = await Process.start('t', ['sleep', '1000'], Placement(), log=Path(sys.argv[1]))\n"
        "    print(p.pid, flush=True)\n"
        "    await asyncio.get_running_loop().create_future()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[3],
    ) as owner:
        handle = os.pidfd_open(int(owner.stdout.readline()))
        owner.kill()
    assert select.select([handle], [], [], 5)[0]
    os.close(handle)


def test_a_parent_that_is_gone_already_is_noticed():
    command = Placement().command(["true"], parent=os.getpid() + 1)
    assert subprocess.run(command, check=False).returncode == 126


def test_a_place_that_is_not_there_is_named(tmp_path):
    command = Placement(netns=tmp_path / "nowhere").command(["true"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 126
    assert str(tmp_path / "nowhere") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_program_names_its_package():
    with pytest.raises(UnsupportedError, match=r"program nosuch: needs .* package nosuch-tools"):
        find("nosuch", package="nosuch-tools")


def test_a_short_program_runs_inside(namespace):
    assert run(["cat"], namespace=namespace, given="in and out") == "in and out"
    words = run(["cat", "/proc/net/dev"], namespace=namespace)
    assert [line.split(":")[0].strip() for line in words.splitlines()[2:]] == ["lo"]
    with pytest.raises(LabFailedError, match=rf"{namespace}: sh -c .* failed: oh no"):
        run(["sh", "-c", "echo oh no >&2; exit 1"], namespace=namespace)
    with pytest.raises(LabFailedError, match="timed out"):
        run(["sleep", "60"], namespace=namespace, seconds=0.05)


def test_a_short_program_that_a_signal_to_our_group_ended_runs_again(namespace, tmp_path):
    once = tmp_path / "once"
    script = f"[ -e {once} ] && echo done && exit; : > {once}; kill -TERM $$"
    assert run(["/bin/sh", "-c", script], namespace=namespace) == "done\n"
    with pytest.raises(LabFailedError, match="failed"):
        run(["/bin/sh", "-c", "kill -TERM $$"], namespace=namespace)


async def test_starting_many_does_not_mix_them_up(tmp_path):
    async def start(number):
        return await Process.start(
            f"p{number}", ["echo", str(number)], Placement(), log=tmp_path / str(number)
        )

    processes = await asyncio.gather(*map(start, range(8)))
    for number, process in enumerate(processes):
        await _ended(process)
        assert process.tail() == str(number)


@pytest.mark.needs("cgroup2")
def test_a_hierarchy_that_nobody_mounted(tmp_path):
    """Where no cgroup2 mount is visible a detached one serves, and the groups are the same."""
    script = (
        "from dataplane.kernel import cgroup\n"
        "cgroup._visible = lambda: None\n"
        f"path = cgroup.create('sixscope-{tmp_path.name}')\n"
        "print(path)\n"
        "(path / 'cgroup.procs').write_text('0')\n"
        "print(cgroup.members(path))\n"
        "import os; print(os.getpid())\n"
        "(cgroup.root() / 'cgroup.procs').write_text('0')\n"
        "cgroup.remove(path)\n"
        "print(path.exists())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    path, found, pid, exists = done.stdout.splitlines()
    assert path.startswith("/proc/")
    assert found == f"[{pid}]"
    assert exists == "False"
