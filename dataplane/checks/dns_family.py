"""Names resolve in the families that they have addresses in, and in no other.

Guards against: Services of a cluster with IPv6 that have no AAAA record, so that every client takes
IPv4 or finds nobody; AAAA records for pods that have IPv4 only, and A records for those that have
IPv6 only: their clients begin with an attempt that leads nowhere (k3s-io/k3s#5849). And against
resolvers that deny a name because it has no address in one family (RFC 4074 section 4.2), or fail
or keep silent when asked for AAAA (sections 4.1 and 4.3).

Looks at: the answers of the cluster's resolver to A and AAAA queries for the names of Services and
for the API server's (GEP-21: an A record for IPv4, an AAAA record for IPv6), as clients in pods got them, and for each the DNS packets at the pod's interface: an answer that
the kernel did not see counts for nothing. Where no NAT64 makes AAAA records of A records on
purpose (the check dns64), the names of servers outside are asked for, too. A query that stays
unanswered is the network's doing where all others of its pod are unanswered too. Which families
the asking pod has makes no difference: a resolver answers by the name, not by who asks.

What to do: compare the Service's clusterIPs and ipFamilies (kubectl get service -o yaml) with the
answers, and see what answers before the cluster's own records (CoreDNS: rewrite, template, hosts).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.checks.ground.answers import EMPTY, NXDOMAIN, Answers, addresses
from dataplane.checks.ground.asking import identifier, resolves, turns
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import GATEWAY
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family, family_of
from dataplane.model.answer import Judgement
from dataplane.model.plan import Plan
from dataplane.model.stimulus import Outcome, Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View

NAME = "dns-family"
TYPES = {Family.IPV4: "A", Family.IPV6: "AAAA"}
SERVICE, SERVER, API_SERVER = "service", "server", "api-server"
WHOSE = {
    SERVICE: "names of Services",
    SERVER: "names outside",
    API_SERVER: "names of the API server",
}
TIMEOUT_S = 0.8
REMEDY = "see which addresses the name has, and what answers in the resolver before its own records"


def applies(plan: Plan) -> str | None:
    """Return why there is nobody to ask, or nothing to ask for."""
    if not plan.actors:
        return "no pod of this plan takes part in stimuli"
    return None if plan.services else "the plan has no Service to ask for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A name and a family; `addresses` are those that it has there, and may be none."""

    label: str
    name: str
    family: Family
    addresses: frozenset[Address]

    @property
    def type(self) -> str:
        """Return the DNS type that is asked for."""
        return TYPES[self.family]


def questions(plan: Plan) -> Iterator[Question]:
    """Yield what is asked of the resolver; the plan alone says what it must answer."""
    hosts = [(SERVICE, service.dns_name, service.addresses) for service in plan.services]
    api: dict[str, tuple[Address, ...]] = {}
    for record in plan.dns_records:
        api[record.name] = (*api.get(record.name, ()), *record.values)
    hosts += [(API_SERVER, name, has) for name, has in api.items()]
    if plan.nat64 is None:
        hosts += [(SERVER, server.dns_name, server.addresses) for server in plan.servers]
    for label, name, has in hosts:
        for family in Family:
            own = frozenset(address for address in has if family_of(address) is family)
            yield Question(label=label, name=name, family=family, addresses=own)


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return every question once from every node that has actors; these take turns."""
    return resolves(NAME, turns(plan, tuple(questions(plan))), timeout=TIMEOUT_S)


class _Bench:
    """One sitting: the answers that the kernel saw, and what the clients made of them."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.answers = Answers(view, Sights(view))
        self.ledger = Ledger()
        self.doubts: list[str] = []
        self.looked_at = 0

    def judge(self, question: Question) -> None:
        """Judge one question over all pods that asked it."""
        replies = self.answers.replies(NAME, tuple(questions(self.view.plan)), question)
        self.doubts += replies.doubts
        for pod, outcome in replies.answered:
            self.looked_at += 1
            self._compare(question, pod, outcome)
        if not replies.answered:
            self._silent(question, replies.silent)

    def _compare(self, question: Question, pod: str, outcome: Outcome) -> None:
        got = addresses(outcome)
        if outcome.error in EMPTY and got == question.addresses:
            return
        listed = ", ".join(outcome.answers) or (outcome.error or "no record")
        evidence = f"{pod} asked for {question.name} {question.type} and got {listed}"
        self._blame(question, _cause(question, outcome, got), listed, evidence)

    def _silent(self, question: Question, silent: tuple[tuple[str, Outcome], ...]) -> None:
        """Judge a question that nobody got an answer to: the resolver's doing, or the network's."""
        cause = f"the resolver does not answer {question.type} queries for {WHOSE[question.label]}"
        for pod, outcome in silent:
            if self.answers.withheld(pod, outcome):
                evidence = f"{pod} asked for {question.name} {question.type} and got no answer"
                self._blame(question, cause, "no answer to any pod", evidence)
            else:
                self.doubts.append(
                    f"{identifier(NAME, pod, question)}: no answer, and none to others of {pod}"
                )

    def _blame(self, question: Question, cause: str, seen: str, evidence: str) -> None:
        wanted = ", ".join(map(str, sorted(question.addresses, key=int)))
        none = f"no record and no error: it has no {question.family} address"
        self.ledger.add(
            subject=GATEWAY,
            cause=cause,
            expected=f"{question.name} {question.type}: {wanted or none}",
            seen=f"{question.name} {question.type}: {seen}",
            remedy=REMEDY,
            evidence=evidence,
        )


def _cause(question: Question, outcome: Outcome, got: frozenset[Address]) -> str:
    """Say what the resolver did, from what is in the answer."""
    kind, whose = question.type, WHOSE[question.label]
    if outcome.error == NXDOMAIN:
        return f"the resolver denies {whose} that exist, when asked for {kind}"
    if outcome.error not in EMPTY:
        return f"the resolver fails with {outcome.error} when asked for {kind} of {whose}"
    if not question.addresses:
        return f"the resolver gives {kind} records to {whose} that have no {question.family}"
    if not got:
        return f"the resolver has no {kind} records for {whose} that have {question.family}"
    return f"the {kind} records of {whose} are not the addresses of the plan"


def judge(view: View) -> Judgement:
    """Judge the resolver's answers family by family; see the module's text."""
    bench = _Bench(view)
    for question in questions(view.plan):
        bench.judge(question)
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="names resolve in the families that they have",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="flows", point=Point.POD),
        Sight(probe="stamps", point=Point.POD),
    ),
)
