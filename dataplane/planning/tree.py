"""The address tree of a plan: every range, prefix and address, each inside the next larger one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Address, Family, Network
from dataplane.model.plan import Plan
from dataplane.planning.wiring import host

SHOWN = 12  # children of one kind under one parent; the others are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A network of the tree, or an address as its /32 or /128.

    `kind` is one of range, subnet, pool, node, pods, pod, clat, service, more. A branch of kind
    `more` stands for `more` networks like the one before it, and has no network of its own.
    """

    network: Network | None
    kind: str
    labels: tuple[str, ...]
    children: tuple["Branch", ...] = ()
    more: int = 0


@dataclass(slots=True)
class _Entry:
    network: Network
    kind: str
    labels: list[str]
    inside: "list[_Entry]"


def trees(plan: Plan, *, shown: int = SHOWN) -> dict[Family, tuple[Branch, ...]]:
    """Return the trees of the cluster's families, the primary one first; empty ones are left out."""
    found = {}
    for family in dict.fromkeys((*plan.families, *Family)):
        roots = _nested(
            [entry for entry in _entries(plan) if entry.network.max_prefixlen == family.bits]
        )
        if roots:
            found[family] = tuple(_branches(roots, shown))
    return found


def _entries(plan: Plan) -> Iterator[_Entry]:
    """Yield everything that has an address, from the large to the small."""
    for kind, networks in (
        ("nodes", plan.node_ranges),
        ("pods", plan.pod_ranges),
        ("services", plan.service_ranges),
    ):
        yield from _each(networks, "range", kind)
    for subnet in plan.cloud.subnets:
        label = f"{subnet.name}: {subnet.purpose}" if subnet.purpose != subnet.name else subnet.name
        yield _entry(subnet.network, "subnet", label)
        if subnet.pool is not None and subnet.pool != subnet.network:
            yield _entry(subnet.pool, "pool", "in use")
    for node in plan.nodes:
        yield from _each(node.pod_prefixes, "pods", f"pods of {node.name}")
        yield from _each((node.clat_prefix,), "clat", f"CLAT of {node.name}")
        yield from _each(node.addresses, "node", node.name)
    for pod in plan.pods:
        yield from _each(pod.addresses, "pod", pod.name)
        yield from _each((pod.clat_address,), "pod", f"{pod.name} (CLAT)")
    for service in plan.services:
        yield from _each(service.addresses, "service", f"{service.namespace}/{service.name}")
    yield from _each(plan.dns_addresses, "service", "cluster DNS")


def _each(values: Iterable[Address | Network | None], kind: str, label: str) -> Iterator[_Entry]:
    """Yield an entry for every value that is there."""
    return (_entry(value, kind, label) for value in values if value is not None)


def _entry(value: Address | Network, kind: str, label: str) -> _Entry:
    network = value if isinstance(value, IPv4Network | IPv6Network) else host(value)
    return _Entry(network=network, kind=kind, labels=[label], inside=[])


def _nested(entries: list[_Entry]) -> list[_Entry]:
    """Put entries into each other; what has one network is one entry with several labels."""
    roots: list[_Entry] = []
    open_entries: list[_Entry] = []
    for entry in sorted(entries, key=lambda e: (int(e.network[0]), e.network.prefixlen)):
        last = int(entry.network[-1])
        while open_entries and int(open_entries[-1].network[-1]) < last:
            open_entries.pop()
        if open_entries and open_entries[-1].network == entry.network:
            known = open_entries[-1].labels
            known += [_shortened(label, known) for label in entry.labels if label not in known]
            continue
        inside = open_entries[-1].inside if open_entries else roots
        inside.append(entry)
        open_entries.append(entry)
    return roots


def _shortened(label: str, known: list[str]) -> str:
    """Return a label without the name in front of its purpose, when that is there already."""
    name, _, purpose = label.partition(": ")
    return purpose if purpose and name in known else label


def _branches(entries: list[_Entry], shown: int) -> Iterator[Branch]:
    """Yield the branches of one parent, in the order of addresses, each kind cut after `shown`."""
    counts: dict[str, int] = {}
    hidden: dict[str, int] = {}
    for entry in entries:
        counts[entry.kind] = counts.get(entry.kind, 0) + 1
        if counts[entry.kind] > shown:
            hidden[entry.kind] = hidden.get(entry.kind, 0) + 1
            continue
        yield Branch(
            network=entry.network,
            kind=entry.kind,
            labels=tuple(entry.labels),
            children=tuple(_branches(entry.inside, shown)),
        )
    for kind, count in hidden.items():
        yield Branch(network=None, kind="more", labels=(kind,), more=count)
