"""One run: build the lab, attach the probes, drive the stimuli, gather the evidence, judge it."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

from dataplane import __version__
from dataplane.api.live import LiveSource
from dataplane.api.tables import PagedFlows
from dataplane.checks import checks, policy
from dataplane.checks.ground.policies import permitted
from dataplane.model.answer import RunResult
from dataplane.model.evidence import Evidence, Header
from dataplane.model.stimulus import Outcome, Stimulus
from dataplane.model.topology import Role
from dataplane.session.feed import INTERVAL, Fresh, consumed, every, publish_attempts
from dataplane.session.prepare import Prepared
from dataplane.session.replay import rejudge
from dataplane.verify import met
from labs.build import Lab, on_thread
from labs.drive import Driver
from labs.site import RUNS
from probes.node import readings
from probes.node.readings import Readings
from probes.watch import Mode, Watch

Say = Callable[[str], None]


@dataclass(slots=True)
class Timings:
    """Seconds by phase, in the order in which the phases began."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Add the time spent inside to a phase."""
        begin = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - begin
            self.seconds[phase] = round(self.seconds.get(phase, 0.0) + spent, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conducted:
    """A run that is judged: its result and the evidence that the result rests on."""

    result: RunResult
    evidence: Evidence


@dataclass(slots=True, kw_only=True)
class Session:
    """A lab that is up, with the probes on it; `watch` is None when it runs without probes.

    Without probes nothing is attached, and nothing that rests on packets or attempts is known. The
    kernel is asked all the same for sockets, sysctls and routes: `listeners`, `forwarding` and
    `pool-size` answer, because what they rest on was seen.
    """

    prepared: Prepared
    name: str
    lab: Lab
    watch: Watch | None
    timings: Timings
    say: Say
    source: LiveSource | None = None

    async def conduct(self) -> Conducted:
        """Drive every check's stimuli, read what was seen, and judge."""
        stimuli = stimuli_of(self.prepared)
        with self.timings.of("drive"):
            self.say(f"driving {len(stimuli)} stimuli")
            outcomes = tuple(await Driver(self.lab).drive(stimuli))
        with self.timings.of("read"):
            evidence = await asyncio.to_thread(self._gather, stimuli, outcomes)
        with self.timings.of("judge"):
            judged = await asyncio.to_thread(rejudge, evidence, checks())
        expected = self.prepared.expected
        result = replace(
            judged,
            expected=expected,
            met=None if expected is None else met(expected, judged.answers),
            timings=dict(self.timings.seconds),
        )
        if self.source is not None:
            await self.source.settle(evidence)
            self.source.publish(result)
        return Conducted(result=result, evidence=evidence)

    def _gather(self, stimuli: tuple[Stimulus, ...], outcomes: tuple[Outcome, ...]) -> Evidence:
        plan = self.prepared.plan
        header = Header(
            version=__version__,
            scenario=self.prepared.name,
            engine=plan.engine,
            plan=plan,
            taps=self.prepared.topology.taps,
        )
        read = self._read()
        evidence = Evidence(
            header=header,
            stimuli=stimuli,
            outcomes=outcomes,
            listeners=read.listeners,
            settings=read.settings,
            routes=read.routes,
            links=read.links,
            neighbours=read.neighbours,
            addresses=read.addresses,
            reports=read.reports,
        )
        if self.watch is None:
            return evidence
        self.watch.consume()
        return replace(
            evidence,
            flows=self.watch.flows(),
            packets=self.watch.packets(),
            too_big=self.watch.too_big(),
            discoveries=self.watch.discoveries(),
            dhcp=self.watch.dhcp(),
            connects=self.watch.connects(),
            reports=(*self.watch.reports(), *read.reports),
        )

    def _read(self) -> Readings:
        """Ask the kernel for what no hook shows: sockets, sysctls, and what rtnetlink knows."""
        of = self.prepared.topology.namespaces
        pods, nodes, routers = (
            {n.name: self.lab.namespace(n.name) for n in of if n.role is role and not n.foreign}
            for role in (Role.POD, Role.NODE, Role.FABRIC)
        )
        return readings.read(hosts=pods | nodes, nodes=nodes, routers=routers)


def stimuli_of(prepared: Prepared) -> tuple[Stimulus, ...]:
    """Return what every applicable check wants done, check by check.

    What a NetworkPolicy denies is tried for the check `policy` alone: no other may call it broken.
    """
    plan = prepared.plan
    applicable = (check for check in checks() if check.applies(plan) is None)
    return tuple(
        stimulus
        for check in applicable
        for stimulus in (
            check.stimuli(plan)
            if check.name == policy.NAME
            else permitted(plan, check.stimuli(plan))
        )
    )


@asynccontextmanager
async def open_session(
    prepared: Prepared,
    *,
    probes: bool = True,
    mode: Mode = "tc",
    source: LiveSource | None = None,
    say: Say = lambda _: None,
) -> AsyncIterator[Session]:
    """Build the lab and attach the probes; everything is taken down again on leaving.

    With a `source`, the endpoint that reads from it follows the session while it runs.
    """
    timings = Timings()
    name = secrets.token_hex(3)
    async with AsyncExitStack() as stack:
        with timings.of("build"):
            say(f"building {len(prepared.plan.nodes)} nodes, {len(prepared.plan.pods)} pods")
            lab = await stack.enter_async_context(
                Lab(prepared.topology, run=name, directory=RUNS / name, progress=say)
            )
        watch = None
        if probes:
            with timings.of("attach"):
                say(f"attaching probes to {len(prepared.topology.taps)} interfaces")
                watch = await _attached(stack, prepared, lab, mode)
            stack.enter_context(consumed(watch))
        if prepared.topology.dhcp_clients:  # watched by now, if by anybody
            with timings.of("lease"):
                await lab.lease()
        if watch is not None and source is not None:
            await stack.enter_async_context(_told(watch, source))
        yield Session(
            prepared=prepared,
            name=name,
            lab=lab,
            watch=watch,
            timings=timings,
            say=say,
            source=source,
        )
        say("taking the lab down")


async def _attached(stack: AsyncExitStack, prepared: Prepared, lab: Lab, mode: Mode) -> Watch:
    """Attach the probes on a worker thread; cancelled meanwhile, it takes them away again.

    Their namespaces must not go before the thread has: it would keep what the lab removes.
    """
    plan = prepared.plan
    actors = (*plan.actors, *(plan.neighbour.actors if plan.neighbour else ()))
    owners = {pod.name: lab.cgroup(pod.name) for pod in actors}
    opened: list[Watch] = []

    def close() -> None:
        for watch in opened:
            watch.close()

    stack.callback(close)
    await on_thread(
        lambda _: opened.append(
            Watch.open(prepared.topology.taps, lab.namespace, owners, mode=mode)
        )
    )
    return opened[0]


@asynccontextmanager
async def _told(watch: Watch, source: LiveSource) -> AsyncIterator[None]:
    """Let the endpoint read from the probes, and hear of every attempt."""
    fresh = Fresh()
    source.watch(flows=lambda: PagedFlows(watch.snapshot()), reports=watch.reports)
    async with every(INTERVAL, lambda: publish_attempts(watch, source, fresh)):
        yield
    publish_attempts(watch, source, fresh, last=True)
