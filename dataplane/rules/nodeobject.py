"""What the API server says of a node, put beside what the node itself has.

Source: Kubernetes' core/v1 Node (`metadata.name`, `spec.podCIDR`, `spec.podCIDRs`, `status.addresses`)
and List. A node's part of the pod range is decided there (kube-controller-manager's nodeipam, or a
controller on the node): where it names one, its word goes before the network plugin's.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.expected import Expected, Witness
from dataplane.model.node import NodeExpected, NodeFacts
from dataplane.rules.nodeexpected import outside, worded

MANAGER = "arguments of kube-controller-manager"
IP_TYPES = frozenset({"InternalIP", "ExternalIP"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeObject:
    """A Node as far as networks go. `where` is the file or address that it comes from."""

    name: str
    where: str
    pod_cidrs: tuple[Network, ...] = ()
    addresses: tuple[Address, ...] = ()


def objects(document: object, where: str) -> tuple[NodeObject, ...]:
    """Return the Nodes in a document of the API: one, or a list of them; ValueError when none is there."""
    whole = document if isinstance(document, dict) else {}
    items = whole.get("items")
    given = items if isinstance(items, list) else [whole]
    found = tuple(
        _object(item, where)
        for item in given
        if isinstance(item, dict) and item.get("kind", whole.get("kind")) in ("Node", "NodeList")
    )
    if not found:
        kind = whole.get("kind", "something without a kind")
        raise ValueError(
            f"{where} has no Node in it, but {kind}; write `kubectl get node NAME -o json`"
        )
    return found


def own(nodes: Iterable[NodeObject], facts: NodeFacts, name: str) -> NodeObject:
    """Return the Node that this machine is: by its addresses, else by its name.

    ValueError with what was there when it is none of them.
    """
    given = tuple(nodes)
    here = set(facts.addresses)
    for node in given:
        if here & set(node.addresses):
            return node
    for node in given:
        if node.name == name and not node.addresses:
            return node
    shown = "; ".join(f"{node.name} ({worded(node.addresses) or 'no address'})" for node in given)
    raise ValueError(
        f"this machine ({worded(facts.addresses) or 'no address'}, {name}) is none of the Nodes in "
        f"{given[0].where}: {shown}"
    )


def by_object(expected: NodeExpected, facts: NodeFacts, node: NodeObject) -> NodeExpected:
    """Return what the API server says in the place of what the node says, and where the two differ."""
    words = list(expected.contradictions)
    absent = [one for one in node.addresses if one not in facts.addresses]
    if absent:
        words.append(
            f"Node {node.name} has the addresses {worded(absent)} ({node.where}), which no interface "
            "of this machine has"
        )
    if not node.pod_cidrs:
        words += _unallocated(facts, node)
        return replace(expected, contradictions=tuple(words))
    where = f"Node {node.name}: spec.podCIDRs ({node.where})"
    prefixes = Expected(value=node.pod_cidrs, source=Witness.KUBE_API, where=where)
    families = tuple(dict.fromkeys(map(family_of, node.pod_cidrs)))
    words += _against(expected, facts, prefixes, families)
    return replace(
        expected,
        families=Expected(value=families, source=Witness.KUBE_API, where=where),
        pod_prefixes=prefixes,
        contradictions=tuple(dict.fromkeys(words)),
    )


def _unallocated(facts: NodeFacts, node: NodeObject) -> Iterator[str]:
    """Yield in words why a Node may have no part of the pod range."""
    for word in facts.control_plane:
        allocates = str(word.content.get("allocate-node-cidrs", "false")).lower() == "true"
        if word.where.startswith(MANAGER) and not allocates:
            yield (
                f"{word.where} lack --allocate-node-cidrs, and Node {node.name} has no podCIDRs "
                f"({node.where})"
            )


def _against(
    expected: NodeExpected,
    facts: NodeFacts,
    prefixes: Expected[tuple[Network, ...]],
    families: tuple[Family, ...],
) -> Iterator[str]:
    """Yield in words what the node has otherwise."""
    told = expected.pod_prefixes
    if told.value and set(told.value) != set(prefixes.value or ()):
        yield (
            f"{told.where} gives this node's pods {worded(told.value)}, {prefixes.where} "
            f"{worded(prefixes.value or ())}"
        )
    elif (
        not told.value and expected.families.value and set(expected.families.value) != set(families)
    ):
        yield (
            f"{expected.families.where} have {worded(expected.families.value)}, {prefixes.where} "
            f"{worded(families)}"
        )
    if expected.pod_ranges.value:
        yield from outside(prefixes, expected.pod_ranges, "the cluster's")
    for pod in facts.pods:
        for address in pod.routed:
            if not any(address in prefix for prefix in prefixes.value or ()):
                yield (
                    f"the node routes {address} to {pod.owner} ({pod.interface}), outside of "
                    f"{worded(prefixes.value or ())} ({prefixes.where})"
                )


def _object(item: Mapping[str, object], where: str) -> NodeObject:
    spec, metadata, status = (_section(item, name) for name in ("spec", "metadata", "status"))
    cidrs = spec.get("podCIDRs") or [spec.get("podCIDR")]
    listed = status.get("addresses")
    return NodeObject(
        name=str(metadata.get("name", "")),
        where=where,
        pod_cidrs=tuple(_networks(cidrs)),
        addresses=tuple(_addresses(listed if isinstance(listed, list) else ())),
    )


def _section(item: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _networks(texts: object) -> Iterator[Network]:
    for text in texts if isinstance(texts, list) else ():
        with suppress(ValueError):
            if isinstance(text, str):
                yield ip_network(text, strict=False)


def _addresses(listed: Iterable[object]) -> Iterator[Address]:
    for entry in listed:
        if isinstance(entry, dict) and entry.get("type") in IP_TYPES:
            with suppress(ValueError):
                yield ip_address(str(entry.get("address")))
