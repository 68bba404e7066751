"""No process falls back to IPv4, or chooses it, where IPv6 was possible.

Guards against: the fault that dual-stack hides. A client whose IPv6 attempt fails takes the next
address, the user sees a delay at most, and nobody learns that IPv6 is broken.

Looks at: every attempt of a process to reach somebody, as the kernel saw it at the socket, also the
ones that never became a packet. An IPv4 attempt is a finding when the same process tried IPv6 to
the same host and port before and failed, or when it went to a host of which the plan knows an IPv6
address and IPv6 was not tried at all. Attempts whose family was forced by a check are passed over,
and so are IPv4-only destinations, DNS, and connected UDP sockets that send nothing: getaddrinfo
opens those to sort addresses (RFC 6724).

What to do: read how the IPv6 attempt failed. "refused" is a listener or a rejecting rule,
"timed-out" a black hole on the way, "unsent" a missing address or route in the pod; the check
reachability tells where. IPv4 that was chosen outright is the application's or the resolver's
doing, or RFC 6724's: a pod with a unique local address prefers IPv4 towards global ones.
"""

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv6Address, IPv6Network

from dataplane.checks.ground.exchanges import PROTOCOLS, SLACK_NS, destinations
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import DNS_PORT, Places
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import Plan
from dataplane.model.problem import Severity
from dataplane.model.seen import ConnectResult, ConnectSeen
from dataplane.model.stimulus import Outcome, Reach, Stimulus
from dataplane.model.view import Check, Sight, View

NAME = "fallback"
TIMEOUT_S = (
    1.3  # past the first SYN retransmission (RFC 6298 section 2.1), to tell silence from a refusal
)
JOIN_NS = 30_000_000_000
"""How long after a failed IPv6 attempt an IPv4 attempt still belongs to it."""

TCP = 6
UNIQUE_LOCAL = IPv6Network("fc00::/7")  # RFC 4193 section 3.1
FAILED = frozenset(
    {
        ConnectResult.REFUSED,
        ConnectResult.TIMED_OUT,
        ConnectResult.UNSENT,
        ConnectResult.PENDING,
    }
)
Process = tuple[str, int, str]


