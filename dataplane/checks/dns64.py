"""The resolver synthesizes AAAA records for IPv4-only names, and for no others (RFC 6147).

Guards against: DNS64 that is off, that uses another prefix than the NAT64, or that synthesizes
where it must not: names with an AAAA record of their own (section 5.1.1) would then take the detour
through NAT64, and A queries and missing names must stay as they are (sections 5.1.2 and 5.3.3). The
name ipv4only.arpa must give the prefix away (RFC 7050 section 3). Last, the registry of container
images that many manifests mean has no IPv6 (GEP-21): without synthesis no image of it can be pulled.

Looks at: the answers of the cluster's resolver, as clients in pods got them, and for each of them
the DNS packets at the pod's interface: an answer that the kernel did not see counts for nothing. A
query that stays unanswered is the network's doing where all others of its pod are unanswered too.

What to do: compare the resolver's DNS64 prefix with the NAT64's; see which of the two the manifest
means. With BIND the option is `dns64`, with unbound `dns64-prefix`, with CoreDNS the plugin dns64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from dataplane.checks.ground.answers import EMPTY, NXDOMAIN, Answers, addresses
from dataplane.checks.ground.asking import identifier, resolves, turns
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import GATEWAY
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address
from dataplane.model.answer import Judgement
from dataplane.model.plan import Plan
from dataplane.model.stimulus import Outcome, Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View
from dataplane.rules.images import WITHOUT_AAAA
from dataplane.rules.rfc6052 import embed

NAME = "dns64"
IPV4ONLY = "ipv4only.arpa"
REGISTRY = "registry"
IPV4ONLY_ADDRESSES = (
    IPv4Address("192.0.0.170"),
    IPv4Address("192.0.0.171"),
)  # RFC 7050 section 2.2
TIMEOUT_S = 0.8


def applies(plan: Plan) -> str | None:
    """Return why there is no DNS64 to judge."""
    return None if plan.nat64 else "the plan has no NAT64, so nothing is to be synthesized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question with its only right answer; `addresses` None means that the name must not exist."""

    label: str
    name: str
    type: str
    addresses: frozenset[Address] | None
    rule: str


