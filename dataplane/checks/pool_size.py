"""Every pod range that RangeAllocator cuts has blocks to count, to spare, and of one size for all.

Guards against: an IPv6 pool of more than 16 bits between pod range and node block, for which
kube-controller-manager stops with "New CIDR set failed; the node CIDR size is too big"
(cilium/cilium#20756, k3s-io/k3s#7888); a pool with no block left for the next node; and a node mask
that was changed later: nodes of before keep their larger blocks, and nodes of afterwards get parts
of them (kubernetes#70957), so that two nodes have the same addresses.

Looks at: the pools of the plan, and as evidence of the kernel the routes of the routers around the
nodes that lead into them, each to one node. A route to a node that is larger than a block, and takes
in another node's block, is such a leftover. Exactly 16 bits is taken by nodeipam, and no finding: the
advice to stay below is given by `plan` and `validate`. Ranges that a cloud, another controller or
the CNI cuts are not judged: nodeipam does not count them.

What to do: bits are mask minus prefix length, so choose a longer pod range or a shorter
nodeCIDRMaskSize, before there are nodes: neither can be changed later without replacing all nodes.
"""

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.routing import Routing, within, worded
from dataplane.model.answer import Judgement
from dataplane.model.cloud import Allocator, PodPool, PoolRule
from dataplane.model.plan import Plan
from dataplane.model.problem import Severity
from dataplane.model.seen import RouteSeen
from dataplane.model.stimulus import Stimulus
from dataplane.model.view import Check, Sight, View
from dataplane.rules.nodeipam import MAX_POOL_BITS, NO_CIDRS_REMAINING, SUBNET_TOO_BIG

NAME = "pool-size"
SPARE = 10
"""A pool is nearly used up when less than one in so many blocks is left."""


def applies(plan: Plan) -> str | None:
    """Return who cuts the pod ranges, where RangeAllocator does not."""
    if _ranged(plan):
        return None
    others = "; ".join(pool.explanation for pool in plan.pools)
    return f"RangeAllocator cuts no pod range: {others or 'the plan has no pool'}"


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: pools and routes are there whether packets come or not."""
    return ()


def _ranged(plan: Plan) -> tuple[PodPool, ...]:
    return tuple(pool for pool in plan.pools if pool.allocator is Allocator.RANGE)


class _Bench:
    """One sitting: the plan's pools, and the routes into them that lead to one node each."""

    def __init__(self, view: View) -> None:
        self.plan = view.plan
        self.routing = Routing(view.plan, view.evidence.routes)
        self.ledger = Ledger()
        self.looked_at = 0

    def judge(self, pool: PodPool) -> None:
        """Judge one pool; where no route into it was seen, nothing is known of it."""
        routes = [
            route
            for router in self.routing.routers
            for route in self.routing.of(router)
            if within(route.destination, pool.network)
            and pool.network.prefixlen < route.destination.prefixlen <= pool.mask_size
            and len(self.routing.nodes_of(route)) == 1
        ]
        self.looked_at += len(routes)
        if not routes:
            return
        self._judge_size(pool, routes)
        for route in routes:
            self._judge_block(pool, route)

    def _judge_size(self, pool: PodPool, routes: list[RouteSeen]) -> None:
        blocks, nodes = 1 << max(pool.bits, 0), len(self.plan.nodes)
        left = blocks - nodes
        told = f"{len(routes)} blocks of it are routed, such as {worded(routes[0])}"
        if pool.rule is PoolRule.TOO_LARGE:
            self.ledger.add(
                subject=pool.setter,
                cause=f"{pool.setter} cannot cut {pool.network}: {SUBNET_TOO_BIG}",
                expected=f"at most {MAX_POOL_BITS} bits between pod range and node block",
                seen=f"blocks of /{pool.mask_size} in {pool.network}: {pool.bits} bits",
                remedy="make the pod range longer, or the node mask shorter",
                evidence=told,
            )
        elif left * SPARE < blocks:
            rest = f"after {left} more nodes" if left > 0 else "with the next node"
            self.ledger.add(
                severity=Severity.WARNING,
                subject=pool.setter,
                cause=f"{pool.network} is used up {rest}: {NO_CIDRS_REMAINING}",
                expected=f"more than one block of {SPARE} is left for nodes to come",
                seen=f"{nodes} of {blocks} blocks of /{pool.mask_size} are in use",
                remedy="add a pod range, or plan the next cluster with a shorter one",
                evidence=told,
            )

    def _judge_block(self, pool: PodPool, route: RouteSeen) -> None:
        """Judge a block that is larger than the pool's: no block of another node may lie inside."""
        (node,) = self.routing.nodes_of(route)
        for other in self.plan.nodes:
            inside = [p for p in other.pod_prefixes if within(p, route.destination)]
            if other is node or not inside or route.destination.prefixlen >= pool.mask_size:
                continue
            self.ledger.add(
                subject=node.name,
                cause=f"the block of {node.name} takes in the blocks of other nodes",
                expected=f"a block of /{pool.mask_size} for {node.name}, of its own (manifest)",
                seen=f"{route.destination}, with {inside[0]} of {other.name} inside",
                remedy=f"replace {node.name}: a node keeps its podCIDRs as long as it lives",
                evidence=f"{route.owner}: {worded(route)} overlaps {inside[0]} of {other.name}",
            )


def judge(view: View) -> Judgement:
    """Judge every pool of RangeAllocator; see the module's text."""
    bench = _Bench(view)
    for pool in _ranged(view.plan):
        bench.judge(pool)
    return bench.ledger.judgement(looked_at=bench.looked_at)


CHECK = Check(
    name=NAME,
    title="pod ranges have blocks for every node",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe="routes"),),
)
