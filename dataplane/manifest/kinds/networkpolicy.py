"""NetworkPolicy (networking.k8s.io): its peers as kube-apiserver checks them, and a lint for IPv6.

`judge` is what `validate` says; `read` is what a lab enforces.
"""

import json
from collections.abc import Iterator

from dataplane.manifest import objects
from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.model.policy import (
    IPBlock,
    Operator,
    Policy,
    PolicyPeer,
    PolicyPort,
    PolicyProtocol,
    PolicyRule,
    Requirement,
    Selector,
)
from dataplane.model.problem import Source
from dataplane.rules import networkpolicy
from dataplane.rules.fielderror import forbidden, not_supported
from dataplane.rules.networkpolicy import Block, Peer, Rule

DIRECTIONS = {"ingress": "from", "egress": "to"}
NAMESPACE = "default"
PROTOCOLS: tuple[PolicyProtocol, ...] = ("tcp", "udp", "sctp")
OPERATORS: tuple[Operator, ...] = ("In", "NotIn", "Exists", "DoesNotExist")


def judge(case: Case) -> None:
    """Judge the peers of every rule; ports and selectors are not about networks."""
    before = len(case.top.problems)
    spec = case.top.section("spec")
    types = spec.texts("policyTypes")
    rules = {direction: tuple(_rules(spec, direction)) for direction in DIRECTIONS}
    if not objects.decoded(case.top, before):
        return
    known = _known(case.old) if case.old is not None else frozenset()
    for of_direction in rules.values():
        for rule in of_direction:
            for peer in rule.peers:
                spec.add(networkpolicy.check_peer(peer, known))
    for direction, of_direction in rules.items():
        if not types or direction.capitalize() in types:  # else its rules are of no effect
            spec.add(networkpolicy.unpaired(of_direction))


def _rules(spec: Section, direction: str) -> Iterator[Rule]:
    key = DIRECTIONS[direction]
    for rule in objects.mappings(spec, direction):
        ports = rule.values.get("ports")
        peers = tuple(_peer(section) for section in objects.mappings(rule, key))
        yield Rule(
            path=rule.at(key),
            peers=peers,
            ports=json.dumps(ports, sort_keys=True, default=str) if ports else "",
        )


def _peer(section: Section) -> Peer:
    selectors = sum(key in section for key in ("podSelector", "namespaceSelector"))
    block = section.section("ipBlock")
    if "ipBlock" not in section:
        return Peer(path=section.path, selectors=selectors)
    return Peer(
        path=section.path,
        selectors=selectors,
        block=Block(
            path=block.path,
            cidr=block.text("cidr") or "",
            exceptions=objects.filled(block.texts("except")),
        ),
    )


def read(top: Section) -> Policy:
    """Read a policy that was judged without errors; what a lab cannot have is one more problem.

    policyTypes that are left out are Ingress, and Egress where there are such rules.
    """
    spec = top.section("spec")
    metadata = top.section("metadata")
    types = spec.texts("policyTypes")
    if not types:
        types = ("Ingress", *(("Egress",) if spec.sections("egress") else ()))
    rules = {
        direction: tuple(_read_rule(rule, key) for rule in spec.sections(direction))
        for direction, key in DIRECTIONS.items()
        if direction.capitalize() in types
    }
    return Policy(
        name=metadata.text("name") or "",
        namespace=metadata.text("namespace") or NAMESPACE,
        pods=_selector(spec.section("podSelector")),
        ingress=rules.get("ingress"),
        egress=rules.get("egress"),
    )


def _read_rule(rule: Section, key: str) -> PolicyRule:
    return PolicyRule(
        peers=tuple(_read_peer(peer) for peer in rule.sections(key)),
        ports=tuple(_read_port(port) for port in rule.sections("ports")),
    )


def _read_peer(peer: Section) -> PolicyPeer:
    block = _peer(peer).block
    if block is not None and block.network is not None:
        parts = tuple(
            net for text in block.exceptions if (net := Block(path="", cidr=text).network)
        )
        return PolicyPeer(block=IPBlock(network=block.network, exceptions=parts))
    pods, namespaces = (
        _selector(peer.section(name)) if name in peer else None
        for name in ("podSelector", "namespaceSelector")
    )
    return PolicyPeer(pods=pods, namespaces=namespaces)


def _read_port(port: Section) -> PolicyPort:
    written = (port.text("protocol") or "TCP").lower()
    protocol = next((known for known in PROTOCOLS if known == written), None)
    if protocol is None:
        shown = [name.upper() for name in PROTOCOLS]
        where, remedy = port.at("protocol"), "write one of them"
        source = Source.KUBERNETES
        port.add([not_supported(where, written, shown, remedy=remedy, source=source)])
    if isinstance(port.values.get("port"), str):
        detail = "the pods of a lab have no named ports"
        remedy, source = "write the port's number", Source.SIXSCOPE
        port.add([forbidden(port.at("port"), detail, remedy=remedy, source=source)])
        return PolicyPort()
    return PolicyPort(
        protocol=protocol or "tcp", first=port.integer("port"), last=port.integer("endPort")
    )


def _selector(section: Section) -> Selector:
    labels = section.section("matchLabels")
    found = [
        Requirement(key=key, operator="In", values=(_value(labels, key),)) for key in labels.values
    ]
    for expression in section.sections("matchExpressions"):
        written = expression.text("operator") or ""
        operator = next((known for known in OPERATORS if known == written), None)
        if operator is None:
            where, remedy = expression.at("operator"), "write one of them"
            source = Source.KUBERNETES
            expression.add([not_supported(where, written, OPERATORS, remedy=remedy, source=source)])
            continue
        values = objects.filled(expression.texts("values"))
        key = expression.text("key") or ""
        found.append(Requirement(key=key, operator=operator, values=values))
    return Selector(requirements=tuple(found))


def _value(labels: Section, key: str) -> str:
    return labels.text(key) or ""


def _known(old: Section) -> frozenset[str]:
    """Return the CIDRs that the policy has already: they are not checked again."""
    spec = old.section("spec")
    rules = (rule for direction in DIRECTIONS for rule in _rules(spec, direction))
    return frozenset(text for rule in rules for block in rule.blocks for text in block.texts)


KIND = Kind(name="NetworkPolicy", groups=("networking.k8s.io",), judge=judge)
