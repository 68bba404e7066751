"""The range that kube-proxy tells pods by (its cluster-cidr) contains the pods' addresses.

Guards against: calls to ClusterIPs that are all masqueraded. kube-proxy takes a client outside of its
range for no pod of the cluster, and hides it behind the node: Services see nodes as their clients,
network policies and logs mean nothing, and every call costs a translation ("IPv6 for Gardener",
"Preventing NAT for PODs"). On AWS that is what a podCIDR does that is not the delegated prefix;
Gardener avoids it by passing the whole range of the VPC.

Looks at: the source of every flow that leaves a pod, against the range that kube-proxy is given for
that family. And at what kube-proxy does: a pod inside the range whose calls to ClusterIPs all reach
their endpoints from the node's address, while what it sends to others by the same node keeps its
own, is one that kube-proxy does not know, so that it runs with another range than is planned. A call
that comes back to the pod itself is always masqueraded and does not count.

What to do: compare --cluster-cidr of kube-proxy on the node with the pods' addresses, for each family
(the first CIDR of a family is the one that counts), and pass a range that contains them all.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from dataplane.checks.ground.exchanges import exchanges
from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import SERVICE_CONTINUITY, Places, crosses_networks
from dataplane.checks.ground.serving import Passage, Serving, passages
from dataplane.checks.ground.sights import Sights
from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.answer import Judgement
from dataplane.model.expected import Expected, Witness
from dataplane.model.plan import Plan
from dataplane.model.seen import FlowSeen
from dataplane.model.stimulus import Reach, Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View
from dataplane.rules.kubeproxy import Proxy, Row
from dataplane.rules.localdetector import LocalMode

NAME = "cluster-cidr-mismatch"
TIMEOUT_S = 1.0  # an answer is not judged here
BY_RANGE = frozenset({LocalMode.CLUSTER_CIDR, LocalMode.NODE_CIDR})
REMEDY = "pass kube-proxy a --cluster-cidr that contains the pods, one range per family"


def applies(plan: Plan) -> str | None:
    """Return why kube-proxy does not tell pods by their addresses here."""
    proxy = plan.proxy
    if proxy is None:
        return None
    if proxy.masquerade_all:
        return "masqueradeAll is set: kube-proxy hides every client of a ClusterIP on purpose"
    if proxy.detect_local not in BY_RANGE:
        return f"kube-proxy tells pods by {proxy.detect_local}, not by a range"
    if proxy.detect_local == LocalMode.CLUSTER_CIDR and not proxy.cluster_cidrs:
        return f"kube-proxy has no range to tell pods by (mode {proxy.mode})"
    return None


def stimuli(plan: Plan) -> tuple[Stimulus, ...]:
    """Return a TCP connect from every actor to every ClusterIP."""
    return tuple(
        Reach(
            id=f"{NAME}/{pod.name}/{service.name}/{family_of(address)}",
            check=NAME,
            pod=pod.name,
            target=str(address),
            port=service.port,
            family=family_of(address),
            label="pod-service",
            timeout=TIMEOUT_S,
        )
        for pod in plan.actors
        for service in plan.services
        for address in service.addresses
        if pod.address(family_of(address)) is not None
    )


@dataclass(slots=True)
class _Conduct:
    """What became of one pod's requests in one family: to Services and to others."""

    hidden: list[Passage] = field(default_factory=list)
    kept: int = 0
    direct_hidden: int = 0
    direct_kept: int = 0

    def is_strange(self) -> bool:
        """Tell whether only what went to Services was hidden, and all of it."""
        if not self.hidden or self.kept:
            return False
        return bool(self.direct_kept) and not self.direct_hidden