def applies(plan: Plan) -> str | None:
    """Return why there is no IPv6 to fall back from."""
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6 to fall back from"
    return None if plan.actors else "no pod of this plan takes part in stimuli"


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return what a plain client does with the name of each server that has both families."""
    return tuple(
        Reach(
            id=f"{NAME}/{pod.name}/{server.name}",
            check=NAME,
            pod=pod.name,
            target=server.dns_name,
            port=server.port,
            label="by-name",
            timeout=TIMEOUT_S,
        )
        for pod in plan.actors
        for server in plan.servers
        if server.address(Family.IPV4) and server.address(Family.IPV6)
    )


class _Bench:
    """One sitting: the attempts of each process, without the ones that the checks forced."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.ledger = Ledger()
        self.doubts: list[str] = []
        attempts = [seen for seen in view.evidence.connects if self._counts(seen)]
        self.looked_at = len(attempts)
        forced = self._forced(attempts)
        self.processes: defaultdict[Process, list[ConnectSeen]] = defaultdict(list)
        for seen in sorted(attempts, key=lambda attempt: attempt.time_ns):
            if seen.owner is not None and id(seen) not in forced:
                self.processes[seen.owner, seen.pid, seen.comm].append(seen)

    def _counts(self, seen: ConnectSeen) -> bool:
        """Tell whether an attempt is one that carries traffic of a pod somewhere else."""
        sent = seen.result is ConnectResult.SENT
        sorting = seen.protocol != TCP and seen.call == "connect" and not sent
        local = seen.destination.is_loopback or seen.destination.is_unspecified
        known = self.places.pod_named(seen.owner or "") is not None
        return known and not sorting and not local and seen.port != DNS_PORT

    def _forced(self, attempts: Iterable[ConnectSeen]) -> set[int]:
        """Return the attempts that stimuli with a forced family made, each stimulus' nearest one."""
        outcomes = {outcome.stimulus: outcome for outcome in self.view.evidence.outcomes}
        by_owner: defaultdict[str | None, list[ConnectSeen]] = defaultdict(list)
        for seen in attempts:
            by_owner[seen.owner].append(seen)
        forced: set[int] = set()
        for stimulus in self.view.evidence.stimuli:
            outcome = outcomes.get(stimulus.id)
            if isinstance(stimulus, Reach) and outcome is not None and _is_forced(stimulus):
                for target in destinations(stimulus, outcome):
                    near = [
                        seen
                        for seen in by_owner[stimulus.pod]
                        if id(seen) not in forced
                        and seen.destination == target
                        and seen.port == stimulus.port
                        and seen.protocol in PROTOCOLS[stimulus.transport]
                        and _during(outcome, seen)
                    ]
                    forced |= {id(seen) for seen in _of_one_call(near, outcome)}
        return forced

    def judge(self, process: Process, attempts: list[ConnectSeen]) -> None:
        """Judge the IPv4 attempts of one process, each against the IPv6 one before it."""
        latest: dict[tuple[str | None, int], ConnectSeen] = {}
        for seen in attempts:
            # Hosts that the plan does not know may be one and the same.
            host = self.places.host(seen.destination)
            target = (None if host is None else host.name, seen.port)
            if seen.family is Family.IPV6:
                latest[target] = seen
                continue
            tried = latest.get(target)
            if tried is None or seen.time_ns - tried.time_ns > JOIN_NS:
                if seen.result is not ConnectResult.UNSENT:
                    self._chose(process, seen)
            elif tried.result in FAILED:
                self._fell_back(process, tried, seen)

    def _fell_back(self, process: Process, tried: ConnectSeen, seen: ConnectSeen) -> None:
        pod, pid, comm = process
        cost = (seen.time_ns - tried.time_ns) / 1e6
        hidden = seen.result in {ConnectResult.ESTABLISHED, ConnectResult.SENT}
        what = "IPv4 took over and hides it" if hidden else f"IPv4 was tried too ({seen.result})"
        self.ledger.add(
            subject=pod,
            cause=f"IPv6 of {pod} is {tried.result}, and {what}",
            expected=f"{comm} reaches {self.places.called(tried.destination)} over IPv6",
            seen=f"IPv6 {tried.result}, then IPv4 {seen.result} after {cost:.1f} ms",
            remedy=f"find why IPv6 of {pod} is {tried.result} (see the check reachability)",
            evidence=(
                f"{comm} (pid {pid}) in {pod}: IPv6 to {self.places.called(tried.destination)} "
                f"port {tried.port} {_ended(tried)}; IPv4 to {self.places.called(seen.destination)} "
                f"{_ended(seen)}; IPv4 was tried {cost:.1f} ms after IPv6"
            ),
        )

    def _chose(self, process: Process, seen: ConnectSeen) -> None:
        """Judge IPv4 without an IPv6 attempt, where the plan knows an IPv6 address of the host."""
        pod, pid, comm = process
        six = [a for a in self.places.beside(seen.destination) if isinstance(a, IPv6Address)]
        if not six:
            return
        by_rule = self._sorted_last(pod, six)
        why = (
            "RFC 6724 sorts IPv4 first: the pod's IPv6 address is unique local, the host's global"
            if by_rule
            else "IPv4 was chosen although the host has IPv6"
        )
        self.ledger.add(
            severity=Severity.WARNING if by_rule else Severity.ERROR,
            subject=pod,
            cause=f"{pod} uses IPv4: {why}",
            expected=f"{comm} tries {self.places.called(six[0])} over IPv6",
            seen=f"IPv4 {seen.result} to {self.places.called(seen.destination)}, IPv6 not tried",
            remedy="see which addresses the application asks for (A only, an IPv4 literal, AF_INET)",
            evidence=(
                f"{comm} (pid {pid}) in {pod}: {seen.call} to "
                f"{self.places.called(seen.destination)} port {seen.port} {_ended(seen)}"
            ),
        )

    def _sorted_last(self, pod: str, six: list[IPv6Address]) -> bool:
        """Tell whether a client of this pod sorts IPv6 behind IPv4 (RFC 6724 section 6, rule 5)."""
        plan = self.places.pod_named(pod)
        own = None if plan is None else plan.address(Family.IPV6)
        local = own is not None and own in UNIQUE_LOCAL
        return local and not any(address in UNIQUE_LOCAL for address in six)

    def confirm(self) -> None:
        """Doubt the check's own successes that no attempt was seen of."""
        for stimulus in self.view.stimuli:
            outcome = self.view.outcomes.get(stimulus.id)
            if not isinstance(stimulus, Reach) or outcome is None:
                self.doubts.append(f"{stimulus.id} was not carried out")
            elif outcome.ok and not any(
                seen.owner == stimulus.pod
                and seen.port == stimulus.port
                and (outcome.remote is None or seen.destination == outcome.remote.address)
                and _during(outcome, seen)
                for seen in self.view.evidence.connects
            ):
                self.doubts.append(f"{stimulus.id} succeeded, but no attempt of it was seen")


def _is_forced(stimulus: Reach) -> bool:
    """Tell whether a stimulus left its client no choice of the family."""
    if stimulus.family is not None or stimulus.blocked is not None:
        return True
    return stimulus.target.replace(".", "").isdigit() or ":" in stimulus.target


def _of_one_call(near: list[ConnectSeen], outcome: Outcome) -> list[ConnectSeen]:
    """Return the attempts that one stimulus made: the first one of its own process, or of any."""
    own = [seen for seen in near if outcome.pid is None or seen.pid == outcome.pid]
    # Inside a PID namespace the kernel may know the client by another number than it knows itself.
    return sorted(own or near, key=lambda seen: abs(seen.time_ns - outcome.started_ns))[:1]


def _during(outcome: Outcome, seen: ConnectSeen) -> bool:
    return outcome.started_ns - SLACK_NS <= seen.time_ns <= outcome.ended_ns + SLACK_NS


def _ended(seen: ConnectSeen) -> str:
    took = "" if seen.latency_ns is None else f" after {seen.latency_ns / 1e6:.1f} ms"
    return f"{seen.result}{took}"


def judge(view: View) -> Judgement:
    """Judge every process' attempts; see the module's text."""
    bench = _Bench(view)
    for process, attempts in bench.processes.items():
        bench.judge(process, attempts)
    bench.confirm()
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="no fallback to IPv4 where IPv6 is possible",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe="connects"),),
)
