"""The ranges of an InfrastructureConfig, among each other and against the Shoot's own.

Source: gardener, `pkg/utils/validation/cidr` (ValidateSubset, ValidateNotOverlap), as the
providers' `ValidateInfrastructureConfig` call it. What is not written is not missed here: a
manifest may be a part of one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import invalid, quoted
from dataplane.rules.gardener import cidrs
from dataplane.rules.gardener.cidrs import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Ranges that have to fit each other.

    `whole` is the VPC or VNet, `workers` are the nodes' subnets, `others` further subnets, such as
    the load balancers'; `nodes`, `pods`, `services` are those of the Shoot. None and empty: unknown.
    """

    whole: Range | None = None
    workers: tuple[Range, ...] = ()
    others: tuple[Range, ...] = ()
    nodes: Range | None = None
    pods: Range | None = None
    services: Range | None = None


def read(path: str, text: str | None) -> tuple[Range | None, list[Problem]]:
    """Read a CIDR: it must parse, and have no host bits."""
    if text is None:
        return None, []
    value, problems = cidrs.parse(path, text)
    if value is None:
        return None, provided(problems)
    found = Range(path=path, text=text, value=value)
    return found, provided(cidrs.canonical(path, text, value))


def of_family(found: Range, family: Family) -> list[Problem]:
    """Check that a range is of the only family that its place takes."""
    return provided(cidrs.family(found.path, found.value, (family,)))


def fit(layout: Layout) -> list[Problem]:
    """Check that subnets lie inside what they are cut from, and that nothing else overlaps."""
    subnets = (*layout.workers, *layout.others)
    virtual = _known(layout.pods, layout.services)
    problems = []
    if layout.nodes:
        problems += inside(layout.nodes, layout.workers)
    if layout.whole:
        problems += inside(layout.whole, _known(layout.nodes))
        problems += inside(layout.whole, subnets)
        problems += apart(layout.whole, virtual)
    problems += disjoint(subnets)
    for one in virtual:
        problems += apart(one, subnets)
    return problems


def inside(outer: Range, inners: Iterable[Range]) -> list[Problem]:
    """Check that each range is a subset of `outer`."""
    problems = []
    for inner in inners:
        one, other = outer.network, inner.network
        if (
            one.version == other.version
            and one.prefixlen <= other.prefixlen
            and cidrs.intersect(one, other)
        ):
            continue
        detail = f"must be a subset of {quoted(outer.path)} ({quoted(outer.text)})"
        remedy = f"choose a range inside {outer.text}, or a shorter prefix for {outer.path}"
        problems.append(_invalid(inner, detail, remedy))
    return problems


def apart(one: Range, others: Iterable[Range]) -> list[Problem]:
    """Check that no range shares an address with `one`; the error is put on the others."""
    problems = []
    for other in others:
        if not cidrs.intersect(one.network, other.network):
            continue
        detail = f"must not overlap with {quoted(one.path)} ({quoted(one.text)})"
        remedy = f"{other.text} and {one.text} share addresses; move one of them"
        problems.append(_invalid(other, detail, remedy))
    return problems


def disjoint(found: Sequence[Range]) -> list[Problem]:
    """Check that no two ranges share an address; the error is put on the later one."""
    return [problem for one, other in combinations(found, 2) for problem in apart(one, (other,))]


def provided(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems as the provider's: Gardener alone would not refuse this field."""
    return [replace(problem, source=Source.PROVIDER) for problem in problems]


def _known(*found: Range | None) -> tuple[Range, ...]:
    return tuple(one for one in found if one is not None)


def _invalid(found: Range, detail: str, remedy: str) -> Problem:
    return invalid(found.path, found.text, detail, source=Source.PROVIDER, remedy=remedy)
