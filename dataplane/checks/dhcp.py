"""Every node's IPv6 address is a lease of the plan's DHCPv6 server, out of its pool, and no other node's.

Guards against: addresses that somebody gives twice, or that lead nowhere. Where pods and Services are
parts of the nodes' subnet ("Enable IPv4 & IPv6 Dualstack Support", OpenStack), DHCPv6 must serve a part of
it only: one lease in the range of the pods, and a node and a pod have the same address. A second server on
the network (RFC 7610 section 1) gives what nobody has planned, and wins with a higher preference. A node
whose filter takes a lease for unasked traffic has none, because the question was multicast and the answer
comes from an address that nobody asked. And many clients never ask where no router says that there is DHCPv6.

Looks at: the DHCPv6 messages at the nodes' uplinks (RFC 8415), with the addresses in them and who sent
them; the nodes' own addresses with their lifetimes, and what they have taken from router advertisements
(flag M, RFC 4861 section 4.2), as their kernels have it. Broken are an address that is offered, leased or
held outside of the allocation pool; a server that is not the plan's; a node that has no address, or one for
ever, which is no lease; an address that two nodes have; and a router that does not say flag M.

What to do: see to the range of the server that the finding names, or take it away, and let the network drop
what servers say that do not belong there (DHCPv6-Shield, RFC 7610). Where answers come and are not taken,
accept UDP to port 546 from fe80::/10 on the node.
"""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv6Address

from dataplane.checks.ground.ledger import Ledger
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import LeasePlan, NodePlan, Plan
from dataplane.model.seen import AddressSeen, DhcpMessage, DhcpSeen
from dataplane.model.stimulus import Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View

NAME = "dhcp"
OF_SERVERS = frozenset({DhcpMessage.ADVERTISE, DhcpMessage.REPLY})


