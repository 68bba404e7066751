"""Ranges that must not overlap, and fields that must not change, as Seed and Network share them.

Sources: `pkg/utils/validation/cidr/{cidr,helper}.go`, and ValidateImmutableField of apimachinery.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from dataplane.model.address import Family
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import GoLiteral, invalid, quoted
from dataplane.rules.gardener import cidrs, ipfamilies
from dataplane.rules.gardener.cidrs import Range


def read(written: Iterable[tuple[str, str]]) -> tuple[list[Range], list[Problem]]:
    """Read (path, text) pairs (`ValidateCIDRParse`); only what can be read is a Range."""
    ranges, problems = [], []
    for path, text in written:
        value, wrong = cidrs.parse(path, text)
        problems += wrong
        if value is not None:
            ranges.append(Range(path=path, text=text, value=value))
    return ranges, problems


def wrong_family(ranges: Iterable[Range], families: Sequence[Family]) -> list[Problem]:
    """Check that ranges have the one family there is; of two, either will do."""
    return [problem for one in ranges for problem in cidrs.family(one.path, one.value, families)]


def overlaps(ranges: Sequence[Range]) -> list[Problem]:
    """Check every range against all before it; the later one is blamed (`ValidateCIDROverlap`)."""
    return [problem for one, other in combinations(ranges, 2) for problem in apart(one, [other])]


def apart(kept: Range, others: Iterable[Range]) -> list[Problem]:
    """Check that no other range meets `kept` (`ValidateNotOverlap`)."""
    return [
        invalid(
            other.path,
            other.text,
            f"must not overlap with {quoted(kept.path)} ({quoted(kept.text)})",
            remedy=f"{other.network} and {kept.network} share addresses; move one of them",
        )
        for other in others
        if cidrs.intersect(kept.network, other.network)
    ]


def go_families(families: Sequence[str], package: str = "core") -> GoLiteral:
    """Return ipFamilies as Go prints the typed slice, which is nil where there are none."""
    if not families:
        return GoLiteral(f"[]{package}.IPFamily(nil)")
    return ipfamilies.go_slice(families, package)


def immutable(path: str, new: object, old: object, *, shown: object = None) -> list[Problem]:
    """Check that a field stays as it is; `shown` is how the new value is printed, if not as such."""
    if new == old:
        return []
    value = new if shown is None else shown
    kept = f"keep {quoted(old[:63])}" if isinstance(old, str) and old else "keep what there was"
    remedy = f"{kept}; another value needs a new object"
    return [invalid(path, "null" if value is None else value, "field is immutable", remedy=remedy)]
