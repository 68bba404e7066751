"""The live lab: builds a topology, keeps it, takes it down again.

`async with Lab(topology, run="ab12") as lab:` claims the run, makes namespaces and everything in
them, starts servers and translators, and unwinds in reverse on the way out: after an error, after
cancellation (SIGINT) at any instant, and after the last line of the body. What a SIGKILL leaves is
removed by `labs.sweep`.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dataplane.kernel import cgroup, netns, process
from dataplane.model.errors import LabFailedError, UnsupportedError
from dataplane.model.programs import ForwardProxySpec
from dataplane.model.topology import Namespace, Role, Topology, TranslatorSpec
from labs import dns64, engines, netfilter, resolution, routers, wiring
from labs.claim import Claim, Manifest
from labs.dhcp import dhclient, dnsmasq
from labs.dns64.bind import SERVER as BIND
from labs.dns64.bind import start_authority
from labs.dns64.seam import warm
from labs.engines.seam import Running
from labs.listeners import listeners
from labs.programs import haproxy, nginx, tinyproxy
from labs.site import RUNS, Site, cgroup_name, namespace_name

Say = Callable[[str], None]
Proceed = Callable[[], None]
LINKS = 128  # made at a time: each takes a descriptor, of which a process has 1024


class CalledOffError(Exception):
    """The building was called off while a worker thread was at it."""


class Lab:
    """A topology as it stands. `run` names it; `directory` (mode 0700) holds its files and logs."""

    def __init__(
        self,
        topology: Topology,
        *,
        run: str,
        directory: Path | None = None,
        progress: Say = lambda _: None,
    ) -> None:
        self.topology = topology
        self.run = run
        self.directory = directory or RUNS / run
        self.running: list[Running] = []
        self._progress = progress
        self._stack = AsyncExitStack()
        self._site: Site | None = None
        self._resolution: resolution.Binds = ()
        self._outside: resolution.Binds = ()
        self._members = (*topology.namespaces, *_annexes(topology))
        self._namespaces = {n.name: namespace_name(run, n.name) for n in self._members}

    @property
    def site(self) -> Site:
        """Return where the run lives; RuntimeError before the lab was entered."""
        if self._site is None:
            raise RuntimeError(f"lab {self.run} has not been built")
        return self._site

    def namespace(self, member: str) -> str:
        """Return the mounted name of a member's network namespace; KeyError when there is none."""
        return self._namespaces[member]

    def cgroup(self, member: str) -> Path:
        """Return the control group of a member's processes; KeyError when there is none."""
        self.namespace(member)
        return self.site.cgroup_of(member)

    def placement(self, member: str) -> process.Placement:
        """Return where a client in this member runs: it resolves names as its surroundings do."""
        self.namespace(member)
        outside = resolution.is_outside(self.topology, member)
        binds = self._outside if outside else self._resolution
        return self.site.placement(member, binds=binds)

    def casualties(self) -> tuple[str, ...]:
        """Return the names of the lab's own programs that ended without having been told to."""
        return tuple(running.name for running in self.running if running.died)

    async def __aenter__(self) -> Self:
        """Build everything; when this returns, the first packet finds its way.

        UnsupportedError before anything is made when the machine lacks something; LabFailedError
        when something inside does not work.
        """
        require(self.topology)
        try:
            await self._build()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take everything down."""
        await self._stack.aclose()

    async def lease(self) -> None:
        """Have the nodes ask for their addresses, where they have none written down (DHCPv6).

        It is no part of building: who is to see what they are told has to watch them first.
        """
        clients = self.topology.dhcp_clients
        if clients:
            self._progress(f"{len(clients)} nodes ask for their addresses")
        await self._together(*(self._keep(dhclient.start(c, self.site)) for c in clients))

    async def _build(self) -> None:
        claim = Claim.take(self.directory)
        self._stack.callback(claim.release)
        group = cgroup.root() / cgroup_name(self.run)
        self._site = Site(run=self.run, directory=self.directory, cgroup=group)
        self._resolution = resolution.write(self.topology, self.directory)
        self._outside = resolution.write_outside(self.topology, self.directory, self._resolution)
        names = tuple(self._namespaces.values())
        manifest = Manifest(run=self.run, pid=os.getpid(), namespaces=names, cgroup=group.name)
        manifest.write(self.directory)
        self._progress(f"making {len(names)} namespaces")
        self._stack.callback(_remove_namespaces, names)
        self._stack.callback(cgroup.remove, group)
        addresses: list[wiring.Batches] = []
        await self._together(
            on_thread(self._make_namespaces),
            # Encoding is Python's work and making namespaces the kernel's: both at once.
            on_thread(lambda _: addresses.append(wiring.addresses(self.topology, self._members))),
        )
        await on_thread(lambda proceed: self._wire(addresses[0], proceed))
        self._progress("starting servers and translators")
        await self._stack.enter_async_context(listeners(self.topology.listeners, self.site))
        self._stack.push_async_callback(self._stop_programs)
        await self._together(
            self._start_dns(),
            *(self._start_translator(spec) for spec in self.topology.translators),
            *(self._keep(nginx.start(spec, self.site)) for spec in self.topology.webs),
            *(self._start_proxy(spec) for spec in self.topology.forward_proxies),
            *(self._keep(haproxy.start(spec, self.site)) for spec in self.topology.balancers),
            *(self._keep(dnsmasq.start(spec, self.site)) for spec in self.topology.dhcp_servers),
            *(self._load(*ruleset) for ruleset in netfilter.rulesets(self.topology).items()),
        )
        for ruleset in self.topology.rulesets:
            await self._load(ruleset.namespace, ruleset.text)
        for advertiser in self.topology.advertisers:  # under the rules: what is lost never came
            self.running.append(await routers.start(advertiser, self.site))
        await on_thread(
            lambda proceed: wiring.apply(wiring.narrowed(self.topology), self.site, proceed)
        )

    def _make_namespaces(self, proceed: Proceed) -> None:
        """Make control groups and namespaces with the devices of translators; on a worker thread."""
        members = {self.namespace(member.name): member for member in self._members}
        cgroup.create(self.site.cgroup.name)
        for member in self._members:
            self.site.cgroup_of(member.name).mkdir()
        devices = wiring.devices(self.topology)

        made = "the first namespace"

        def furnish(mounted: str) -> None:
            nonlocal made
            proceed()
            made = mounted
            wiring.write_sysctls(members[mounted])
            devices.get(members[mounted].name, lambda: None)()

        try:
            netns.create_each(members, furnish)
        except OSError as failure:
            raise LabFailedError(made, "making namespaces", stderr=str(failure)) from failure

    def _wire(self, addresses: wiring.Batches, proceed: Proceed) -> None:
        """Join the namespaces by links, then give them addresses and routes; on a worker thread."""
        links = self.topology.links
        for start in range(0, len(links), LINKS):
            with ExitStack() as descriptors:

                def descriptor(member: str, opened: ExitStack = descriptors) -> int:
                    path = netns.path(self.namespace(member))
                    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                    opened.callback(os.close, number)
                    return number

                batches = wiring.links(links[start : start + LINKS], descriptor)
                wiring.apply(batches, self.site, proceed)
        wiring.apply(addresses, self.site, proceed)

    async def _start_dns(self) -> None:
        await self._together(self._start_authority(), self._start_resolver())
        resolver = self.topology.resolver
        name = resolver.zones[0] if resolver.zones else "."
        await warm(self.namespace(resolver.namespace), resolver.listen, name)

    async def _start_authority(self) -> None:
        self.running.append(await start_authority(self.topology.authority, self.site))

    async def _start_resolver(self) -> None:
        server = dns64.server(self.topology.resolver.server)
        self.running.append(await server.start(self.topology.resolver, self.site))

    async def _start_translator(self, spec: TranslatorSpec) -> None:
        self.running.append(await engines.engine(spec.engine).start(spec, self.site))

    async def _start_proxy(self, spec: ForwardProxySpec) -> None:
        binds = self.placement(spec.namespace).binds
        self.running.append(await tinyproxy.start(spec, self.site, binds=binds))

    async def _keep(self, starting: Awaitable[Running]) -> None:
        self.running.append(await starting)

    async def _load(self, member: str, text: str) -> None:
        namespace = self.namespace(member)
        await on_thread(lambda _: netfilter.load(namespace, text))

    async def _stop_programs(self) -> None:
        await self._together(*(running.stop() for running in self.running))

    @staticmethod
    async def _together(*parts: Coroutine[Any, Any, None]) -> None:
        """Await all of these; the first failure ends the others and is raised by itself."""
        failed: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(part)
        except BaseExceptionGroup as failures:
            failed = _first(failures)
        if failed is not None:
            raise failed


def require(topology: Topology) -> None:
    """Raise UnsupportedError when this machine lacks something that the topology needs."""
    if os.geteuid() != 0:
        raise UnsupportedError("a lab", needs="root", found=f"user {os.geteuid()}")
    process.find("nft", package="nftables")
    needed = [BIND.available(), dns64.server(topology.resolver.server).available()]
    kinds = {spec.engine for spec in topology.translators}
    needed += [engines.engine(name).available() for name in sorted(kinds)]
    needed += [haproxy.available() for _ in topology.balancers[:1]]
    needed += [nginx.available() for _ in topology.webs[:1]]
    needed += [tinyproxy.available() for _ in topology.forward_proxies[:1]]
    if topology.advertisers:
        needed.append(routers.available())
    needed += [dnsmasq.available() for _ in topology.dhcp_servers[:1]]
    needed += [dhclient.available() for _ in topology.dhcp_clients[:1]]
    for missing in needed:
        if missing is not None:
            raise missing


async def on_thread(work: Callable[[Proceed], None]) -> None:
    """Do work on a worker thread and, whatever happens here, not return before it has ended.

    The work calls what it is given from time to time: that raises once this has been cancelled.
    A thread that went on making things behind the back of whoever takes them down would leave them.
    """
    called_off = threading.Event()

    def proceed() -> None:
        if called_off.is_set():
            raise CalledOffError

    job = asyncio.get_running_loop().run_in_executor(None, work, proceed)
    cancelled: asyncio.CancelledError | None = None
    while not job.done():
        try:
            await asyncio.wait({job})
        except asyncio.CancelledError as cancellation:
            cancelled = cancellation
            called_off.set()
    if cancelled is not None:
        job.exception()  # of no interest any more
        raise cancelled
    job.result()


def _annexes(topology: Topology) -> tuple[Namespace, ...]:
    return tuple(
        Namespace(name=name, role=Role.GATEWAY)
        for spec in topology.translators
        for name in engines.engine(spec.engine).annexes(spec)
    )


def _remove_namespaces(names: tuple[str, ...]) -> None:
    for name in names:
        netns.remove(name)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
