"""What a fault is: a change to the topology before it is built. The seed picks the victim.

Faults are pure, so that the checks cannot learn of them by any other way than by packets: what
they return is built like any other topology.
"""

import importlib
import pkgutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from random import Random

from dataplane.model.address import Family
from dataplane.model.ingress import BalancerPlan
from dataplane.model.plan import LeasePlan, NodePlan, Plan, PodPlan
from dataplane.model.topology import Role, Ruleset, Topology
from labs import faults as package


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulted:
    """A topology with a fault in it, and the names that the findings should be about."""

    topology: Topology
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault. `applies` says why a plan gives it nothing to break, None when it does."""

    name: str
    title: str
    doc: str
    applies: Callable[[Plan], str | None]
    apply: Callable[[Topology, Plan, Random], Faulted]


def faults() -> dict[str, Fault]:
    """Return all faults by name; the package lists its own modules."""
    modules = (
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    )
    return {fault.name: fault for fault in sorted((m.FAULT for m in modules), key=lambda f: f.name)}


def always(_plan: Plan) -> None:
    """Every plan has something for this fault to break."""


def needs_nat64(plan: Plan) -> str | None:
    """Return why a plan without NAT64 gives the fault nothing to break."""
    return None if plan.nat64 else "the cluster has no NAT64: pods have IPv4, or do without"


def needs_node_nat64(plan: Plan) -> str | None:
    """Return why no node has a NAT64 of its own."""
    if plan.nat64 is None:
        return needs_nat64(plan)
    return None if plan.nat64.nodes else "the NAT64 is at the gateway (a scenario's `nat64`)"


def needs_dual_stack(plan: Plan) -> str | None:
    """Return why a single-stack plan gives the fault nothing to break."""
    return None if len(plan.families) > 1 else "the pods have one family only"


def needs_neighbour(plan: Plan) -> str | None:
    """Return why a plan without a second cluster gives the fault nothing to break."""
    return None if plan.neighbour else "the lab has one cluster only (a scenario's `second`)"


def needs_ingress(plan: Plan) -> str | None:
    """Return why nobody comes in from outside."""
    return None if plan.ingress else "no load balancer stands before the cluster"


def needs_egress_proxy(plan: Plan) -> str | None:
    """Return why nobody goes out by a proxy."""
    return None if plan.egress else "no egress proxy stands beside the cluster"


def needs_proxy_protocol(plan: Plan) -> str | None:
    """Return why there is no PROXY protocol that could be missing."""
    if plan.ingress is None:
        return needs_ingress(plan)
    return None if plan.ingress.proxy_protocol else "nobody has promised the PROXY protocol"


def old_balancers(plan: Plan) -> tuple[BalancerPlan, ...]:
    """Return the balancers that are left over from before a migration."""
    return tuple(b for b in plan.ingress.balancers if not b.named) if plan.ingress else ()


def needs_old_balancer(plan: Plan) -> str | None:
    """Return why no balancer is left over."""
    return needs_ingress(plan) or (
        None if old_balancers(plan) else "no balancer is left over from before a migration"
    )


def needs_resolving(plan: Plan) -> str | None:
    """Return why a plan leaves neighbour discovery nothing to resolve."""
    if Family.IPV6 not in plan.families:
        return "the cluster has no IPv6"
    return None if plan.neighbours == "resolved" else "all neighbours are permanent entries"


def needs_advertising(plan: Plan) -> str | None:
    """Return why no node of a plan listens to router advertisements."""
    if not any(node.address(Family.IPV6) for node in plan.nodes):
        return "the nodes have no IPv6"
    return None if plan.default_routes == "advertised" else "default routes are written down"


def needs_leases(plan: Plan) -> str | None:
    """Return why no node of a plan leases its address."""
    return None if plan.leases else "the nodes' IPv6 addresses are written down"


def leases_of(plan: Plan) -> LeasePlan:
    """Return who leases what; only where `needs_leases` has nothing to say."""
    if plan.leases is None:
        raise AssertionError("this fault applies to plans with leases only")
    return plan.leases


def needs_links(plan: Plan) -> str | None:
    """Return why a router cannot treat one node otherwise than another."""
    return "all nodes are on one network with the router" if plan.cloud.routers else None


def routers(topology: Topology) -> frozenset[str]:
    """Return the routers around the nodes, by name."""
    return frozenset(n.name for n in topology.namespaces if n.role is Role.FABRIC and not n.foreign)


def victim_pod(plan: Plan, random: Random) -> PodPlan:
    """Pick one of the pods that take part in stimuli."""
    return random.choice(plan.actors)


def victim_node(plan: Plan, random: Random) -> NodePlan:
    """Pick one of the nodes whose pods take part in stimuli."""
    return plan.node(random.choice(sorted({pod.node for pod in plan.actors})))


def victim_nat64(plan: Plan, random: Random) -> str:
    """Pick a NAT64: the gateway's, or that of one of the nodes whose pods take part in stimuli."""
    on_nodes = plan.nat64 is not None and plan.nat64.nodes
    return victim_node(plan, random).name if on_nodes else "gateway"


def without_aaaa(topology: Topology, names: Collection[str]) -> Topology:
    """Return the topology with a zone that has no AAAA record of these names."""
    authority = topology.authority
    records = tuple(r for r in authority.records if r.name not in names or r.type != "AAAA")
    return replace(topology, authority=replace(authority, records=records))


def with_ruleset(topology: Topology, namespace: str, *rules: str, chain: str) -> Topology:
    """Return the topology with an nftables chain of these rules in a table of its own.

    `chain` is the chain's declaration (`type filter hook forward priority -150`). The table is
    numbered, so that several faults may live in one namespace.
    """
    number = len(topology.rulesets)
    body = "\n    ".join((f"{chain};", *rules))
    text = f"table inet fault-{number} {{\n  chain rules {{\n    {body}\n  }}\n}}\n"
    ruleset = Ruleset(namespace=namespace, text=text)
    return replace(topology, rulesets=(*topology.rulesets, ruleset))
