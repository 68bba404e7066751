"""What the lab asks of a DNS server, and what all of them have in common."""

import asyncio
import errno
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from dataplane.kernel import netns
from dataplane.kernel.process import Placement, Process, find
from dataplane.model.address import Address
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import ResolverSpec
from dataplane.rules import rfc1035
from labs.site import Site

PORT = 53
READY = 30.0  # seconds, on a machine that is busy with other things
ASK = 0.2  # seconds for one answer of a server that is just starting
WARM = 1.0  # seconds for the first name
# Seconds for an answer about itself: BIND gives three a second, and to those who ask faster, none.
PATIENT = 1.0


class Server(Protocol):
    """A recursive resolver with DNS64 (RFC 6147)."""

    @property
    def name(self) -> str:
        """Return what `ResolverSpec.server` calls it."""

    def available(self) -> UnsupportedError | None:
        """Return why this machine cannot run it, None when it can."""

    async def start(self, spec: ResolverSpec, site: Site) -> Process:
        """Start it; returns when it answers."""


def missing(program: str, *, package: str) -> UnsupportedError | None:
    """Return the error for a program that is not installed, None when it is."""
    try:
        find(program, package=package)
    except UnsupportedError as error:
        return error
    return None


def unconfined(program: str, place: Placement, directory: Path) -> tuple[str, Placement]:
    """Return the program under a path of the run's own, and the placement that shows it there.

    Distributions ship AppArmor profiles for `named` and `unbound` that allow the distribution's
    directories only. A profile is chosen by the program's path, so the same file, bound over an
    empty one, is free to read the run's directory; nothing on the machine is changed, and
    /run may be mounted noexec, because a bind mount keeps the flags of where it comes from.
    """
    mask = directory / Path(program).name
    mask.touch(mode=0o700)
    binds = (*place.binds, (Path(program), mask))
    return str(mask), Placement(netns=place.netns, cgroup=place.cgroup, binds=binds)


async def answering(
    process: Process, namespace: str, listen: Sequence[Address], *, zones: Sequence[str] = ()
) -> Process:
    """Wait until a server answers on each of its addresses, and return it; stop it if it does not.

    It is asked for the SOA of the zones it serves itself: a server listens before it has read its
    zones, and says SERVFAIL. Where it has none it is asked for `version.bind`, which it answers
    without anybody's help.
    """
    try:
        for address in listen:
            with netns.call(namespace, _connected, address) as channel:
                for zone in zones:
                    served = _Question(channel, zone, "SOA").ask_for_sure
                    await process.ready(served, seconds=READY, what=f" on {address} for {zone}")
                if not zones:
                    version = _Question(channel, "version.bind", "TXT", class_=rfc1035.CHAOS)
                    patiently = partial(version.ask, seconds=PATIENT)
                    await process.ready(patiently, seconds=READY, what=f" on {address}")
    except BaseException:
        await process.stop()
        raise
    return process


async def warm(namespace: str, listen: Sequence[Address], name: str) -> bool:
    """Ask a resolver for a name on each of its addresses, so that the first client need not wait.

    Return whether all were answered. When one is not, that is for the clients to find out: the lab
    may have been built so.
    """
    answered = True
    for address in listen:
        with netns.call(namespace, _connected, address) as channel:
            answered &= await _Question(channel, name, "SOA").ask(seconds=WARM)
    return answered


class _Question:
    def __init__(
        self, channel: socket.socket, name: str, type_: str, *, class_: int = rfc1035.IN
    ) -> None:
        self._channel = channel
        self._identifier = secrets.randbits(16)
        self._question = rfc1035.query(self._identifier, name, type_, class_=class_)

    async def ask(self, *, seconds: float = ASK) -> bool:
        """Return whether an answer came in time, whatever it says."""
        return await self._answer(seconds) is not None

    async def ask_for_sure(self) -> bool:
        """Return whether an answer came in time that is no error."""
        found = await self._answer(ASK)
        return found is not None and found.rcode == "NOERROR"

    async def _answer(self, seconds: float) -> rfc1035.Answer | None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._channel, readable.set)
        try:
            self._channel.send(self._question)
            # Not sock_recv: given up while it has an answer in hand, it loses that, and who asks
            # BIND about itself too often is not answered any more.
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while (found := self._come()) is None:
                        await readable.wait()
                        readable.clear()
                    return found
            return self._come()
        except OSError as failure:
            # Nobody listens yet, and the kernel says so.
            if failure.errno == errno.ECONNREFUSED:
                return None
            raise
        finally:
            loop.remove_reader(self._channel)

    def _come(self) -> rfc1035.Answer | None:
        """Return the answer that has come already, None when none has."""
        while True:
            try:
                message = self._channel.recv(4096)
            except BlockingIOError:
                return None
            found = rfc1035.answer(message, self._identifier, self._question)
            if found is not None:
                return found


def _connected(address: Address) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    channel = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    channel.connect((str(address), PORT))
    return channel
