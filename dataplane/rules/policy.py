"""What NetworkPolicies let through: Kubernetes' documentation, "Network Policies", as a function.

A pod is isolated in a direction once a policy selects it there; then only what some policy's rule
allows gets through ("policies do not conflict; they are additive"). Both ends have to allow a
connection; answers to what is allowed are allowed implicitly. A pod cannot block access to itself.
An ipBlock is of one family: it says nothing of the other, and lets nothing of it through.
What the documentation leaves open is decided as Calico does it: a rule without ports is about every
protocol, one with ports about TCP, UDP or SCTP alone, and blocks are compared behind a Service's
destination NAT.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dataplane.model.policy import (
    Direction,
    IPBlock,
    Party,
    Policy,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    Requirement,
    Selector,
)
from dataplane.rules.networkpolicy import EVERYTHING_V4, EVERYTHING_V6, twin_exceptions
from dataplane.rules.sloppy import parse_sloppy_cidr

NAMESPACE_LABEL = "kubernetes.io/metadata.name"  # what every namespace is labelled with
ICMP = "icmp"  # of either family; no port of a policy can name it


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why a connection is denied at one end: these policies select the pod, and none allows it."""

    direction: Direction
    pod: str
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What policies make of a connection; `governed` are the pods that one selects for it."""

    denials: tuple[Denial, ...] = ()
    governed: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Return whether nobody denies it."""
        return not self.denials


def decide(
    policies: Iterable[Policy], source: Party, destination: Party, protocol: str, port: int
) -> Decision:
    """Decide about a connection from `source` to a `port` of `destination` (0 where it has none).

    `protocol` is tcp, udp, sctp or icmp. Addresses are those of the packet in the source's network
    stack and in the destination's: behind the destination NAT of Services, before any source NAT.
    """
    if source.is_pod and (source.namespace, source.name) == (
        destination.namespace,
        destination.name,
    ):
        return Decision()
    known = tuple(policies)
    denials: list[Denial] = []
    governed: list[str] = []
    for direction, pod, other in (
        (Direction.EGRESS, source, destination),
        (Direction.INGRESS, destination, source),
    ):
        isolating = isolates(known, pod, direction)
        if not isolating:
            continue
        governed.append(pod.name)
        if not any(
            _about(rule, policy, other) and _at(rule, protocol, port)
            for policy in isolating
            for rule in policy.rules(direction) or ()
        ):
            names = tuple(policy.name for policy in isolating)
            denials.append(Denial(direction=direction, pod=pod.name, policies=names))
    return Decision(denials=tuple(denials), governed=tuple(governed))


def isolates(policies: Iterable[Policy], pod: Party, direction: Direction) -> tuple[Policy, ...]:
    """Return the policies that select a pod for a direction; with one, the pod is isolated in it."""
    return tuple(
        policy
        for policy in policies
        if pod.namespace == policy.namespace
        and policy.rules(direction) is not None
        and selects(policy.pods, pod.labels)
    )


def selects(selector: Selector, labels: Iterable[str]) -> bool:
    """Tell whether labels (`key=value`) meet all requirements; NotIn is met by a missing key, too."""
    known = dict(label.split("=", 1) for label in labels)
    return all(_meets(requirement, known) for requirement in selector.requirements)


def is_peer(peer: PolicyPeer, namespace: str, party: Party) -> bool:
    """Tell whether a peer of a policy in `namespace` is this party."""
    if peer.block is not None:
        return party.address in peer.block
    if not party.is_pod:
        return False
    if peer.namespaces is None:
        near = party.namespace == namespace
    else:
        near = selects(peer.namespaces, (f"{NAMESPACE_LABEL}={party.namespace}",))
    return near and (peer.pods is None or selects(peer.pods, party.labels))


def completed(policy: Policy) -> Policy:
    """Return the policy with what it forgot of IPv6: ::/0 beside every 0.0.0.0/0 that is alone.

    GEP-21: policies that name 0.0.0.0/0 name ::/0 as well. Exceptions get those of IPv6 that stand
    for them, as the lint of `validate` proposes.
    """
    return replace(policy, ingress=_completed(policy.ingress), egress=_completed(policy.egress))


def forgets_ipv6(policy: Policy) -> bool:
    """Tell whether a policy opens all of IPv4 somewhere, and not IPv6."""
    return completed(policy) != policy


def has_ipv4_blocks_alone(policy: Policy, direction: Direction) -> bool:
    """Tell whether all that a policy lets through in a direction is blocks of IPv4."""
    rules = policy.rules(direction) or ()
    peers = [peer for rule in rules for peer in rule.peers]
    return (
        bool(peers)
        and all(rule.peers for rule in rules)
        and all(peer.block is not None and peer.block.network.version == 4 for peer in peers)
    )


def _completed(rules: tuple[PolicyRule, ...] | None) -> tuple[PolicyRule, ...] | None:
    if rules is None:
        return None
    opened = [rule.ports for rule in rules if _opens_ipv6(rule)]
    return tuple(
        rule if () in opened or rule.ports in opened else replace(rule, peers=(*_twinned(rule),))
        for rule in rules
    )


def _twinned(rule: PolicyRule) -> Iterator[PolicyPeer]:
    for peer in rule.peers:
        yield peer
        if peer.block is not None and peer.block.network == EVERYTHING_V4:
            listed, _ = twin_exceptions(map(str, peer.block.exceptions))
            parts = tuple(parse_sloppy_cidr(text).network for text in listed)
            yield PolicyPeer(block=IPBlock(network=EVERYTHING_V6, exceptions=parts))


def _opens_ipv6(rule: PolicyRule) -> bool:
    return not rule.peers or any(
        peer.block is not None and peer.block.network == EVERYTHING_V6 for peer in rule.peers
    )


def _about(rule: PolicyRule, policy: Policy, other: Party) -> bool:
    return not rule.peers or any(is_peer(peer, policy.namespace, other) for peer in rule.peers)


def _at(rule: PolicyRule, protocol: str, port: int) -> bool:
    return not rule.ports or any(_covers(known, protocol, port) for known in rule.ports)


def _covers(known: PolicyPort, protocol: str, port: int) -> bool:
    if known.protocol != protocol:
        return False
    return known.first is None or known.first <= port <= (known.last or known.first)


def _meets(requirement: Requirement, labels: dict[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
