"""A lab that stays: one process per run that owns it, and the requests that others may make of it.

`up` starts the supervisor detached (own session, own control group) and waits until the lab stands;
`status`, `command` and `down` talk to it through RUN/control, a socket of mode 0600 that speaks
JSON lines. eBPF links, servers and translators die with their owner, so this is who they die with.
"""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import labs
from dataplane.kernel import cgroup
from dataplane.kernel.process import Placement
from dataplane.model.errors import LabFailedError, UnsupportedError
from dataplane.model.topology import Topology
from labs import control
from labs.build import Lab
from labs.claim import Manifest, is_alive
from labs.control import NoSuchRunError
from labs.site import RUN_NAME, RUNS, checked
from labs.sweep import sweep

BUILD = 120.0  # seconds that building may take
DOWN = 30.0  # seconds that taking down may take
ANSWER = 5.0  # seconds for any other answer
KEEP = b"keep\n"  # what the starter says when it has seen that the lab stands
TOPOLOGY: TypeAdapter[Topology] = TypeAdapter(Topology)
PLACEMENT: TypeAdapter[Placement] = TypeAdapter(Placement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a supervisor says of its lab; `seconds` is how long it has been up."""

    run: str
    pid: int
    seconds: float
    directory: str
    namespaces: dict[str, str]
    programs: tuple[str, ...]
    casualties: tuple[str, ...]


def up(
    topology: Topology, *, run: str, directory: Path | None = None, seconds: float = BUILD
) -> Status:
    """Build a lab that stays after this process has gone, and return its status.

    LabFailedError or UnsupportedError, in the supervisor's own words, when it cannot be built; then
    nothing of it is left. `run` has to be new; ValueError when it is no name.
    """
    checked(run, RUN_NAME)
    place = directory or RUNS / run
    ours, theirs = socket.socketpair()
    with ours:
        try:
            with theirs:
                _start(topology, run, place, theirs, seconds)
            _hear(ours, run, seconds)
            found = status(run, directory=place)
            ours.sendall(KEEP)
        except BaseException:
            # Nobody will know of it: it goes down, and this waits until it has.
            ours.shutdown(socket.SHUT_WR)
            ours.settimeout(DOWN)
            with suppress(OSError):
                while ours.recv(control.LONGEST):
                    pass
            raise
    return found


def status(run: str, *, directory: Path | None = None) -> Status:
    """Ask a run how it is; NoSuchRunError when nobody answers."""
    said = control.ask(directory or RUNS / run, {"do": "status"}, seconds=ANSWER)
    return TypeAdapter(Status).validate_python(said)


def runs(directory: Path = RUNS) -> tuple[str, ...]:
    """Return the names of the runs that have a supervisor."""
    if not directory.is_dir():
        return ()
    return tuple(sorted(p.name for p in directory.iterdir() if (p / control.NAME).exists()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A lab of a supervisor, as one that is driven: what `labs.drive` asks of it."""

    run: str
    topology: Topology
    namespaces: dict[str, str]
    directory: Path | None = None

    def namespace(self, member: str) -> str:
        """Return the mounted name of a member's network namespace; KeyError when there is none."""
        return self.namespaces[member]

    def placement(self, member: str) -> Placement:
        """Return where a client in this member runs; KeyError when there is none."""
        return _placement(self.run, member, self.directory)


def standing(run: str, *, directory: Path | None = None) -> Standing:
    """Ask a run what it is made of; NoSuchRunError when nobody answers."""
    place = directory or RUNS / run
    said = control.ask(place, {"do": "topology"}, seconds=ANSWER)
    return Standing(
        run=run,
        topology=TOPOLOGY.validate_python(said["topology"]),
        namespaces=status(run, directory=directory).namespaces,
        directory=directory,
    )


def command(
    run: str, member: str, argv: Sequence[str], *, directory: Path | None = None
) -> list[str]:
    """Return the command that runs `argv` inside a pod, for `os.execv` or `subprocess`.

    It enters namespace, control group and the cluster's name resolution by itself, so the caller's
    terminal, descriptors and signals stay the program's own. `down` ends it: it is in the pod's
    control group. KeyError when the run has no such member.
    """
    return _placement(run, member, directory).command(argv)


def _placement(run: str, member: str, directory: Path | None) -> Placement:
    said = control.ask(directory or RUNS / run, {"do": "place", "member": member}, seconds=ANSWER)
    if "unknown" in said:
        raise KeyError(member)
    return PLACEMENT.validate_python(said)


def execute(run: str, member: str, argv: Sequence[str], *, directory: Path | None = None) -> int:
    """Run `argv` inside a pod on this process' own standard streams; return its exit code.

    128 plus the signal's number when a signal ended it, as shells have it. SIGINT goes to the
    program alone.
    """
    child = subprocess.Popen(command(run, member, argv, directory=directory))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def down(run: str, *, directory: Path | None = None, seconds: float = DOWN) -> None:
    """Take a run down; when this returns nothing of it is left, whatever state it was in.

    A supervisor that does not do it in time is killed, and what it leaves is swept.
    NoSuchRunError when there is no such run.
    """
    place = directory or RUNS / run
    if not place.is_dir():
        raise NoSuchRunError(run, f"there is none in {place.parent}")
    try:
        control.ask(directory or RUNS / run, {"do": "down"}, seconds=seconds, until_end=True)
    except NoSuchRunError:
        _kill(place)
    if place.is_dir():
        sweep(place.parent, run=place.name)


class Supervisor:
    """Owns a lab and answers requests until one of them, or a signal, ends it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._since = time.monotonic()
        self._ended = asyncio.Event()
        self._waiting: list[asyncio.StreamWriter] = []

    async def serve(self, report: socket.socket) -> None:
        """Listen, tell the starter that the lab stands, and answer until the end.

        It ends at once when the starter has gone meanwhile, interrupted or killed.
        """
        before = os.umask(0o177)
        try:
            path = str(self._lab.directory / control.NAME)
            server = await asyncio.start_unix_server(self._answer, path, limit=control.LONGEST)
        finally:
            os.umask(before)
        try:
            if control.say(report, {"ready": True}) and await _kept(report):
                await self._ended.wait()
        finally:
            # Not `async with`: that waits for the connections, and those who asked for the end wait.
            server.close()

    async def farewell(self) -> None:
        """Tell those who asked for the end that it has come."""
        for writer in self._waiting:
            await control.reply(writer, {"down": True})

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            if request["do"] == "down":
                self._waiting.append(writer)
                self._ended.set()
                return
            said = self._said(request)
        except (ValueError, KeyError, TypeError) as failure:
            said = {"failed": control.described(failure)}
        await control.reply(writer, said)

    def _said(self, request: dict[str, Any]) -> dict[str, Any]:
        lab = self._lab
        if request["do"] == "status":
            members = [member.name for member in lab.topology.namespaces]
            return {
                "run": lab.run,
                "pid": os.getpid(),
                "seconds": time.monotonic() - self._since,
                "directory": str(lab.directory),
                "namespaces": {member: lab.namespace(member) for member in members},
                "programs": [running.name for running in lab.running],
                "casualties": list(lab.casualties()),
            }
        if request["do"] == "topology":
            return {"topology": TOPOLOGY.dump_python(lab.topology, mode="json")}
        if request["do"] == "place":
            try:
                place = lab.placement(request["member"])
            except KeyError:
                return {"unknown": request["member"]}
            found: dict[str, Any] = PLACEMENT.dump_python(place, mode="json")
            return found
        raise ValueError(f"unknown request {request['do']!r}")


async def supervise(topology: Topology, run: str, directory: Path, report: socket.socket) -> None:
    """Build the lab, serve it, take it down; a signal at any instant takes it down as well."""
    _cancelled_by_signals()
    group = cgroup.of_process(os.getpid())
    supervisor: Supervisor | None = None
    try:
        async with Lab(topology, run=run, directory=directory) as lab:
            own = lab.site.cgroup / "supervisor"
            own.mkdir()
            _move(own)
            try:
                await lab.lease()
                _keep_log(lab.directory / "supervisor.log")
                supervisor = Supervisor(lab)
                await supervisor.serve(report)
            finally:
                _move(group)  # everything in the run's subtree is about to be killed
    except (LabFailedError, UnsupportedError, OSError, ValueError) as failure:
        control.say(report, {"failed": control.described(failure)})
    if supervisor is not None:
        await supervisor.farewell()


def main(arguments: list[str]) -> None:
    """Be the supervisor of a run (`python -m labs.supervisor RUN DIRECTORY DESCRIPTOR`)."""
    run, directory, descriptor = arguments
    topology = TOPOLOGY.validate_json(sys.stdin.buffer.read())
    if os.fork():
        os._exit(0)  # whoever started this is nobody's parent any more, and waits for nobody
    # Closed by nothing but the end of this process: that is how its starter sees the end.
    report = socket.socket(fileno=os.dup(int(descriptor)))
    with report, suppress(asyncio.CancelledError):
        asyncio.run(supervise(topology, run, Path(directory), report))


async def _kept(report: socket.socket) -> bool:
    report.settimeout(0)
    with suppress(OSError):
        return bool(await asyncio.get_running_loop().sock_recv(report, len(KEEP)))
    return False


def _start(
    topology: Topology, run: str, place: Path, report: socket.socket, seconds: float
) -> None:
    """Start a supervisor that is nobody's child; LabFailedError when it does not even begin."""
    with tempfile.TemporaryFile() as words:
        starter = subprocess.run(
            [sys.executable, "-m", __name__, run, str(place), str(report.fileno())],
            input=TOPOLOGY.dump_json(topology),
            stdout=words,
            stderr=words,
            pass_fds=(report.fileno(),),
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(Path(labs.__file__).parent.parent)},
            timeout=seconds,
            check=False,
        )
        if starter.returncode:
            words.seek(0)
            tail = words.read().decode(errors="replace").strip().splitlines()[-4:]
            raise LabFailedError(run, "the supervisor", stderr="\n".join(tail))


def _hear(report: socket.socket, run: str, seconds: float) -> None:
    """Wait for a supervisor's first words; raise what they say went wrong."""
    said = control.read_line(report, time.monotonic() + seconds)
    if not said:
        raise LabFailedError(run, "the supervisor", stderr=f"no word within {seconds:g} s")
    if "failed" in said:
        raise control.error_of(said["failed"])


def _cancelled_by_signals() -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def cancel() -> None:
        for number in numbers:  # a second one would disturb the taking down
            loop.add_signal_handler(number, lambda: None)
        if task is not None:
            task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, cancel)


def _keep_log(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)


def _move(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _kill(place: Path) -> None:
    """Kill a supervisor that does not answer; only one that holds the run's lock."""
    manifest = Manifest.read(place)
    if manifest is None or not is_alive(place):
        return
    try:
        handle = os.pidfd_open(manifest.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(place):  # still: so the descriptor is its owner's, not a newcomer's
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], ANSWER)
    finally:
        os.close(handle)


if __name__ == "__main__":
    main(sys.argv[1:])
