"""`spec.networking` to range wishes: plain CIDRs, GEP-21's lists and the proposal's keywords."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dataplane.manifest.fields import Section
from dataplane.manifest.shoot.spec import ShootSpec
from dataplane.model.address import Family
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import Problem, Source
from dataplane.rules import keywords
from dataplane.rules.fielderror import advice, invalid
from dataplane.rules.gardener import cidrs, ipfamilies
from dataplane.rules.gardener.shoot import KINDS, Range
from dataplane.rules.keywords import Written

LISTS = tuple(f"{kind}CIDRs" for kind in KINDS)
KNOWN = ("type", "providerConfig", *KINDS, "ipFamilies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """The families and the wishes of a `networking` section; `written` are its CIDRs."""

    families: tuple[Family, ...]
    written: tuple[Range, ...]
    nodes: tuple[RangeWish, ...] = ()
    pods: tuple[RangeWish, ...] = ()
    services: tuple[RangeWish, ...] = ()

    def of(self, kind: str) -> tuple[RangeWish, ...]:
        """Return the wishes of a kind."""
        wishes: tuple[RangeWish, ...] = getattr(self, kind)
        return wishes


def place(section: Section, problems: Iterable[Problem]) -> None:
    """Take problems in; where one knows its character, its column is where that stands."""
    for problem in problems:
        section.add([problem])
        located = section.problems[-1]
        if problem.column is not None and located.column is not None:
            column = located.column + problem.column - 1
            section.problems[-1] = replace(located, column=column)


def read(
    shoot: ShootSpec, *, profile: str, gate: bool, building: bool
) -> tuple[Ranges | None, list[Problem]]:
    """Read the ranges and say what is wrong; None where the families leave no way to go on.

    Who is not `building` gets the wishes only where there is something to say about them.
    """
    section = shoot.networking
    if shoot.families is None:
        return None, []
    declared = shoot.families
    problems = ipfamilies.check(section.at("ipFamilies"), declared, profile=profile, gate=gate)
    if problems:  # upstream goes no further either
        return None, problems
    written = {kind: _values(section, kind, profile) for kind in KINDS}
    words = profile == "proposal" and any(
        listed or any(map(keywords.is_proposal, values)) for values, listed in written.values()
    )
    families = tuple(Family(name) for name in declared)
    if not families and not words:
        families = (Family.IPV4,)
    answers = {}
    for kind, (values, listed) in written.items():
        field = keywords.Field(
            path=section.at(kind),
            kind=kind,
            families=families,
            provider=shoot.provider or "local",
            plain=profile != "proposal",
        )
        answers[kind] = keywords.read(field, values, listed=listed)
        problems += answers[kind].problems
    if not families:
        families, note = _derived(section, answers)
        problems.append(note)
    if profile != "current":
        lists, wrong = _lists(section, families, plain=profile == "gep21")
        answers |= lists
        problems += wrong
    cidrs_written = tuple(found for kind in KINDS for found in answers[kind].ranges)
    if not building and not words:
        return Ranges(families=families, written=cidrs_written), problems
    wishes = {}
    for kind in KINDS:
        wishes[kind], wrong = _wishes(
            section, kind, answers[kind], families, declared=bool(declared) or not words
        )
        problems += wrong
    problems += _from_node(section, wishes["nodes"], wishes["pods"])
    return Ranges(families=families, written=cidrs_written, **wishes), problems


def _values(section: Section, kind: str, profile: str) -> tuple[tuple[str, ...], bool]:
    """Return what is written for `kind`, and whether it is a list, which only the proposal knows."""
    if profile == "proposal" and isinstance(section.values.get(kind), list):
        return section.texts(kind) or (), True
    value = section.text(kind)
    return ((value,) if value is not None else ()), False


def _derived(
    section: Section, answers: Mapping[str, Written]
) -> tuple[tuple[Family, ...], Problem]:
    """Return the families that the keywords speak of; the pods decide, GEP-21 wants them said."""
    for kind in ("pods", "services", "nodes"):
        families = tuple(dict.fromkeys(wish.family for wish in answers[kind].wishes))
        if len(families) == 1 and answers[kind].custom:
            families += (families[0].other,)
        if families:
            break
    else:
        families = (Family.IPV4,)
    names = ", ".join(families)
    detail = f"ipFamilies is not set; taken as [{names}] from the keywords"
    remedy = f"write ipFamilies: [{names}]"
    return families, advice(section.at("ipFamilies"), detail, remedy=remedy, source=Source.SEED)


def _lists(
    section: Section, families: tuple[Family, ...], *, plain: bool
) -> tuple[dict[str, Written], list[Problem]]:
    """Read GEP-21's lists: two entries, the primary family's first and equal to the single field."""
    answers, problems = {}, []
    for kind, key in zip(KINDS, LISTS, strict=True):
        values = section.texts(key)
        if values is None:
            continue
        path = section.at(key)
        field = keywords.Field(path=path, kind=kind, families=families, plain=plain)
        answers[kind] = keywords.read(field, values, listed=True)
        problems += [replace(found, source=Source.SEED) for found in answers[kind].problems]
        if len(values) != 2:
            remedy = "one entry per family, the primary family first"
            problems.append(_seed(path, list(values), "must have two entries", remedy))
        single = section.values.get(kind)
        if values and isinstance(single, str) and single != values[0]:
            detail = f"the first entry must equal {section.at(kind)}"
            problems.append(_seed(f"{path}[0]", values[0], detail, f"write {single} first"))
        if (
            len(values) == 2
            and len(families) == 2
            and _family(values[0]) not in {None, families[0]}
        ):
            detail = f"the primary family {families[0]} must be first, as in ipFamilies"
            problems.append(_seed(f"{path}[0]", values[0], detail, "swap the entries"))
    return answers, problems


def _wishes(
    section: Section,
    kind: str,
    answer: Written,
    families: tuple[Family, ...],
    *,
    declared: bool,
) -> tuple[tuple[RangeWish, ...], list[Problem]]:
    """Return one wish per family, primary first; what is not written is the provider's business."""
    path, problems = section.at(kind), []
    by_family = {wish.family: wish for wish in answer.wishes}
    if answer.custom:
        for family in families if not by_family else Family:
            by_family.setdefault(family, RangeWish(family=family, strategy=Strategy.CUSTOM))
    elif not answer.proposal:
        for family in families:
            wish = RangeWish(family=family, strategy=Strategy.PROVIDER)
            by_family.setdefault(family, wish)
    for family in families:
        if family not in by_family and kind != "services":
            detail = f"has no {family} value, though the cluster has {family}"
            remedy = f"add an {family} value, or take {family} out of ipFamilies"
            problems.append(_seed(path, section.values.get(kind), detail, remedy))
    for family in [family for family in by_family if family not in families]:
        reported = by_family[family].strategy is Strategy.CIDR and len(families) == 1 and declared
        if kind != "nodes" and not reported:  # nodes may have IPv4 alone, for a NAT64 on the node
            where = "ipFamilies" if declared else "the pods' value"
            detail = f"has an {family} value, but {where} has no {family}"
            remedy = f"take it out, or add {family} to ipFamilies"
            problems.append(_seed(path, section.values.get(kind), detail, remedy))
    ordered = (*families, *(family for family in Family if family not in families))
    return tuple(by_family[family] for family in ordered if family in by_family), problems


