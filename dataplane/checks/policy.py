"""What NetworkPolicies allow arrives, and what they deny does not, in both families alike.

Guards against: policies that are enforced for IPv4 only, so that IPv6 gets past them; policies and
`blockCIDRs` that name IPv4 only, so that IPv6 is cut off or a blocked host is reached by its other
address or through NAT64; an engine that drops what is allowed.

Looks at: the packets of each attempt that a policy has a say in, between pods and to servers, by
TCP, UDP and echo, at the pods' interfaces, the nodes' uplinks and the gateway's edge. Expected is
what the policies say by Kubernetes' rules: a pod that is selected is isolated, rules add up, both
ends have to allow. A denied packet has to be seen leaving the pod, and nowhere behind its node (or,
where the other end denies it, not at that pod). Where a policy opens 0.0.0.0/0 and not ::/0, that
IPv6 does not get out is a finding, too; other IPv4 blocks that stand alone in a cluster without IPv4
are a warning. What policies deny is asked for by no other check.

What to do: where denied IPv6 gets through, see whether the engine enforces IPv6 at all (Calico:
FELIX_IPV6SUPPORT). Where a policy forgot IPv6, add the block that the finding names. Where a host
that is blocked is reached, add its other addresses to blockCIDRs.
"""

from dataplane.checks.ground.exchanges import Asked, Exchange, exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import GATEWAY, Places
from dataplane.checks.ground.sights import Sights
from dataplane.checks.ground.trials import POD, Trial, trials, ways
from dataplane.model.address import Address, Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import Plan
from dataplane.model.policy import Direction
from dataplane.model.problem import Severity
from dataplane.model.stimulus import Outcome, Reach, Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View
from dataplane.rules.policy import Denial, forgets_ipv6, has_ipv4_blocks_alone

NAME = "policy"
ENGINE = "see whether the policy engine enforces this family (Calico: FELIX_IPV6SUPPORT)"


