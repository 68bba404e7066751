"""NetworkPolicies of a plan, and what they come to at each pod's interface."""

from collections.abc import Iterator
from dataclasses import replace

from dataplane.model.cluster import Cluster
from dataplane.model.plan import Plan, PodPlan
from dataplane.model.policy import Direction, Party, Policy, PolicyPeer, PolicyPort, PolicyRule
from dataplane.model.problem import InvalidInputError, Source
from dataplane.model.topology import PolicyFilter, PolicySpec
from dataplane.planning.wiring import host, interface_name
from dataplane.rules import policy as rules
from dataplane.rules.fielderror import forbidden
from dataplane.rules.gardener import blockcidrs
from dataplane.rules.members import NAMESPACE, members, party

ANY_PORT = (PolicyFilter(),)


def policies_of(cluster: Cluster) -> tuple[Policy, ...]:
    """Return the policies of a cluster, with those that Gardener makes of a Seed's blockCIDRs.

    InvalidInputError where they are of several namespaces: the pods of a lab are of one.
    """
    namespaces = sorted({policy.namespace for policy in cluster.policies})
    if len(namespaces) > 1:
        detail = f"policies of {len(namespaces)} namespaces ({', '.join(namespaces)})"
        remedy = "leave those of one namespace: the pods of a lab are all of one"
        source = Source.SIXSCOPE
        problem = forbidden("metadata.namespace", detail, remedy=remedy, source=source)
        raise InvalidInputError(cluster.name, [problem])
    made = blockcidrs.policies(cluster.blocked) if cluster.blocked else ()
    where = namespaces[0] if namespaces else NAMESPACE
    return (*cluster.policies, *(replace(policy, namespace=where) for policy in made))


def specs(plan: Plan) -> tuple[PolicySpec, ...]:
    """Return what every node enforces: one specification per pod and direction that is isolated."""
    if not plan.policies:
        return ()
    known = tuple(members(plan))
    return tuple(
        PolicySpec(
            namespace=pod.node,
            interface=interface_name(pod.name),
            direction=direction,
            allowed=tuple(
                dict.fromkeys(
                    found
                    for policy in isolating
                    for rule in policy.rules(direction) or ()
                    for found in _filters(rule, policy.namespace, known)
                )
            ),
        )
        for pod in plan.pods
        for direction in Direction
        if (isolating := rules.isolates(plan.policies, _selected(plan, pod), direction))
    )


def _selected(plan: Plan, pod: PodPlan) -> Party:
    return party(plan, pod, pod.addresses[0])


def _filters(rule: PolicyRule, namespace: str, known: tuple[Party, ...]) -> Iterator[PolicyFilter]:
    """Yield what one rule lets through: every peer at every port."""
    ports = tuple(map(_port, rule.ports)) or ANY_PORT
    if not rule.peers:
        yield from ports
        return
    for peer in rule.peers:
        for port in ports:
            for where in _peers(peer, namespace, known):
                yield replace(port, network=where.network, exceptions=where.exceptions)


def _peers(peer: PolicyPeer, namespace: str, known: tuple[Party, ...]) -> Iterator[PolicyFilter]:
    if peer.block is not None:
        yield PolicyFilter(network=peer.block.network, exceptions=peer.block.exceptions)
        return
    for member in known:
        if rules.is_peer(peer, namespace, member):
            yield PolicyFilter(network=host(member.address))


def _port(port: PolicyPort) -> PolicyFilter:
    if port.first is None:
        return PolicyFilter(protocol=port.protocol)
    return PolicyFilter(protocol=port.protocol, first=port.first, last=port.last or port.first)