def applies(plan: Plan) -> str | None:
    """Return why no node leases an address."""
    if plan.leases is None:
        return "the nodes' IPv6 addresses are written down, nobody leases them"
    return None


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: nodes ask for addresses by themselves."""
    return ()


class _Node:
    """What one node asked for, what it was told, and what it has."""

    def __init__(self, view: View, node: NodePlan, leases: LeasePlan) -> None:
        self.name, self.leases = node.name, leases
        uplinks = [tap for tap in view.at(Point.UPLINK) if tap.owner == node.name]
        taps = {tap.name for tap in uplinks}
        messages = [seen for seen in view.evidence.dhcp if seen.tap in taps]
        self.asked = [seen for seen in messages if seen.leaving and seen.message not in OF_SERVERS]
        self.told = [seen for seen in messages if not seen.leaving and seen.message in OF_SERVERS]
        interfaces = {tap.interface for tap in uplinks}
        self.held = [
            (seen, seen.address)
            for seen in view.evidence.addresses
            if seen.owner == node.name
            and seen.interface in interfaces
            and isinstance(seen.address, IPv6Address)
            and not seen.address.is_link_local
        ]

    @property
    def looked_at(self) -> int:
        """Return how much the kernel told of it."""
        return len(self.asked) + len(self.told) + len(self.held)

    def judge(self, ledger: Ledger) -> Iterator[str]:
        """Judge what it was told and what it has; yield what is not known."""
        for seen in self.told:
            self._judge_message(ledger, seen)
            if not seen.whole:
                yield f"{self.name}: the {seen.message} of {self._called(seen.source)} is cut off"
        for own, address in self.held:
            self._judge_address(ledger, own, address)
        if not self.held:
            self._judge_lack(ledger)
        elif not self.told:
            yield f"{self.name}: nobody was seen to lease it an address"

    def _judge_message(self, ledger: Ledger, seen: DhcpSeen) -> None:
        server = self._called(seen.source)
        for address in seen.addresses:
            evidence = f"{self.name}: {seen.message} of {server}, DUID {seen.server}: {address}"
            if address not in self.leases.pool:
                self._outside(ledger, server, address, evidence)
            elif seen.source != self.leases.link_local:
                ledger.add(
                    subject=self.name,
                    cause=f"a second DHCPv6 server is on the network: {server}",
                    expected=f"only {self._planned} leases addresses here",
                    seen=f"{server} gives {self.name} {address}",
                    remedy=f"take the server at {seen.source} away, or its messages (RFC 7610)",
                    evidence=evidence,
                )

    def _judge_address(self, ledger: Ledger, own: AddressSeen, address: IPv6Address) -> None:
        evidence = f"{self.name}: {address}/{own.length} dev {own.interface} valid {_span(own)}"
        if address not in self.leases.pool:
            givers = [seen.source for seen in self.told if address in seen.addresses]
            server = self._called(givers[-1]) if givers else "somebody who was not seen"
            self._outside(ledger, server, address, evidence)
        elif own.valid is None:
            ledger.add(
                subject=self.name,
                cause=f"the address of {self.name} is no lease: it stays for ever",
                expected=f"{self.name} leases its address from {self._planned}",
                seen=f"{self.name} has {address} without a lifetime",
                remedy=f"take {address} from {self.name}: the server may lease it to others",
                evidence=evidence,
            )

    def _outside(self, ledger: Ledger, server: str, address: IPv6Address, evidence: str) -> None:
        pool = self.leases.pool
        ledger.add(
            subject=self.name,
            cause=f"an address outside of the allocation pool comes from {server}",
            expected=f"{self.name} has an address of {pool}, the pool of DHCPv6",
            seen=f"{address}, which is not in {pool}",
            remedy=f"let {self._planned} lease {pool} only, and drop what other servers say",
            evidence=evidence,
        )

    def _judge_lack(self, ledger: Ledger) -> None:
        answers = [seen for seen in self.told if seen.addresses]
        if answers:
            server = self._called(answers[-1].source)
            cause = f"{self.name} does not take the answers of {server}"
            remedy = f"accept UDP to port 546 from fe80::/10 on {self.name}"
        elif self.told:
            server = self._called(self.told[-1].source)
            cause = f"{server} has no address for {self.name}"
            remedy = "see that the pool is not used up, and that the server knows the node"
        elif self.asked:
            cause = f"no DHCPv6 server answers {self.name}"
            remedy = f"see that {self._planned} runs, hears ff02::1:2 port 547, and knows the node"
        else:
            cause = f"{self.name} asks no DHCPv6 server"
            remedy = f"start a DHCPv6 client on {self.name}"
        ledger.add(
            subject=self.name,
            cause=cause,
            expected=f"{self.name} has an address of {self.leases.pool}, the pool of DHCPv6",
            seen=f"{self.name} has no IPv6 address but link-local ones",
            remedy=remedy,
            evidence=f"{self.name}: {len(self.asked)} messages to servers, {len(self.told)} from them",
        )

    @property
    def _planned(self) -> str:
        return self._called(self.leases.link_local)

    def _called(self, source: IPv6Address) -> str:
        """Return how a server is called that speaks from an address."""
        if source == self.leases.link_local:
            return f"{self.leases.server} ({source})"
        return f"{source}, which is no server of the plan"


def _span(own: AddressSeen) -> str:
    return "for ever" if own.valid is None else f"{own.valid} s"


def _shared(ledger: Ledger, nodes: list[_Node]) -> None:
    """Blame the nodes that have one address between them."""
    holders: defaultdict[IPv6Address, list[str]] = defaultdict(list)
    for node in nodes:
        for _, address in node.held:
            holders[address].append(node.name)
    for shared, names in holders.items():
        for name in names if len(names) > 1 else ():
            others = ", ".join(other for other in names if other != name)
            ledger.add(
                subject=name,
                cause=f"{others} has the same address",
                expected=f"{name} has an address of its own",
                seen=f"{shared} is an address of {name} and of {others}",
                remedy="release the address on all of them; leases go to one client (its DUID) each",
                evidence=f"{shared}: {', '.join(names)}",
            )


def _unsaid(view: View, ledger: Ledger) -> int:
    """Blame the router whose advertisements say nothing of DHCPv6; return what was looked at."""
    router = next(r.name for r in view.plan.cloud.routers if r.family is Family.IPV6)
    uplinks = {(tap.namespace, tap.interface) for tap in view.at(Point.UPLINK)}
    taken = [
        link
        for link in view.evidence.links
        if (link.owner, link.interface) in uplinks and link.managed is not None
    ]
    for link in taken:
        if not link.managed:
            ledger.add(
                subject=router,
                cause=f"{router} does not say that addresses come by DHCPv6",
                expected="flag M in its router advertisements: clients that wait for it ask nobody",
                seen="router advertisements without flag M (RFC 4861 section 4.2)",
                remedy=f"set flag M (radvd: AdvManagedFlag on) where {router} advertises itself",
                evidence=f"{link.owner}: {link.interface} has taken one without flag M",
            )
    return len(taken)


def judge(view: View) -> Judgement:
    """Judge leases and addresses of every node; see the module's text."""
    ledger = Ledger()
    doubts: list[str] = []
    leases = view.plan.leases
    if leases is None:
        raise AssertionError("a plan without leases has nothing to judge")
    read = {(r.probe, r.where) for r in view.evidence.reports if not r.blind}
    nodes = []
    for plan in view.plan.nodes:
        if plan.address(Family.IPV6) is None:
            continue
        unread = [what for what in ("addresses", "links") if (what, plan.name) not in read]
        doubts += [f"{plan.name}: its {what} were not read" for what in unread]
        if "addresses" in unread:
            continue
        node = _Node(view, plan, leases)
        nodes.append(node)
        doubts += node.judge(ledger)
    _shared(ledger, nodes)
    looked_at = _unsaid(view, ledger)
    return ledger.judgement(
        looked_at=looked_at + sum(node.looked_at for node in nodes), doubts=doubts
    )


CHECK = Check(
    name=NAME,
    title="nodes lease their addresses from the pool",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(
        Sight(probe="stamps", point=Point.UPLINK),
        Sight(probe="addresses"),
        Sight(probe="links"),
    ),
)
