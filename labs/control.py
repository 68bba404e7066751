"""What is said on a run's control socket: one JSON line asks, one answers, errors keep their kind."""

import asyncio
import json
import os
import select
import socket
import struct
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from dataplane.model.errors import LabFailedError, UnsupportedError
from labs.claim import is_alive

NAME = "control"  # of the socket, in the run's directory
LONGEST = 1 << 16  # octets of a line
END = 5.0  # seconds that a supervisor takes to exit when all is done


class NoSuchRunError(Exception):
    """There is no run of that name that could answer."""

    def __init__(self, run: str, why: str) -> None:
        self.run = run
        super().__init__(f"run {run}: {why}")


def ask(
    place: Path,
    request: dict[str, Any],
    *,
    seconds: float,
    until_end: bool = False,
) -> dict[str, Any]:
    """Ask the supervisor in a run's directory, and return its answer.

    `until_end` waits for its process to end as well. NoSuchRunError when nobody answers in time;
    whatever it says went wrong is raised here, as what it was there.
    """
    run = place.name
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        channel = stack.enter_context(socket.socket(socket.AF_UNIX))
        try:
            channel.connect(str(place / NAME))
            handle = os.pidfd_open(_peer(channel)) if until_end else None
            if handle is not None:
                stack.callback(os.close, handle)
            channel.sendall(json.dumps(request).encode() + b"\n")
            said = read_line(channel, end)
        except OSError as failure:
            why = f"no answer ({failure})" if is_alive(place) else "its supervisor has gone"
            raise NoSuchRunError(run, why) from failure
        if not said:
            raise NoSuchRunError(run, f"no answer within {seconds:g} s")
        if handle is not None:
            select.select([handle], [], [], END)
    if "failed" in said:
        raise error_of(said["failed"])
    return said


def _peer(channel: socket.socket) -> int:
    """Return the process that listens at the other end (unix(7), SO_PEERCRED)."""
    pid, _, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


def read_line(channel: socket.socket, end: float) -> dict[str, Any]:
    """Read one JSON line; an empty object when the other side ends, or the time, before it came."""
    line = b""
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0:
            return {}
        channel.settimeout(left)
        try:
            data = channel.recv(LONGEST)
        except TimeoutError:
            return {}
        if not data:
            return {}
        line += data
    found: dict[str, Any] = json.loads(line)
    return found


def say(report: socket.socket, said: dict[str, Any]) -> bool:
    """Say a line on a socket; return whether its other end is still there."""
    try:
        report.sendall(json.dumps(said).encode() + b"\n")
    except OSError:
        return False
    return True


async def reply(writer: asyncio.StreamWriter, said: dict[str, Any]) -> None:
    """Answer a request and close its connection."""
    with suppress(ConnectionError):
        writer.write(json.dumps(said).encode() + b"\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


def described(failure: Exception) -> dict[str, str]:
    """Return an error as what can be said of it."""
    if isinstance(failure, LabFailedError):
        return {
            "kind": "lab",
            "namespace": failure.namespace,
            "command": failure.command,
            "stderr": failure.stderr,
            "log": "",  # it went with the run's directory
        }
    if isinstance(failure, UnsupportedError):
        return {
            "kind": "unsupported",
            "what": failure.what,
            "needs": failure.needs,
            "found": failure.found,
        }
    return {"kind": "other", "message": f"{type(failure).__name__}: {failure}"}


def error_of(said: dict[str, str]) -> Exception:
    """Return the error that `described` was made of."""
    if said["kind"] == "lab":
        return LabFailedError(said["namespace"], said["command"], stderr=said["stderr"])
    if said["kind"] == "unsupported":
        return UnsupportedError(said["what"], needs=said["needs"], found=said["found"])
    return LabFailedError("lab", "the supervisor", stderr=said["message"])
