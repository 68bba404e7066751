"""NetworkPolicy (networking.k8s.io): its peers as kube-apiserver checks them, and a lint for IPv6."""

import json
from collections.abc import Iterator

from dataplane.manifest import objects
from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.rules import networkpolicy
from dataplane.rules.networkpolicy import Block, Peer, Rule

DIRECTIONS = {"ingress": "from", "egress": "to"}


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


def _known(old: Section) -> frozenset[str]:
    """Return the CIDRs that the policy has already: they are not checked again."""
    spec = old.section("spec")
    rules = (rule for direction in DIRECTIONS for rule in _rules(spec, direction))
    return frozenset(text for rule in rules for block in rule.blocks for text in block.texts)


KIND = Kind(name="NetworkPolicy", groups=("networking.k8s.io",), judge=judge)