def questions(plan: Plan) -> Iterator[Question]:
    """Yield what is asked of the resolver; the plan alone says what it must answer."""
    if plan.nat64 is None:
        return
    prefix = plan.nat64.prefix
    for server in plan.servers:
        real6 = frozenset(a for a in server.addresses if isinstance(a, IPv6Address))
        real4 = frozenset(a for a in server.addresses if isinstance(a, IPv4Address))
        name = server.dns_name
        if real6:
            rule = "a name with AAAA records keeps them and gets no others (RFC 6147 section 5.1.1)"
            yield Question(label="real", name=name, type="AAAA", addresses=real6, rule=rule)
            continue
        rule = (
            "an IPv4-only name gets its IPv4 addresses in the NAT64 prefix (RFC 6147 section 5.1.7)"
        )
        made = frozenset(embed(prefix, a) for a in real4)
        yield Question(label="synthesized", name=name, type="AAAA", addresses=made, rule=rule)
        rule = "an A query is answered as it is (RFC 6147 section 5.3.3)"
        yield Question(label="untouched", name=name, type="A", addresses=real4, rule=rule)
        rule = "a registry that has A records only is reached by NAT64 (GEP-21)"
        yield Question(label=REGISTRY, name=WITHOUT_AAAA, type="AAAA", addresses=made, rule=rule)
    rule = f"{IPV4ONLY} shows the NAT64 prefix (RFC 7050 section 3)"
    made = frozenset(embed(prefix, a) for a in IPV4ONLY_ADDRESSES)
    yield Question(label="prefix", name=IPV4ONLY, type="AAAA", addresses=made, rule=rule)
    for zone in sorted({s.dns_name.partition(".")[2] for s in plan.servers})[:1]:
        rule = "a name that does not exist stays so (RFC 6147 section 5.1.2)"
        name = f"nonexistent.{zone}"
        yield Question(label="missing", name=name, type="AAAA", addresses=None, rule=rule)


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return every question once from every node that has actors; these take turns."""
    return resolves(NAME, turns(plan, tuple(questions(plan))), timeout=TIMEOUT_S)


class _Bench:
    """One sitting: the answers that the kernel saw, and what the clients made of them."""

    def __init__(self, view: View, prefix: IPv6Network) -> None:
        self.view = view
        self.prefix = prefix
        sights = Sights(view)
        self.answers = Answers(view, sights)
        self.subject = GATEWAY  # where the resolver is, wherever the NAT64 sits
        self.ledger = Ledger()
        self.doubts: list[str] = []

    def judge(self, question: Question) -> None:
        """Judge one question over all pods that asked it."""
        replies = self.answers.replies(NAME, tuple(questions(self.view.plan)), question)
        self.doubts += replies.doubts
        for pod, outcome in replies.answered:
            self._compare(question, pod, outcome)
        if not replies.answered:
            self._silent(question, replies.silent)

    def _compare(self, question: Question, pod: str, outcome: Outcome) -> None:
        missing = question.addresses is None
        if missing and outcome.error == NXDOMAIN:
            return
        got = addresses(outcome)
        if not missing and outcome.error in EMPTY and got == question.addresses:
            return
        listed = ", ".join(outcome.answers) or (outcome.error or "no record")
        self.ledger.add(
            subject=self.subject,
            cause=self._cause(question, outcome, got),
            expected=f"{question.name} {question.type}: {_wanted(question)}; {question.rule}",
            seen=f"{question.name} {question.type}: {listed}",
            remedy=f"let the resolver's DNS64 use {self.prefix}, and only for names without AAAA",
            evidence=f"{pod} asked for {question.name} {question.type} and got {listed}",
        )

    def _cause(self, question: Question, outcome: Outcome, got: frozenset[Address]) -> str:
        """Say what DNS64 did, from what is in the answer."""
        cause = "the resolver's answers differ from the zones"
        if question.addresses is None:
            cause = "the resolver answers for names that do not exist"
        elif outcome.error == NXDOMAIN:
            cause = "the resolver denies names that exist"
        elif outcome.error not in EMPTY:
            cause = f"the resolver fails with {outcome.error}"
        elif question.label == "real" and got > question.addresses:
            cause = "DNS64 adds synthesized records to names that have AAAA records"
        elif question.label == REGISTRY and not got:
            cause = f"nothing can be pulled from {question.name}: no AAAA record, and none is made"
        elif question.label in {"synthesized", "prefix", REGISTRY}:
            foreign = _foreign_prefix(question.addresses, got)
            if foreign is not None:
                cause = f"DNS64 uses {foreign}, and the NAT64 serves {self.prefix}"
            elif not got and question.label != "prefix" and self._is_on():
                cause = f"DNS64 is on ({IPV4ONLY}), and synthesizes nothing for names outside"
            elif not got:
                cause = "DNS64 does not synthesize AAAA records"
        return cause

    def _is_on(self) -> bool:
        """Tell whether the well-known name got its records: then DNS64 is there, and not for all."""
        asked = tuple(questions(self.view.plan))
        found = (
            (question, self.view.outcomes.get(identifier(NAME, pod.name, question)))
            for pod, question in turns(self.view.plan, asked)
            if question.label == "prefix"
        )
        return any(out is not None and addresses(out) == q.addresses for q, out in found)

    def _silent(self, question: Question, silent: tuple[tuple[str, Outcome], ...]) -> None:
        """Judge a question that nobody got an answer to: the resolver's doing, or the network's."""
        for pod, outcome in silent:
            if self.answers.withheld(pod, outcome):
                self.ledger.add(
                    subject=self.subject,
                    cause=f"the resolver does not answer {question.type} queries for {question.name}",
                    expected=f"{question.name} {question.type}: {_wanted(question)}",
                    seen="no answer to any pod",
                    remedy="see whether the resolver runs and reaches its upstream",
                    evidence=f"{pod} asked and got no answer",
                )


def _wanted(question: Question) -> str:
    if question.addresses is None:
        return NXDOMAIN
    return ", ".join(map(str, sorted(question.addresses, key=int)))


def _foreign_prefix(wanted: frozenset[Address], got: frozenset[Address]) -> IPv6Network | None:
    """Return the /96 that the right IPv4 addresses were put into, when it is a wrong one."""
    low = {int(address) & 0xFFFFFFFF for address in wanted}
    for address in sorted(got - wanted, key=int):
        if isinstance(address, IPv6Address) and int(address) & 0xFFFFFFFF in low:
            return IPv6Network((address, 96), strict=False)
    return None


def judge(view: View) -> Judgement:
    """Judge the resolver's answers; see the module's text."""
    if view.plan.nat64 is None:
        return Judgement(looked_at=0)
    bench = _Bench(view, view.plan.nat64.prefix)
    for question in questions(view.plan):
        bench.judge(question)
    return bench.ledger.judgement(looked_at=bench.answers.packets, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="DNS64 synthesizes what it should, and nothing else",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="flows", point=Point.POD),
        Sight(probe="stamps", point=Point.POD),
    ),
)
