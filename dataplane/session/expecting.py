"""Judging a node by what it says of itself, or by a manifest: the lab's checks, with a plan of what is known.

A plan of a node has the values that somebody vouches for and nothing else. A check that needs a value
which nobody gave is unknown, and names whose word lacks. Checks speak of the manifest, the one witness
that plans had before there were nodes; here they are given the place that said it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from dataplane.checks import checks
from dataplane.model.address import Address, Family, Network
from dataplane.model.answer import Answer, Finding, Judgement, State
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.evidence import Evidence
from dataplane.model.expected import Expected, Witness
from dataplane.model.node import NodeExpected, PodFacts
from dataplane.model.problem import Severity
from dataplane.model.proxy import ProxyPlan
from dataplane.model.seen import PacketSeen
from dataplane.model.view import Check, View
from dataplane.planning.workload import proxy_of
from dataplane.rules.nodeexpected import inside, outside, worded
from dataplane.session import podfamilies
from dataplane.session.nodeplan import plan_of
from dataplane.verify import judge

MOST_WAYS = 20_000
NEEDS: Mapping[str, tuple[str, ...]] = {
    "cluster-cidr-mismatch": ("families", "proxy"),
    "forwarding": ("families",),
    "ipv4-leak": ("families",),
    "listeners": ("families",),
    "masquerade": ("families",),
    "overlay": ("families", "node_ranges"),
    podfamilies.NAME: ("families",),
    "source-range": ("families", "pod_prefixes"),
}
"""The checks that need no stimuli, and one that only nodes have; and the values that each rests on, the decisive one last."""

POOLS = (
    "which parts of the pod range other nodes have is in the routes of the routers around them, which "
    "this node does not see"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One value that the node is judged by, and who said it; `missing` where nobody did."""

    kind: Literal["expected"] = "expected"
    name: str
    value: tuple[str, ...]
    source: Witness
    where: str
    missing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two sources that say different things of one value; the first one is believed."""

    kind: Literal["contradiction"] = "contradiction"
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The answer of a check on the node; `state` None where it has nothing to do here."""

    kind: Literal["answer"] = "answer"
    check: str
    state: State | None
    looked_at: int = 0
    reason: str = ""
    findings: tuple[Finding, ...] = ()


class Ways:
    """How packets of pods left the node: the first of each pod, destination and change of source."""

    def __init__(self, most: int = MOST_WAYS) -> None:
        self._most = most
        self._kept: dict[tuple[object, ...], tuple[PacketSeen, PacketSeen]] = {}

    def keep(self, pod: PacketSeen, out: PacketSeen) -> None:
        """Keep a packet as it left its pod and as it left the node, unless one like it is kept."""
        key = (pod.tap, pod.source, pod.destination, pod.destination_port, out.tap, out.source)
        if len(self._kept) < self._most:
            self._kept.setdefault(key, (pod, out))

    def changed(self) -> Iterator[tuple[PacketSeen, PacketSeen]]:
        """Yield those whose source was changed: as it left the pod, as it left the node."""
        yield from (way for way in self._kept.values() if way[0].source != way[1].source)

    def packets(self, services: Iterable[Address] = ()) -> tuple[PacketSeen, ...]:
        """Return the packets; of those that were sent on to others, only what was for `services`.

        Whoever does not know a Service cannot tell whether its packets may be masqueraded.
        """
        known = set(services)
        return tuple(
            packet
            for pod, out in self._kept.values()
            if pod.destination == out.destination or pod.destination in known
            for packet in (pod, out)
        )


def promises(expected: NodeExpected) -> Iterator[Promise | Contradiction]:
    """Yield every value with its source, then what sources do not agree on."""
    for field in fields(NodeExpected):
        value = getattr(expected, field.name)
        if isinstance(value, Expected):
            yield Promise(
                name=field.name,
                value=tuple(_texts(value.value)),
                source=value.source,
                where=value.where,
                missing=value.missing,
            )
    yield from (Contradiction(words=words) for words in expected.contradictions)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, tuple):
        yield from map(str, value)
    elif isinstance(value, ProxyPlan):
        ranges = f" {worded(value.cluster_cidrs)}" if value.cluster_cidrs else ""
        yield f"{value.mode}, pods told by {value.detect_local}{ranges}"
        if value.masquerade_all:
            yield "masqueradeAll"
    elif value is not None:
        yield str(value)


