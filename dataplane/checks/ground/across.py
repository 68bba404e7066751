"""Who talks to whom between two clusters: pods of this one with pods of its neighbour, over IPv6."""

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import NamedTuple

from dataplane.model.plan import Plan, PodPlan

TO_NEIGHBOUR, FROM_NEIGHBOUR = "pod-neighbour", "neighbour-pod"


class Talk(NamedTuple):
    """A pod of one cluster, a pod of the other one, and the address that this one is reached by."""

    label: str
    source: PodPlan
    target: PodPlan
    address: IPv6Address


def talks(plan: Plan) -> Iterator[Talk]:
    """Yield who is to reach whom: every actor a pod of the neighbour, and those a pod of each node."""
    others = plan.neighbour.actors if plan.neighbour is not None else ()
    for number, pod in enumerate(plan.actors if others else ()):
        yield from _talk(TO_NEIGHBOUR, pod, others[number % len(others)])
    for other in others:
        for pod in {pod.node: pod for pod in reversed(plan.actors)}.values():
            yield from _talk(FROM_NEIGHBOUR, other, pod)


def _talk(label: str, source: PodPlan, target: PodPlan) -> Iterator[Talk]:
    for address in target.addresses:
        if isinstance(address, IPv6Address):
            yield Talk(label, source, target, address)
