"""`ipFamilies`, as Shoot, Seed and Network share it: `ValidateIPFamilies`."""

from collections.abc import Sequence

from dataplane.model.address import Family
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import (
    GoLiteral,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    quoted,
)

KNOWN = tuple(str(family) for family in Family)
DEFAULT = (str(Family.IPV4),)  # SetDefaults_Networking
_MOVES = frozenset({(("IPv4",), ("IPv4", "IPv6")), (("IPv4", "IPv6"), ("IPv4",))})


def check(
    path: str, families: Sequence[str], *, profile: str, gate: bool = True, package: str = "core"
) -> list[Problem]:
    """Check `ipFamilies`: known, no family twice; one error ends all further checks.

    GEP-21's first step had no dual-stack, and IPv6 only with its feature gate. `package` is that of
    the Go type, which the first step's errors show: `core`, or `v1alpha1` for extensions.
    """
    problems = []
    seen = set()
    for index, family in enumerate(families):
        where = f"{path}[{index}]"
        if family not in KNOWN:
            remedy = "write IPv4 or IPv6, in exactly this case"
            problems.append(not_supported(where, family, KNOWN, remedy=remedy))
        if family in seen:
            problems.append(duplicate(where, family, remedy="name each family once"))
        seen.add(family)
    if problems or profile != "gep21":
        return problems
    shown = go_slice(families, package)
    if len(families) > 1:
        detail = "dual-stack networking is not supported"
        remedy = "name one family, or judge by the profile `current`"
        problems.append(invalid(path, shown, detail, remedy=remedy))
    if families and families[0] == Family.IPV6 and not gate:
        detail = "IPv6 single-stack networking is not supported"
        remedy = "enable the feature gate IPv6SingleStack, or judge by the profile `current`"
        problems.append(invalid(path, shown, detail, remedy=remedy))
    return problems


def update(path: str, new: Sequence[str], old: Sequence[str], *, profile: str) -> list[Problem]:
    """Check a change of a Shoot's families: [IPv4] and [IPv4, IPv6] may follow each other."""
    before, after = tuple(old), tuple(new)
    if before == after:
        return []
    remedy = "keep the families; a cluster with other ones has to be made anew"
    if profile == "gep21":
        return [invalid(path, go_slice(after), "field is immutable", remedy=remedy)]
    if (before, after) in _MOVES:
        return []
    shown = [f"[{' '.join(names)}]" for names in (before, after)]
    detail = f"unsupported IP family update: oldIPFamilies={shown[0]}, newIPFamilies={shown[1]}"
    return [forbidden(path, detail, remedy=f"{remedy}; only IPv4 can be joined by IPv6")]


def go_slice(families: Sequence[str], package: str = "core") -> GoLiteral:
    """Return the families as Go prints the typed slice (%#v)."""
    return GoLiteral(f"[]{package}.IPFamily{{{', '.join(map(quoted, families))}}}")


def single(families: Sequence[str], family: Family) -> bool:
    """Tell whether `family` is the only one (`IsIPv4SingleStack`, `IsIPv6SingleStack`)."""
    return tuple(families or DEFAULT) == (family,)