def _from_node(
    section: Section, nodes: Sequence[RangeWish], pods: Sequence[RangeWish]
) -> list[Problem]:
    """Check that `v6fromNode` finds a prefix per node that is large enough."""
    prefixes = {wish.family: wish.node_prefix for wish in nodes}
    path, shown = section.at("pods"), section.values.get("pods")
    problems = []
    for wish in pods:
        if wish.strategy not in {Strategy.V4_FROM_NODE, Strategy.V6_FROM_NODE}:
            continue
        node_prefix = prefixes.get(wish.family)
        if node_prefix is None:
            detail = f"{wish.strategy} requires +prefix on nodes"
            remedy = "write for example nodes: v6global/64+prefix/96"
            problems.append(_seed(path, shown, detail, remedy))
        elif wish.size is not None and wish.size < node_prefix:
            detail = f"/{wish.size} is not inside the node's own prefix (/{node_prefix})"
            remedy = f"ask for /{node_prefix} or longer"
            problems.append(_seed(path, shown, detail, remedy))
    return problems


def _family(text: str) -> Family | None:
    value, _ = cidrs.parse("", text)
    if value is None:
        return None
    return Family.IPV4 if value.network.version == 4 else Family.IPV6


def _seed(path: str, value: object, detail: str, remedy: str) -> Problem:
    return invalid(path, value, detail, source=Source.SEED, remedy=remedy)