def applies(plan: Plan) -> str | None:
    """Return why nobody's packets are up to a policy."""
    if not plan.policies:
        return "there are no NetworkPolicies beside the Shoot"
    if not trials(plan):
        return "no NetworkPolicy selects a pod that takes part in stimuli"
    return None


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return an attempt for everything that policies have a say in; see `ground.trials`."""
    return tuple(trial.stimulus(NAME) for trial in trials(plan))


class _Bench:
    """One sitting: the attempts of a view, each against what policies decide about it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.asked = Asked(exchanges(view), view.taps)
        self.ledger = Ledger()
        self.doubts: list[str] = []
        self.looked_at = 0
        self.forgetful = {p.name for p in view.plan.policies if forgets_ipv6(p)}

    def judge(self, trial: Trial, stimulus: Reach) -> None:
        """Judge one attempt: where its packets should be seen, and where they were."""
        outcome = self.view.outcomes.get(stimulus.id)
        if outcome is None:
            self.doubts.append(f"{stimulus.id} was not carried out")
            return
        exchange = self.asked.of(stimulus, outcome)
        if exchange is None or exchange.request.ambiguous:
            self.doubts.append(f"{stimulus.id}: no packet of it was seen leaving the pod")
            return
        if not self._watched(trial):
            self.doubts.append(f"{stimulus.id}: what is behind the policy was not watched")
            return
        self.looked_at += 1
        told = self._told(trial, outcome, exchange)
        if trial.written.allowed:
            self._allowed(trial, exchange, told)
        else:
            self._denied(trial, exchange, told)

    def _denied(self, trial: Trial, exchange: Exchange, told: str) -> None:
        past = [d for d in trial.written.denials if self._is_past(d.direction, trial, exchange)]
        for denial in past:
            names = ", ".join(denial.policies)
            self.ledger.add(
                subject=denial.pod,
                cause=f"{trial.family} {denial.direction} that {names} denies gets through",
                expected=f"nothing of it is seen behind the policy of {denial.pod}",
                seen=self.sights.place(exchange.request.hops[-1]),
                remedy=ENGINE,
                evidence=told,
            )
        for denial in trial.written.denials if not past else ():
            if trial.meant.allowed:
                self._forgotten(denial, trial, told)
            else:
                self._unmatched(denial, told)

    def _forgotten(self, denial: Denial, trial: Trial, told: str) -> None:
        """Blame policies that open all of IPv4, and IPv6 not."""
        names = ", ".join(name for name in denial.policies if name in self.forgetful)
        self.ledger.add(
            subject=denial.pod,
            cause=f"{names} opens 0.0.0.0/0 and not ::/0: no {trial.family} gets through",
            expected=f"{denial.direction} is open for both families",
            seen="the packet left the pod, and was seen nowhere else",
            remedy='add {ipBlock: {cidr: "::/0"}} beside it (sixscope validate names the exceptions)',
            evidence=told,
        )

    def _unmatched(self, denial: Denial, told: str) -> None:
        """Warn of policies that nothing in a cluster without IPv4 can match: it may be meant so."""
        if Family.IPV4 in self.view.plan.families:
            return
        given = (p for p in self.view.plan.policies if p.name in denial.policies)
        names = [p.name for p in given if has_ipv4_blocks_alone(p, denial.direction)]
        if names:
            self.ledger.add(
                severity=Severity.WARNING,
                subject=denial.pod,
                cause=f"{', '.join(names)} has IPv4 blocks alone, and the cluster has no IPv4",
                expected=f"{denial.direction} is open for somebody",
                seen="the packet left the pod, and was seen nowhere else",
                remedy="name the peers' IPv6 ranges, too (of IPv4 behind NAT64, those in its prefix)",
                evidence=told,
            )

    def _allowed(self, trial: Trial, exchange: Exchange, told: str) -> None:
        if self._is_past(Direction.INGRESS, trial, exchange):
            self._unblocked(trial, exchange, told)
            return
        subject = self._dropper(trial, exchange)
        if subject is not None:
            self.ledger.add(
                subject=subject,
                cause=f"{trial.family} of {subject} that its policies allow is dropped",
                expected=f"the packet passes the policy of {subject}",
                seen=f"last seen {self.sights.place(exchange.request.hops[-1])}",
                remedy=ENGINE,
                evidence=told,
            )

    def _dropper(self, trial: Trial, exchange: Exchange) -> str | None:
        """Return the pod at whose policy an allowed packet ended, None where it ended elsewhere."""
        source, target = trial.source, self.places.pod_named(trial.target)
        out = self._is_past(Direction.EGRESS, trial, exchange)
        if not out and source.name in trial.written.governed:
            return source.name
        if target is None or target.name not in trial.written.governed:
            return None
        near = target.node == source.node
        return target.name if near or self._crossed(target.node, exchange) else None

    def _unblocked(self, trial: Trial, exchange: Exchange, told: str) -> None:
        """Judge a server that was reached, while another of its addresses is blocked."""
        if trial.label == POD:
            return
        server = self.view.plan.server(trial.target)
        known = sorted(server.addresses, key=lambda address: address.version)
        named = [a for a in (*known, *ways(self.view.plan, server)) if self._blocked(a)]
        if not named or self._blocked(trial.address):
            return
        own = trial.address in server.addresses
        way = f"over {trial.family}" if own else "through NAT64"
        self.ledger.add(
            subject=server.name,
            cause=f"blockCIDRs have {named[0]}, and {server.name} is reached {way}",
            expected=f"a host that is blocked is not reached by {trial.address} either",
            seen=self.sights.place(exchange.request.hops[-1]),
            remedy=f"add {trial.address}/{trial.family.bits} to spec.networks.blockCIDRs of the Seed",
            evidence=told,
        )

    def _blocked(self, address: Address) -> bool:
        return any(address in network for network in self.view.plan.blocked)

    def _is_past(self, direction: Direction, trial: Trial, exchange: Exchange) -> bool:
        """Tell whether a request was seen behind where a policy for a direction stands."""
        request, sights = exchange.request, self.sights
        if trial.label == POD:
            came = sights.hop(request, Point.POD, leaving=False, owner=trial.target)
        else:
            came = sights.hop(request, Point.EDGE, leaving=True, owner=GATEWAY)
        if came is not None or direction is Direction.INGRESS:
            return came is not None
        out = sights.hop(request, Point.UPLINK, leaving=True, owner=trial.source.node)
        return out is not None

    def _crossed(self, node: str, exchange: Exchange) -> bool:
        """Tell whether a request came in at a node."""
        hop = self.sights.hop(exchange.request, Point.UPLINK, leaving=False, owner=node)
        return hop is not None

    def _watched(self, trial: Trial) -> bool:
        end = (Point.POD, trial.target) if trial.label == POD else (Point.EDGE, GATEWAY)
        uplink = (Point.UPLINK, trial.source.node)
        return self.sights.watched(*end) and self.sights.watched(*uplink)

    def _told(self, trial: Trial, outcome: Outcome, exchange: Exchange) -> str:
        port = f"/{trial.port}" if trial.port else ""
        return (
            f"{trial.source.name} -> {trial.target} ({trial.address}) {trial.transport}{port}: "
            f"{outcome.error or 'answered'}; {self.sights.trail(exchange.request)}"
        )


def judge(view: View) -> Judgement:
    """Judge every attempt that policies have a say in; see the module's text."""
    bench = _Bench(view)
    asked = {stimulus.id: stimulus for stimulus in view.stimuli if isinstance(stimulus, Reach)}
    for trial in trials(view.plan):
        stimulus = asked.get(trial.id(NAME))
        if stimulus is None:
            bench.doubts.append(f"{trial.id(NAME)} was not carried out")
        else:
            bench.judge(trial, stimulus)
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="what policies deny does not arrive, what they allow does",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="stamps", point=Point.UPLINK),
        Sight(probe="stamps", point=Point.EDGE),
    ),
)
