"""What the IPv6 proposals recommend to the owner of a Shoot: information, never an error."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dataplane.manifest.shoot.networking import KNOWN, LISTS
from dataplane.manifest.shoot.spec import ShootSpec
from dataplane.model.address import Family
from dataplane.model.problem import Problem, ProblemType, Severity, Source
from dataplane.rules.fielderror import advice, invalid, quoted
from dataplane.rules.gardener.shoot import KINDS

REJECTED = {f"{kind}{suffix}": kind for kind in KINDS for suffix in ("V6", "IPv6")}


def unknown(shoot: ShootSpec, *, profile: str, strict: bool) -> None:
    """Report fields that a networking section does not have, and those that never came to be."""
    section = shoot.networking
    if section.values.keys() <= set(KNOWN):
        return
    lists = () if profile == "current" else LISTS
    special = [key for key in section.values if key in REJECTED or key in LISTS]
    section.unknown((*KNOWN, *lists, *special), strict=strict)
    severity = Severity.ERROR if strict else Severity.WARNING
    for key in special:
        if key in lists:
            continue
        kind = REJECTED.get(key) or key.removesuffix("CIDRs")
        path = section.at(key)
        remedy = f"{section.at(kind)} takes a range of either family, as ipFamilies says"
        if key in LISTS:
            remedy = f"write one CIDR in {section.at(kind)}; GEP-21's lists are for --profile gep21"
        detail = f"unknown field {quoted(key)}"
        problem = Problem(
            severity=severity,
            type=ProblemType.UNKNOWN_FIELD,
            field=path,
            detail=detail,
            message=f"{path}: {detail}",
            source=Source.SIXSCOPE,
            remedy=remedy,
        )
        section.problems.append(section.document.locate(problem, key=True))


def keywords_used(shoot: ShootSpec) -> list[Problem]:
    """Say that keywords are a proposal, where a whole Shoot has them."""
    detail = "keywords and tuples are a proposal; today's Gardener API refuses them"
    remedy = "for a Gardener of today, write one CIDR per field or leave the field out"
    path = shoot.networking.path
    return _information([advice(path, detail, remedy=remedy, source=Source.SEED)])


def families(shoot: ShootSpec, now: Sequence[Family], before: Sequence[str]) -> list[Problem]:
    """Say what the choice of families brings with it; `before` is empty for a new Shoot."""
    path = shoot.networking.at("ipFamilies")
    notes = []
    if len(now) > 1 and len(before) == 1:
        detail = (
            "the way to dual-stack rolls all nodes and restarts all pods: only then they have both "
            "families, and only then Services can have them"
        )
        remedy = (
            "wait for the constraint DualStackNodesMigrationReady before pods use IPv6; for "
            "incoming traffic alone a dual-stack load balancer is enough, without any migration"
        )
        notes.append(advice(path, detail, remedy=remedy, source=Source.SEED))
    elif len(now) > 1:
        detail = "dual-stack hides failures: what does not work over one family takes the other"
        remedy = (
            "for a new cluster go IPv6-only, with NAT64, DNS64 and 464XLAT for the IPv4 world; "
            "dual-stack belongs to load balancers and egress proxies"
        )
        notes.append(advice(path, detail, remedy=remedy, source=Source.SEED))
    return _information(notes)


def only_local(path: str, families: Sequence[Family], provider: str) -> Problem:
    """Return the problem that GEP-21's first step leaves IPv6 on this provider out."""
    detail = f"GEP-21's first step is for the local environment, provider {provider} has no IPv6"
    remedy = "judge by the profile `current`, or use provider local"
    return invalid(path, list(families), detail, remedy=remedy, source=Source.SEED)


def _information(notes: Iterable[Problem]) -> list[Problem]:
    return [replace(note, severity=Severity.INFO) for note in notes]
