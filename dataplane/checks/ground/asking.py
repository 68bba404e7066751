"""Questions to the cluster's resolver: who asks them, and what the stimulus of each is called."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from dataplane.checks.ground.policies import Permissions
from dataplane.model.plan import Plan, PodPlan
from dataplane.model.stimulus import Resolve, Stimulus


class Asked(Protocol):
    """A question: `label` is what it is good for, `type` the DNS type."""

    @property
    def label(self) -> str:
        """Return what the question is good for."""

    @property
    def name(self) -> str:
        """Return the name that is asked for."""

    @property
    def type(self) -> str:
        """Return the DNS type that is asked for."""


Q = TypeVar("Q", bound=Asked)


def turns(plan: Plan, questions: Sequence[Q]) -> Iterator[tuple[PodPlan, Q]]:
    """Yield who asks what: every question once on every node that has actors; these take turns.

    Who may not ask the resolver, as NetworkPolicies have it, has no turn.
    """
    permissions = Permissions.of(plan)
    for node in plan.nodes:
        actors = [pod for pod in node.pods if pod.actor and permissions.permits_dns(pod)]
        for number, question in enumerate(questions):
            if actors:
                yield actors[number % len(actors)], question


def resolves(
    check: str, asked: Iterable[tuple[PodPlan, Asked]], *, timeout: float
) -> tuple[Stimulus, ...]:
    """Return the stimuli that ask."""
    return tuple(
        Resolve(
            id=identifier(check, pod.name, question),
            check=check,
            pod=pod.name,
            name=question.name,
            type=question.type,
            label=question.label,
            timeout=timeout,
        )
        for pod, question in asked
    )


def identifier(check: str, pod: str, question: Asked) -> str:
    """Return what the stimulus is called in which a pod asks this."""
    return f"{check}/{pod}/{question.label}/{question.name}/{question.type}"