class _Bench:
    """One sitting: pods' addresses, and how kube-proxy treats them."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.places = Places(view.plan)
        self.sights = Sights(view)
        self.serving = Serving(view.plan, self.places, self.sights)
        self.ledger = Ledger()
        self.doubts: dict[str, None] = {}
        self.looked_at = 0
        self.conduct: defaultdict[tuple[str, Family], _Conduct] = defaultdict(_Conduct)

    def judge_flow(self, flow: FlowSeen) -> None:
        """Compare the source of what leaves a pod with the range."""
        tap = self.view.taps.get(flow.tap)
        node = None if tap is None else self.places.node_of(tap.owner)
        if tap is None or node is None or tap.point is not Point.POD or not self._bears(flow):
            return
        if tap.owner in self.view.plan.strangers:  # whose kube-proxy is another one
            return
        cidr = self._range(node, flow.family)
        if cidr is None:
            return
        self.looked_at += 1
        if flow.source not in cidr:
            self.ledger.add(
                subject=tap.owner,
                cause=f"kube-proxy's cluster-cidr does not contain {tap.owner} ({flow.family})",
                expected=f"a source inside {cidr}, {self._source()}",
                seen=f"source {flow.source}: {node} masquerades its calls to ClusterIPs",
                remedy=REMEDY,
                evidence=(
                    f"{flow.packets} packets, protocol {flow.protocol}, to "
                    f"{self.places.called(flow.destination)} port {flow.destination_port}"
                ),
            )

    def _bears(self, flow: FlowSeen) -> bool:
        """Tell whether a flow shows an address that kube-proxy may be asked with."""
        return (
            flow.leaving
            and flow.family in self.view.plan.families
            and crosses_networks(flow.source)
            and flow.source not in SERVICE_CONTINUITY
        )

    def watch(self, passage: Passage) -> None:
        """Note what a node did to a pod's request."""
        before = passage.before
        if passage.sender is None or not crosses_networks(before.destination):
            return
        conduct = self.conduct[passage.sender, before.family]
        target = self.serving.target(passage.node, before)
        if target is None:
            if not passage.translated and crosses_networks(before.source):
                conduct.direct_hidden += passage.hidden
                conduct.direct_kept += not passage.hidden
            return
        expected = self._expected(passage.node, before.family)
        if expected.value is None or not passage.translated:
            return
        self.looked_at += 1
        ruling = self.serving.ruling(expected.value, target, passage)
        if ruling.row is not Row.CLUSTER_IP_LOCAL:
            return
        if passage.hidden and self._is_own(passage.node, passage.after.source):
            conduct.hidden.append(passage)
        elif not passage.hidden:
            conduct.kept += 1

    def judge_conduct(self) -> None:
        """Find the pods that kube-proxy treats like strangers, though its range should hold them."""
        for (pod, family), conduct in self.conduct.items():
            if not conduct.is_strange():
                continue
            node = conduct.hidden[0].node
            for passage in conduct.hidden:
                before, after = passage.before, passage.after
                self.ledger.add(
                    subject=pod,
                    cause=f"kube-proxy on {node} does not take {pod} for a pod ({family})",
                    expected=f"calls to ClusterIPs from {before.source}: it is inside "
                    f"{self._range(node, family)}, {self._source()}",
                    seen=f"{len(conduct.hidden)} of {len(conduct.hidden)} calls come from "
                    f"{after.source}, the address of {node}; what {pod} sends to others does not",
                    remedy=REMEDY,
                    evidence=(
                        f"{before.packet} to {self.places.called(before.destination)}: "
                        f"{before.source} became {after.source} on the way to "
                        f"{self.places.called(after.destination)}"
                    ),
                )

    def _range(self, node: str, family: Family) -> Network | None:
        proxy = self._expected(node, family).value
        return None if proxy is None else proxy.detector.cidr

    def _expected(self, node: str, family: Family) -> Expected[Proxy]:
        expected = self.serving.expected(node, family)
        if expected.value is None:
            self.doubts[expected.missing] = None
        return expected

    def _source(self) -> str:
        proxy = self.view.plan.proxy
        source = Witness.UNKNOWN if proxy is None else proxy.source
        return f"the range that kube-proxy is given ({source})"

    def _is_own(self, node: str, address: Address) -> bool:
        place = self.places.node_named(node)
        return place is not None and address in place.addresses


def judge(view: View) -> Judgement:
    """Judge pods' addresses by the range, and kube-proxy by what it does to them."""
    bench = _Bench(view)
    for flow in view.evidence.flows:
        bench.judge_flow(flow)
    for exchange in exchanges(view):
        if not exchange.request.ambiguous:
            for passage in passages(exchange.request, bench.sights, bench.places):
                bench.watch(passage)
    bench.judge_conduct()
    return bench.ledger.judgement(looked_at=bench.looked_at, doubts=bench.doubts)


CHECK = Check(
    name=NAME,
    title="kube-proxy's cluster-cidr contains the pods",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="flows", point=Point.POD),
        Sight(probe="stamps", point=Point.POD),
        Sight(probe="stamps", point=Point.UPLINK),
    ),
)
