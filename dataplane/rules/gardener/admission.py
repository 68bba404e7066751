"""The ranges of a Shoot against each other and against its seed's: ShootValidator's admission.

Sources: `plugin/pkg/shoot/validator/admission.go` (validateShootNetworks), and
`pkg/utils/validation/cidr/disjoint.go`. Ranges that do not parse are left to validation, though
upstream's NetworksIntersect takes them for overlapping.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from dataplane.model.address import Network
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import invalid, required
from dataplane.rules.gardener import reserved
from dataplane.rules.gardener.cidrs import intersect
from dataplane.rules.gardener.shoot import Range

ORDER = ("nodes", "services", "pods")  # of the errors about a seed's ranges
_WITHIN = (("pods", "services"), ("pods", "nodes"), ("services", "nodes"))


_Ranged = TypeVar("_Ranged", "SeedRange", Range)


class SeedRange(NamedTuple):
    """One of the seed's ranges: `kind` is nodes, pods or services, `text` is how it is written."""

    kind: str
    text: str
    network: Network


def missing(path: str, kind: str) -> Problem:
    """Return the error for `pods` or `services` that neither the Shoot nor its seed sets."""
    remedy = f"write {path}, or {kind} in the seed's spec.networks.shootDefaults"
    return required(path, f"{kind} is required", remedy=remedy)


def missing_v1_63(path: str, kind: str) -> list[Problem]:
    """Return what the first release with GEP-21 said about the same: it asked three times."""
    noun = kind.removesuffix("s")
    remedy = missing(path, kind).remedy
    again = required(path, f"shoot {noun} network is required", remedy=remedy)
    return [missing(path, kind), again, missing(path, kind)]


def within_shoot(ranges: Sequence[Range]) -> list[Problem]:
    """Check that pods, services and nodes are disjoint (`ValidateShootNetworkDisjointedness`).

    Upstream puts the error on services, and on pods where they meet the nodes.
    """
    problems = []
    for kind, other_kind in _WITHIN:
        for one in ranges:
            for other in ranges:
                if (one.kind, other.kind) != (kind, other_kind):
                    continue
                if not intersect(one.network, other.network):
                    continue
                blamed = other if kind == "pods" and other_kind == "services" else one
                detail = f"shoot {one.noun} network intersects with shoot {other.noun} network"
                remedy = (
                    f"{one.text} ({one.path}) and {other.text} ({other.path}) share addresses; "
                    "move one of them"
                )
                problems.append(invalid(blamed.path, blamed.text, detail, remedy=remedy))
    return problems


def from_seed(ranges: Iterable[Range], seed: Sequence[SeedRange]) -> list[Problem]:
    """Check ranges against the seed's and against the reserved ones.

    Equal IPv4 ranges are fine since v1.117: they are mapped on their way through the VPN.
    """
    problems = []
    for one in _in_order(ranges, ORDER):
        if one.network.version == 6:
            problems += [
                _meets_seed(one, other)
                for other in _in_order(seed, ("services", "pods", "nodes"))
                if intersect(other.network, one.network)
            ]
        problems += reserved.overlap(one.path, one.noun, one.text, one.network)
    return problems


def from_seed_v1_63(ranges: Iterable[Range], seed: Sequence[SeedRange]) -> list[Problem]:
    """Check ranges against the seed's as the first release with GEP-21 did, its slips included.

    Nodes could meet the seed's pods, and what met the seed's nodes was shown as the seed's range.
    """
    problems = []
    for one in _in_order(ranges, ORDER):
        nodes = one.kind == "nodes"
        order = {
            "nodes": ("nodes", "services"),
            "services": ("services", "pods", "nodes"),
            "pods": ("pods", "services", "nodes"),
        }[one.kind]
        for other in _in_order(seed, order):
            if intersect(other.network, one.network):
                shown = other.text if other.kind == "nodes" and not nodes else one.text
                problems.append(_meets_seed(one, other, shown))
        if intersect(reserved.VPN_V1_63.network, one.network):
            detail = f"shoot {one.noun} network intersects with {reserved.VPN_V1_63}"
            remedy = "choose a range outside of the VPN's"
            problems.append(invalid(one.path, one.text, detail, remedy=remedy))
    return problems


def _in_order(ranges: Iterable[_Ranged], kinds: Sequence[str]) -> list[_Ranged]:
    kept = tuple(ranges)
    return [one for kind in kinds for one in kept if one.kind == kind]


def _meets_seed(one: Range, other: SeedRange, shown: str | None = None) -> Problem:
    noun = other.kind.removesuffix("s")
    return invalid(
        one.path,
        shown or one.text,
        f"shoot {one.noun} network intersects with seed {noun} network",
        remedy=f"the seed's {other.kind} are {other.text}; choose a range outside of it",
    )


def other_family(path: str, family: str, seed_family: str) -> Problem:
    """Return the problem that a seed has not the Shoot's only family: GEP-21 leaves that out."""
    detail = f"the seed is {seed_family}, the Shoot {family}; GEP-21's first step has no such pair"
    remedy = f"choose a seed with ipFamilies: [{family}]"
    return invalid(path, family, detail, source=Source.SEED, remedy=remedy)