def by_manifest(expected: NodeExpected, cluster: Cluster, name: str) -> NodeExpected:
    """Return what a manifest says in the place of what the node says, and where the two differ.

    A node's own part of the pod range stays, as long as it lies in the manifest's range. `name` is
    the manifest's, for the words.
    """
    place = f"{name}: spec.networking"
    families = Expected(
        value=cluster.families, source=Witness.MANIFEST, where=f"{place}.ipFamilies"
    )
    nodes = _written(cluster.nodes, f"{place}.nodes") or expected.node_ranges
    ranges = _written(cluster.pods, f"{place}.pods") or expected.pod_ranges
    services = _written(cluster.services, f"{place}.services") or expected.service_ranges
    words = list(expected.contradictions)
    if expected.families.value and set(expected.families.value) != set(cluster.families):
        words.append(
            f"{expected.families.where} give pods {worded(expected.families.value)}, "
            f"{families.where} {worded(cluster.families)}"
        )
    prefixes = expected.pod_prefixes
    if ranges.source is Witness.MANIFEST:
        if told := list(outside(prefixes, ranges, "the manifest's")):
            words += told
            prefixes = ranges
        elif not prefixes.value:
            prefixes = ranges
    proxy = expected.proxy
    if ranges.source is Witness.MANIFEST and ranges.value:
        wanted = proxy_of(ranges.value, mode=cluster.proxy_mode)
        if proxy.value and proxy.value.mode != cluster.proxy_mode:
            words.append(
                f"{proxy.where} has kube-proxy's mode {proxy.value.mode}, {name} "
                f"{cluster.proxy_mode} (spec.kubernetes.kubeProxy.mode)"
            )
        if proxy.value and not all(
            any(inside(one, cidr) for cidr in proxy.value.cluster_cidrs) for one in ranges.value
        ):
            words.append(
                f"{proxy.where} has the clusterCIDR {worded(proxy.value.cluster_cidrs) or 'none'}, "
                f"which does not contain {worded(ranges.value)} ({ranges.where})"
            )
        proxy = Expected(value=wanted, source=Witness.MANIFEST, where=name)
    return replace(
        expected,
        families=families,
        node_ranges=nodes,
        pod_ranges=ranges,
        pod_prefixes=prefixes,
        service_ranges=services,
        proxy=proxy,
        contradictions=tuple(words),
    )


def _written(wishes: Iterable[RangeWish], where: str) -> Expected[tuple[Network, ...]] | None:
    """Return the ranges that are written as such; None where the manifest leaves them to others."""
    written = tuple(
        wish.network
        for wish in wishes
        if wish.strategy is Strategy.CIDR and wish.network is not None
    )
    return Expected(value=written, source=Witness.MANIFEST, where=where) if written else None


def answers(
    expected: NodeExpected,
    evidence: Evidence,
    pods: Iterable[PodFacts],
    explain: Callable[[str, Finding], Finding] = lambda _check, finding: finding,
) -> Iterator[Judged]:
    """Yield the answer of every check that can be asked on a node, by name.

    `evidence` needs no plan. `explain` adds to a check's finding what the node's own rules say of it.
    """
    known = (*checks(), podfamilies.CHECK)
    given = {check.name: check for check in known if check.name in NEEDS}
    lacking = {name: _lacking(expected, needs) for name, needs in NEEDS.items()}
    asked = [_at_home(given[name], expected, explain) for name in given if not lacking[name]]
    plan = plan_of(expected, evidence, pods)
    whole = replace(evidence, header=replace(evidence.header, plan=plan))
    answered, absent = judge(whole, asked)
    found = {answer.check: _judged(answer) for answer in answered}
    found |= {one.check: Judged(check=one.check, state=None, reason=one.reason) for one in absent}
    found |= {
        name: Judged(check=name, state=State.UNKNOWN, reason=reason)
        for name, reason in lacking.items()
        if reason
    }
    found["pool-size"] = Judged(check="pool-size", state=State.UNKNOWN, reason=POOLS)
    yield from (found[name] for name in sorted(found))


def _judged(answer: Answer) -> Judged:
    return Judged(
        check=answer.check,
        state=answer.state,
        looked_at=answer.looked_at,
        reason=answer.reason,
        findings=answer.findings,
    )


def _lacking(expected: NodeExpected, needs: Iterable[str]) -> str:
    """Return whose word lacks for a check, empty where nobody's does."""
    missing = (getattr(expected, name).missing for name in needs)
    return next(filter(None, missing), "")


def _at_home(
    check: Check, expected: NodeExpected, explain: Callable[[str, Finding], Finding]
) -> Check:
    """Return a check whose findings name the node's sources, and what its configuration intends."""
    source: Expected[object] = getattr(expected, NEEDS[check.name][-1])
    named = f"({source.source}: {source.where})"

    def own(view: View) -> Judgement:
        judgement = check.judge(view)
        return replace(
            judgement,
            findings=tuple(
                explain(check.name, _intended(check.name, _placed(finding, named), expected))
                for finding in judgement.findings
            ),
        )

    return replace(check, judge=own)


def _placed(finding: Finding, named: str) -> Finding:
    words = finding.expected
    for witness in (Witness.MANIFEST, Witness.NODE_FILE):
        words = words.replace(f"({witness})", named)
    return replace(finding, expected=words)


def _intended(check: str, finding: Finding, expected: NodeExpected) -> Finding:
    """Return a finding as a remark where the network plugin was told to do just that."""
    told = expected.masqueraded.value or ()
    if check != "masquerade" or Family.IPV6 not in told or finding.severity is not Severity.ERROR:
        return finding
    return replace(
        finding,
        severity=Severity.INFO,
        cause=f"{finding.cause}: so {expected.masqueraded.where} has it (ipMasq)",
        remedy=f"set ipMasq to false in {expected.masqueraded.where} where the pod prefix is routed",
    )
