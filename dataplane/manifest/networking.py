"""`spec.networking` to range wishes: plain CIDRs, GEP-21's lists and the proposal's keywords."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataplane.manifest.fields import Section
from dataplane.model.address import Family, Network
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules import gardener, keywords, kubernetes, nodeipam
from dataplane.rules.fielderror import advice, invalid

KINDS = ("nodes", "pods", "services")  # upstream's order of errors
KNOWN = ("type", "providerConfig", *KINDS, "ipFamilies", *(f"{kind}CIDRs" for kind in KINDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """The families and the wishes of a `networking` section; None where it is not usable."""

    families: tuple[Family, ...]
    nodes: tuple[RangeWish, ...]
    pods: tuple[RangeWish, ...]
    services: tuple[RangeWish, ...]


def read(section: Section, *, profile: str, provider: str) -> Ranges | None:
    """Read the ranges; what is wrong goes to the section's problems."""
    declared = section.texts("ipFamilies")
    if declared is None and "ipFamilies" in section:
        return None
    errors = gardener.ip_families(section.at("ipFamilies"), declared or (), profile=profile)
    section.add(errors)
    if errors:  # upstream goes no further either
        return None
    written = {kind: _values(section, kind) for kind in KINDS}
    proposal = profile != "gep21" and any(
        keywords.is_proposal(value) for values, _ in written.values() for value in values
    )
    families = tuple(Family(name) for name in declared or ())
    if not families and not proposal:
        families = (Family.IPV4,)
    answers = {}
    for kind, (values, path) in written.items():
        field = keywords.Field(
            path=path, kind=kind, families=families, provider=provider, plain=profile == "gep21"
        )
        answers[kind] = keywords.read(field, values)
        section.add(answers[kind].problems)
    if not families:
        families = _derived(section, answers)
    _lists(section, families)
    wishes = {
        kind: _wishes(section, kind, answers[kind], families, declared=bool(declared))
        for kind in KINDS
    }
    _from_node(section, wishes["nodes"], wishes["pods"])
    return Ranges(families=families, **wishes)


def _values(section: Section, kind: str) -> tuple[tuple[str, ...], str]:
    """Return what is written for `kind` and where: the list of GEP-21 goes before the field."""
    listed = f"{kind}CIDRs"
    if isinstance(section.values.get(kind), list):
        return section.texts(kind) or (), section.at(kind)
    value = section.text(kind)
    if listed in section:
        values = section.texts(listed)
        if values is not None:
            return values, section.at(listed)
    return ((value,) if value is not None else ()), section.at(kind)


def _derived(section: Section, answers: dict[str, keywords.Written]) -> tuple[Family, ...]:
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
    section.add([advice(section.at("ipFamilies"), detail, remedy=remedy, source=Source.SEED)])
    return families


def _lists(section: Section, families: tuple[Family, ...]) -> None:
    """Check GEP-21's lists: two entries, the primary family's first and equal to the single field."""
    for kind in KINDS:
        key = f"{kind}CIDRs"
        values = section.texts(key) if isinstance(section.values.get(key), list) else None
        if values is None:
            continue
        found = []
        if len(values) != 2:
            remedy = "one entry per family, the primary family first"
            found.append(_seed(section.at(key), list(values), "must have two entries", remedy))
        single = section.values.get(kind)
        if values and isinstance(single, str) and single != values[0]:
            detail = f"the first entry must equal {section.at(kind)}"
            remedy = f"write {single} first"
            found.append(_seed(f"{section.at(key)}[0]", values[0], detail, remedy))
        if (
            len(values) == 2
            and len(families) == 2
            and _family(values[0]) not in {None, families[0]}
        ):
            detail = f"the primary family {families[0]} must be first, as in ipFamilies"
            remedy = "swap the entries"
            found.append(_seed(f"{section.at(key)}[0]", values[0], detail, remedy))
        section.add(found)


