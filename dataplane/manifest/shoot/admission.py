"""A Shoot's ranges against each other, and against those of the seed it is meant for."""

from collections.abc import Iterator, Sequence

from dataplane.manifest.fields import Section
from dataplane.manifest.shoot.case import ShootCase
from dataplane.manifest.shoot.networking import Ranges
from dataplane.model.address import Family
from dataplane.model.problem import Problem
from dataplane.rules.gardener import admission, defaults
from dataplane.rules.gardener.admission import SeedRange
from dataplane.rules.gardener.shoot import KINDS, Range
from dataplane.rules.gocidr import parse_cidr


def admitted(case: ShootCase, ranges: Ranges) -> list[Problem]:
    """Return what admission says, with a seed if there is one."""
    found, problems = _completed(case, ranges)
    with_v4 = Family.IPV4 in ranges.families
    # the first release looked at the Shoot's own ranges once there was a seed, and at IPv6 as well
    if case.seed is not None if case.first_step else with_v4:
        problems += admission.within_shoot(found)
    if case.seed is not None and _scheduled(case):
        problems += _apart(case, case.seed, found, ranges.families)
    return problems


def seed_ranges(networks: Section) -> list[SeedRange]:
    """Return the ranges of a seed's networks, `spec.networks` of a Seed; what is unreadable is left out."""
    written = ((kind, networks.values.get(kind)) for kind in KINDS)
    return [
        SeedRange(kind, text, network)
        for kind, text in written
        if isinstance(text, str)
        for _, _, _, network in readable("", kind, [text])
    ]


def readable(path: str, kind: str, texts: Sequence[str]) -> Iterator[Range]:
    """Yield the ranges among some texts."""
    for text in texts:
        try:
            yield Range(path, kind, text, parse_cidr(text).network)
        except ValueError:
            continue


def _completed(case: ShootCase, ranges: Ranges) -> tuple[list[Range], list[Problem]]:
    """Return the ranges as the seed's `shootDefaults` complete them, and what is missing then.

    A seed without any is taken for an excerpt that asks for the validator alone: its mutator would
    draw Services for a workerless Shoot with IPv6 in any case.
    """
    found, problems = list(ranges.written), list[Problem]()
    if case.seed is None:
        return found, problems
    section = case.shoot.networking
    complete = "shootDefaults" in case.seed.section("spec").section("networks")
    filled = case.default_ranges(ranges.families) if complete else {}
    for kind in ("pods", "services"):
        path, text = section.at(kind), filled.get(kind)
        if kind in section or (kind == "pods" and case.workerless):
            continue
        if text is not None:
            found += readable(path, kind, [text])
        elif case.first_step:
            problems += admission.missing_v1_63(path, kind)
        elif Family.IPV4 in ranges.families or case.workerless:
            problems.append(admission.missing(path, kind))
    return found, problems


def _apart(
    case: ShootCase, seed: Section, found: Sequence[Range], families: Sequence[Family]
) -> list[Problem]:
    """Return where the Shoot's ranges meet the seed's or reserved ones."""
    networks = seed.section("spec").section("networks")
    theirs = seed_ranges(networks)
    if case.first_step:
        problems = admission.from_seed_v1_63(found, theirs)
        other = defaults.families(networks.texts("ipFamilies") or ())[0]
        if other != families[0]:
            path = case.shoot.networking.at("ipFamilies")
            problems.append(admission.other_family(path, families[0], other))
        return problems
    if Family.IPV4 not in families:
        return []
    problems = admission.from_seed(found, theirs)
    for path, texts in case.shoot.status.items():
        kind = path.rpartition(".")[2]
        if kind in KINDS:
            problems += admission.from_seed(readable(path, kind, texts), theirs)
    return problems


def _scheduled(case: ShootCase) -> bool:
    """Tell whether the Shoot gets this seed now; later changes are not held against its ranges."""
    if case.old is None:
        return True
    now, before = (one.spec.values.get("seedName") for one in (case.shoot, case.old))
    return now is None or now != before
