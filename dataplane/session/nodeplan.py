"""A plan of one node, without a manifest: what somebody vouches for, and nothing else."""

from collections.abc import Iterable

from dataplane.checks.ground.places import crosses_networks
from dataplane.model.address import Address
from dataplane.model.evidence import Evidence
from dataplane.model.node import NODE, NodeExpected, PodFacts
from dataplane.model.plan import NodePlan, Plan, PodPlan
from dataplane.model.seen import AddressSeen
from dataplane.model.topology import Point


def plan_of(expected: NodeExpected, evidence: Evidence, pods: Iterable[PodFacts]) -> Plan:
    """Return a plan of one node and the pods that are watched, with the values that are known.

    Pods have the addresses that were seen in their namespaces, else those that somebody tells.
    """
    addresses = {pod.owner: pod.addresses for pod in pods} | _inside(evidence.addresses)
    owners = dict.fromkeys(tap.owner for tap in evidence.header.taps if tap.point is Point.POD)
    node = NodePlan(
        name=NODE,
        addresses=expected.addresses.value or (),
        pod_prefixes=expected.pod_prefixes.value or (),
        pods=tuple(
            PodPlan(name=owner, node=NODE, addresses=addresses.get(owner, ()), actor=True)
            for owner in owners
        ),
    )
    return Plan(
        name=NODE,
        families=expected.families.value or (),
        node_ranges=expected.node_ranges.value or (),
        pod_ranges=expected.pod_ranges.value or (),
        service_ranges=expected.service_ranges.value or (),
        nodes=(node,),
        services=(),
        dns_addresses=expected.dns.value or (),
        resolver=(),
        servers=(),
        proxy=expected.proxy.value,
    )


def _inside(seen: Iterable[AddressSeen]) -> dict[str, tuple[Address, ...]]:
    """Return the addresses by which others reach each owner."""
    found: dict[str, tuple[Address, ...]] = {}
    for each in seen:
        if crosses_networks(each.address):
            found[each.owner] = (*found.get(each.owner, ()), each.address)
    return found