def _wishes(
    section: Section,
    kind: str,
    answer: keywords.Written,
    families: tuple[Family, ...],
    *,
    declared: bool,
) -> tuple[RangeWish, ...]:
    """Return one wish per family, primary first; what is not written is the provider's business."""
    path = section.at(kind)
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
            section.add([_seed(path, section.values.get(kind), detail, remedy)])
    for family in [family for family in by_family if family not in families]:
        reported = by_family[family].strategy is Strategy.CIDR and len(families) == 1 and declared
        if kind != "nodes" and not reported:  # nodes may have IPv4 alone, for a NAT64 on the node
            where = "ipFamilies" if declared else "the pods' value"
            detail = f"has an {family} value, but {where} has no {family}"
            remedy = f"take it out, or add {family} to ipFamilies"
            section.add([_seed(path, section.values.get(kind), detail, remedy)])
    ordered = (*families, *(family for family in Family if family not in families))
    return tuple(by_family[family] for family in ordered if family in by_family)


def _from_node(section: Section, nodes: Sequence[RangeWish], pods: Sequence[RangeWish]) -> None:
    """Check that `v6fromNode` finds a prefix per node that is large enough."""
    prefixes = {wish.family: wish.node_prefix for wish in nodes}
    for wish in pods:
        if wish.strategy not in {Strategy.V4_FROM_NODE, Strategy.V6_FROM_NODE}:
            continue
        node_prefix = prefixes.get(wish.family)
        shown = section.values.get("pods")
        if node_prefix is None:
            detail = f"{wish.strategy} requires +prefix on nodes"
            remedy = "write for example nodes: v6global/64+prefix/96"
            section.add([_seed(section.at("pods"), shown, detail, remedy)])
        elif wish.size is not None and wish.size < node_prefix:
            detail = f"/{wish.size} is not inside the node's own prefix (/{node_prefix})"
            remedy = f"ask for /{node_prefix} or longer"
            section.add([_seed(section.at("pods"), shown, detail, remedy)])


def check_ranges(section: Section, ranges: Ranges, masks: dict[Family, int]) -> None:
    """Check the ranges against each other and against Kubernetes' limits."""
    networks: dict[str, list[tuple[str, Network]]] = {
        kind: [
            (section.at(kind), wish.network)
            for wish in getattr(ranges, kind)
            if wish.network is not None
        ]
        for kind in KINDS
    }
    if Family.IPV4 in ranges.families:
        order = (("pods", "pod"), ("services", "service"), ("nodes", "node"))
        section.add(
            gardener.overlap(
                [(path, name, net) for kind, name in order for path, net in networks[kind]]
            )
        )
    else:
        section.add(_shared(networks))
    for path, network in networks["pods"]:
        family = Family.IPV4 if network.version == 4 else Family.IPV6
        mask = masks.get(family, nodeipam.DEFAULT_MASK_SIZE[family])
        section.add(kubernetes.node_pool(path, network, mask))
    for path, network in networks["services"]:
        section.add(kubernetes.service_range(path, network))
    for wish in ranges.services:
        if wish.strategy in {Strategy.V6_GLOBAL, Strategy.V6_PRIVATE} and (wish.size or 0) < 112:
            detail = f"a /{wish.size} is reserved, the cluster uses its first /112"
            remedy = "nothing to do: kube-apiserver takes no larger range safely"
            note = advice(section.at("services"), detail, remedy=remedy, source=Source.SEED)
            section.add([replace(note, severity=Severity.INFO)])
    customs = [
        kind for kind in KINDS for wish in getattr(ranges, kind) if wish.strategy == "custom"
    ]
    if customs and "providerConfig" not in section:
        detail = f"{customs[0]}: custom leaves the addresses to the network plugin, but there is no providerConfig"
        remedy = "configure the plugin's IPAM in providerConfig"
        section.add(
            [advice(section.at("providerConfig"), detail, remedy=remedy, source=Source.SEED)]
        )


def _shared(networks: dict[str, list[tuple[str, Network]]]) -> list[Problem]:
    """Warn where Services and pods share IPv6 addresses; nodes and pods often do so on purpose."""
    return [
        advice(
            path,
            f"{service} shares addresses with the pods' {pod}; nobody refuses that for IPv6",
            remedy="give the Services a range of their own",
            source=Source.SIXSCOPE,
        )
        for path, service in networks["services"]
        for _, pod in networks["pods"]
        if gardener.intersect(service, pod)
    ]


def _family(text: str) -> Family | None:
    value, _ = gardener.cidr("", text)
    if value is None:
        return None
    return Family.IPV4 if value.network.version == 4 else Family.IPV6


def _seed(path: str, value: object, detail: str, remedy: str) -> Problem:
    return invalid(path, value, detail, source=Source.SEED, remedy=remedy)
