"""Drive stimuli: a few clients in every pod that has some, all pods at once."""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol

from dataplane.kernel.process import Placement
from dataplane.model.address import Family
from dataplane.model.errors import LabFailedError
from dataplane.model.stimulus import Endpoint, Outcome, Reach, Resolve, Stimulus
from dataplane.model.topology import Topology
from labs import netfilter
from labs.build import on_thread
from labs.client import PATIENCE as PROLONGED
from labs.resolution import servers_of

CLIENT = Path(__file__).with_name("client.py")
MARGIN = 60.0  # seconds beyond its stimulus' own time: a client starts late on a slow machine
ADDRESSES = 8  # more than any name of a lab has: each may take the whole timeout
CLIENTS = 5  # of one pod at once, at most
PATIENCE = 0.4  # seconds after which one more client helps out
ORDER: tuple[Family | None, ...] = (None, Family.IPV4, Family.IPV6)


class Client:
    """The client process of one pod (`labs/client.py`)."""

    def __init__(self, pod: str, child: asyncio.subprocess.Process, servers: list[str]) -> None:
        self._pod, self._child, self._servers = pod, child, servers

    async def do(self, stimulus: Stimulus) -> Outcome:
        """Have one stimulus done; LabFailedError when the client itself fails."""
        request = _request(stimulus) | {"nameservers": self._servers}
        writer, reader = self._child.stdin, self._child.stdout
        if writer is None or reader is None:
            raise AssertionError("a client is started with pipes")
        patience = stimulus.timeout * PROLONGED * ADDRESSES + MARGIN
        line = b""
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(patience):
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
        if not line:
            raise LabFailedError(
                self._pod, f"client ({stimulus.id})", stderr=await self._last_words(patience)
            )
        return _outcome(stimulus, json.loads(line))

    async def _last_words(self, patience: float) -> str:
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.kill()
        said = await self._child.stderr.read() if self._child.stderr else b""
        words = said.decode(errors="replace").strip().splitlines()[-3:]
        return "\n".join(words) or f"said nothing for {patience:g} s"


class Standing(Protocol):
    """A lab that is up, whoever it belongs to."""

    @property
    def topology(self) -> Topology:
        """Return what it was built from."""

    def namespace(self, member: str) -> str:
        """Return the mounted name of a member's network namespace."""

    def placement(self, member: str) -> Placement:
        """Return where a client in this member runs."""


@asynccontextmanager
async def client(place: Placement, pod: str, servers: Sequence[str]) -> AsyncIterator[Client]:
    """Run a client at a place while the body runs; `servers` are whom it asks for names by itself."""
    command = [sys.executable, "-I", "-S", str(CLIENT)]
    child = await asyncio.create_subprocess_exec(
        *place.command(command, parent=os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        process_group=0,  # as the servers: Ctrl-C is for us alone
    )
    try:
        yield Client(pod, child, list(servers))
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.communicate()


class Driver:
    """Drives stimuli in a lab that is up."""

    def __init__(self, lab: Standing) -> None:
        self._lab = lab

    async def drive(self, stimuli: Sequence[Stimulus]) -> list[Outcome]:
        """Drive them all and return what the clients saw, in the order of the stimuli.

        Within a pod, what wants a family blocked comes after what does not; the block is there for
        exactly these. LabFailedError when a client cannot work.
        """
        by_pod: dict[str, list[Stimulus]] = {}
        for stimulus in stimuli:
            by_pod.setdefault(stimulus.pod, []).append(stimulus)
        outcomes: dict[str, Outcome] = {}
        failed: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as pods:
                for pod, of in by_pod.items():
                    pods.create_task(self._drive_pod(pod, of, outcomes))
        except BaseExceptionGroup as failures:
            failed = failures
            while isinstance(failed, BaseExceptionGroup):
                failed = failed.exceptions[0]
        if failed is not None:
            raise failed
        return [outcomes[stimulus.id] for stimulus in stimuli]

    async def _drive_pod(
        self, pod: str, stimuli: Iterable[Stimulus], outcomes: dict[str, Outcome]
    ) -> None:
        of = {family: deque(s for s in stimuli if _blocked(s) is family) for family in ORDER}
        for family, waiting in of.items():
            if waiting:
                async with self._blocking(pod, family), asyncio.TaskGroup() as clients:
                    over = asyncio.Event()
                    for number in range(CLIENTS):
                        patience = PATIENCE * number
                        clients.create_task(self._work(pod, waiting, outcomes, over, patience))

    async def _work(
        self,
        pod: str,
        waiting: deque[Stimulus],
        outcomes: dict[str, Outcome],
        over: asyncio.Event,
        patience: float,
    ) -> None:
        """Be one client of a pod: the first begins at once, others help out when it gets long.

        Where everything answers, one client is done before a second would have started; where
        nothing does, waiting goes on side by side.
        """
        if patience:
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), patience)
        if not waiting:
            return
        servers = [str(address) for address in servers_of(self._lab.topology, pod)]
        async with client(self._lab.placement(pod), pod, servers) as one:
            while waiting:
                stimulus = waiting.popleft()
                outcomes[stimulus.id] = await one.do(stimulus)
        over.set()

    @asynccontextmanager
    async def _blocking(self, pod: str, family: Family | None) -> AsyncIterator[None]:
        if family is None:
            yield
            return
        namespace = self._lab.namespace(pod)
        ports = [spec.port for spec in self._lab.topology.listeners if spec.namespace == pod]
        block = netfilter.render_block(family, ports)
        try:
            await on_thread(lambda _: netfilter.load(namespace, block))
            yield
        finally:
            await on_thread(lambda _: netfilter.load(namespace, netfilter.render_unblock(family)))


def _blocked(stimulus: Stimulus) -> Family | None:
    return stimulus.blocked if isinstance(stimulus, Reach) else None


def _request(stimulus: Stimulus) -> dict[str, Any]:
    if isinstance(stimulus, Resolve):
        return {
            "kind": "resolve",
            "name": stimulus.name,
            "type": stimulus.type,
            "timeout": stimulus.timeout,
        }
    return {
        "kind": "reach",
        "target": stimulus.target,
        "transport": stimulus.transport.value,
        "port": stimulus.port,
        "family": stimulus.family.value if stimulus.family else None,
        "timeout": stimulus.timeout,
        "octets": stimulus.octets,
        "pause": stimulus.pause,
        "proxy": [stimulus.proxy, stimulus.proxy_port] if stimulus.proxy else None,
    }


def _outcome(stimulus: Stimulus, said: dict[str, Any]) -> Outcome:
    return Outcome(
        stimulus=stimulus.id,
        ok=said.get("error") is None,
        started_ns=said["started_ns"],
        ended_ns=said["ended_ns"],
        error=said.get("error"),
        local=_endpoint(said.get("local")),
        remote=_endpoint(said.get("remote")),
        peer=_endpoint(said.get("peer")),
        via=_endpoint(said.get("via")),
        server=said.get("server"),
        attempts=tuple(
            (Endpoint(address=ip_address(address), port=port), error)
            for (address, port), error in said.get("attempts", ())
        ),
        answers=tuple(said.get("answers", ())),
        pid=said["pid"],
    )


def _endpoint(pair: Sequence[Any] | None) -> Endpoint | None:
    if pair is None:
        return None
    address, port = pair
    return Endpoint(address=ip_address(address), port=port)
