"""Every client reaches the ingress in its own family, and the pod behind learns who the client is.

Guards against: load balancers that have both families in DNS and serve one of them; left-over
balancers that the name still leads to, and nothing behind them; a PROXY protocol that one side
speaks and the other does not, so that every connection ends before its first answer; and balancers
that hide their clients, because neither side speaks it. And against IPv6 that gets into a cluster of
IPv4: a dual-stack ingress is for incoming connections, and the cluster stays what it was.

Looks at: TCP connections of clients in the internet with IPv4, with IPv6 and with both, to every
address of every balancer and to the name. The SYN is followed from the client to the balancer, the
second connection from there to a pod (by the address that the pod says its connection came from, or
by time), and the octets of both tell whether a header of the PROXY protocol went ahead. What the pod
takes for its client is compared with the client's own socket. A connection that is kept open through
a balancer that a migration leaves behind must answer at its end, too. In a cluster of IPv4, pods try
a server that has IPv6 only, and no flow of IPv6 may be seen at pods and nodes.

What to do: compare the balancer's listeners with the records of its name; give the PROXY protocol
to both sides or to none (annotation aws-load-balancer-proxy-protocol, `use-proxy-protocol` of an
ingress controller); take a left-over balancer out of DNS, and delete it when its connections end.
"""

from dataclasses import replace

from dataplane.checks.ground.answers import addresses
from dataplane.checks.ground.attempt import Account, Attempt
from dataplane.checks.ground.exchanges import Asked, exchanges
from dataplane.checks.ground.incoming import TYPES
from dataplane.checks.ground.incoming import stimuli as incoming
from dataplane.checks.ground.places import crosses_networks
from dataplane.checks.ground.relays import Relays
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.ingress import IngressPlan
from dataplane.model.plan import Plan
from dataplane.model.seen import FlowSeen
from dataplane.model.stimulus import Outcome, Reach, Resolve, Stimulus
from dataplane.model.topology import Point, Tap
from dataplane.model.view import Check, Sight, View

NAME = "ingress"
NO_PLAN = "no load balancer stands before this cluster"
ANSWERED = frozenset({None, "NODATA", "NXDOMAIN"})


def applies(plan: Plan) -> str | None:
    """Return why nobody comes in."""
    return None if plan.ingress else NO_PLAN


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return what clients do: each address, the name by family, its records, and what pods must not."""
    return incoming(plan, NAME)


class _Bench:
    """One sitting: the clients' connections, those of the balancers, and what is said of them."""

    def __init__(self, view: View, ingress: IngressPlan) -> None:
        self.view, self.ingress = view, ingress
        self.sights = Sights(view)
        found = exchanges(view)
        self.asked = Asked(found, view.taps, Point.CLIENT)
        self.relays = Relays(view, found, self.sights)
        self.balancers = {a: b for b in ingress.balancers for a in b.addresses}
        self.clients = {client.name for client in ingress.clients}
        self.account = Account()

    def judge(self, stimulus: Stimulus, outcome: Outcome | None) -> None:
        """Judge one thing that somebody did."""
        if outcome is None:
            self.account.doubts.append(f"{stimulus.id} was not carried out")
        elif isinstance(stimulus, Resolve):
            self._judge_records(stimulus, outcome)
        elif stimulus.pod in self.clients:
            self._judge_reach(stimulus, outcome)

    def judge_flows(self) -> None:
        """Look for IPv6 at pods and nodes of a cluster of IPv4; what pods tried is among it."""
        if self.ingress.family is Family.IPV6:
            return  # IPv4 in a cluster of IPv6 is what ipv4-leak judges
        places: set[str] = set()
        for flow in self.view.evidence.flows:
            tap = self.view.taps.get(flow.tap)
            if tap is None or tap.point not in {Point.POD, Point.UPLINK}:
                continue
            places.add(flow.tap)
            if flow.family is Family.IPV6 and crosses_networks(flow.source):
                self._foreign(tap, flow)
        self.account.looked_at += len(places)

    def _foreign(self, tap: Tap, flow: FlowSeen) -> None:
        self.account.ledger.add(
            subject=tap.owner,
            cause=f"IPv6 at {tap.owner}, in a cluster that has IPv4 only",
            expected="IPv6 ends at the balancer; nodes and pods have none",
            seen=f"a flow of IPv6 at the {tap.point} of {tap.owner}",
            remedy="take the IPv6 addresses from nodes and pods, or plan the cluster with both families",
            evidence=f"{flow.source} to {flow.destination}, {flow.packets} packets",
        )

    def _judge_records(self, stimulus: Resolve, outcome: Outcome) -> None:
        """Compare the records of the name with the balancers that it is planned to lead to."""
        family = next(family for family, kind in TYPES.items() if kind == stimulus.type)
        if outcome.error not in ANSWERED:
            self.account.doubts.append(f"{stimulus.id}: {outcome.error}")
            return
        got = addresses(outcome)
        listed = ", ".join(outcome.answers) or outcome.error or "none"
        for balancer in self.ingress.balancers:
            address = balancer.address(family)
            if address is None or balancer.named is (address in got):
                continue
            cause = f"the name has no {stimulus.type} record of {balancer.name}"
            remedy = (
                f"add the {stimulus.type} record (on AWS, an alias for the balancer's own name)"
            )
            if not balancer.named:
                cause = f"the name still leads to {balancer.name}, which was left over"
                remedy = "take the record away; delete the balancer when its connections have ended"
            asked = f"{stimulus.pod} asked for {stimulus.name} {stimulus.type}"
            self.account.ledger.add(
                subject=balancer.name,
                cause=cause,
                expected=f"{'' if balancer.named else 'not '}{address}",
                seen=listed,
                remedy=remedy,
                evidence=f"{asked} and got {listed}",
            )

    def _judge_reach(self, stimulus: Reach, outcome: Outcome) -> None:
        """Judge every connection that a client tried."""
        for endpoint, error in outcome.attempts:
            one = replace(stimulus, target=str(endpoint.address))
            balancer = self.balancers.get(endpoint.address)
            exchange = self.asked.of(one, outcome)
            if balancer is None:
                why = f"went to {endpoint.address}, which is no balancer's"
                self.account.doubts.append(f"{stimulus.id} {why}")
            elif exchange is None:
                self.account.doubts.append(f"{stimulus.id}: no packet was seen at {stimulus.pod}")
            else:
                Attempt(
                    account=self.account,
                    ingress=self.ingress,
                    sights=self.sights,
                    relays=self.relays,
                    stimulus=one,
                    outcome=outcome,
                    balancer=balancer,
                    exchange=exchange,
                    error=error,
                ).judge()


def judge(view: View) -> Judgement:
    """Judge every connection and every record; see the module's text."""
    ingress = view.plan.ingress
    if ingress is None:
        return Judgement(looked_at=0)
    bench = _Bench(view, ingress)
    # What a pod answered names its connection; the others are looked for among those that are left.
    for stimulus in sorted(view.stimuli, key=lambda s: not _named(view.outcomes.get(s.id))):
        bench.judge(stimulus, view.outcomes.get(stimulus.id))
    bench.judge_flows()
    account = bench.account
    return account.ledger.judgement(looked_at=account.looked_at, doubts=account.doubts)


def _named(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.via is not None


CHECK = Check(
    name=NAME,
    title="clients of both families come in, and pods know who they are",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.CLIENT),
        Sight(probe="stamps", point=Point.BALANCER),
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="flows", point=Point.BALANCER),
        Sight(probe="flows", point=Point.POD),
        Sight(probe="flows", point=Point.UPLINK),
    ),
)
