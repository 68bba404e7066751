"""How much a problem weighs: who says so decides whether it makes an input invalid."""

from collections.abc import Sequence
from dataclasses import replace

from dataplane.model.problem import Problem, ProblemType, Severity, Source

_RECOMMENDING = frozenset({Source.SEED, Source.SIXSCOPE})


def weighed(problems: Sequence[Problem], *, strict: bool) -> tuple[Problem, ...]:
    """Return the problems with the severity that counts.

    Only what Gardener, Kubernetes or a provider refuses is an error. What the proposals and
    sixscope recommend is a warning at most, and an error where that is asked for (`strict`);
    what cannot be read stays an error.
    """
    return tuple(_weighed(problem, strict=strict) for problem in problems)


def _weighed(problem: Problem, *, strict: bool) -> Problem:
    if problem.source not in _RECOMMENDING or problem.type is ProblemType.UNREADABLE:
        return problem
    severity = Severity.ERROR if strict else Severity.WARNING
    if problem.severity in {Severity.INFO, severity}:
        return problem
    return replace(problem, severity=severity)


def is_valid(problems: Sequence[Problem]) -> bool:
    """Return whether no weighed problem is an error."""
    return all(problem.severity is not Severity.ERROR for problem in problems)


def is_unreadable(problems: Sequence[Problem]) -> bool:
    """Return whether something could not be read, so that it was not judged."""
    return any(problem.type is ProblemType.UNREADABLE for problem in problems)
