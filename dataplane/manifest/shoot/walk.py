"""The way through a Shoot: update, validation, admission, advice, and the cluster it asks for.

One walk serves all who ask: `validate` wants the problems, `plan` and `run` the cluster too. What
only a component of Kubernetes would stop at, later, is a warning for the first and an error for the
second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dataplane.manifest import providers as extensions
from dataplane.manifest.case import Case, Stage
from dataplane.manifest.shoot import (
    admission,
    advice,
    infrastructure,
    limits,
    networking,
    validation,
)
from dataplane.manifest.shoot import case as cases
from dataplane.manifest.shoot.case import ShootCase
from dataplane.manifest.shoot.networking import Ranges
from dataplane.model.address import Family
from dataplane.model.cluster import Cluster, Strategy
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules.gardener import admission as disjoint
from dataplane.rules.gardener import defaults, kubeproxy, masks
from dataplane.rules.gardener.shoot import KINDS
from dataplane.rules.providers import overlay as overlay_rule

_REFUSING = frozenset({Source.GARDENER, Source.KUBERNETES, Source.PROVIDER})
_WRITTEN = frozenset({Strategy.CIDR, Strategy.PROVIDER})  # what today's API knows


def walk(
    case: Case, *, name: str = "", building: bool = False, strict: bool = False
) -> Cluster | None:
    """Add what is wrong with a Shoot to its problems.

    Who is `building` gets the cluster that it asks for, called `name` where the manifest gives no
    name; what cannot work is an error then. `strict` makes unknown fields errors.
    """
    found = cases.of(case, building=building)
    top, section = case.top, found.shoot.networking
    top.add(validation.version(found))
    advice.unknown(found.shoot, profile=found.profile, strict=strict)
    ranges, wrong = networking.read(
        found.shoot, profile=found.profile, gate=found.gate, building=building
    )
    if found.stage is not Stage.ADMISSION:
        if found.old:
            top.add(validation.updated(found, found.old))
        top.add(validation.checked(found))
        networking.place(section, wrong)
        top.add(validation.status(found))
    if ranges is None:
        return None
    refused = any(p.severity is Severity.ERROR and p.source in _REFUSING for p in top.problems)
    if found.stage is Stage.ADMISSION or (found.stage is Stage.BOTH and not refused):
        top.add(admission.admitted(found, ranges))
    elif found.stage is Stage.VALIDATION and Family.IPV4 in ranges.families:
        top.add(_later(disjoint.within_shoot(ranges.written)))
    sizes = _mask_sizes(found, ranges.families)
    top.add(_advised(found, ranges, sizes))
    _extensions(found, ranges.families)
    return _cluster(found, ranges, sizes, name) if building else None


def _mask_sizes(case: ShootCase, families: Sequence[Family]) -> dict[Family, int]:
    """Return the node mask sizes that the manifest decides, by its masks or by `maxPods`."""
    written = case.shoot
    plain, six = written.masks.plain, written.masks.six
    sizes = {} if six is None else {Family.IPV6: six}
    if plain is not None and tuple(families) == (Family.IPV6,):  # about the only family
        sizes.setdefault(Family.IPV6, plain)
    elif plain is not None:
        sizes[Family.IPV4] = plain
    elif any(pods is not None for pods in (written.kubelet, *written.pods)):
        most = written.most_pods(default=masks.DEFAULT_MAX_PODS)
        sizes[Family.IPV4] = masks.default_node_mask_size(most)
    return {family: size for family, size in sizes.items() if family in families}


def _advised(case: ShootCase, ranges: Ranges, sizes: dict[Family, int]) -> list[Problem]:
    """Return what Kubernetes, the providers and the proposals say besides."""
    written, section = case.shoot, case.shoot.networking
    provider = written.provider or "local"
    made = any(path.endswith(".pods") and texts for path, texts in written.status.items())
    problems = limits.components(
        ranges, sizes, provider=provider, building=case.building, made=made
    )
    problems += limits.advised(section, ranges, provider=provider)
    wishes = [wish for kind in KINDS for wish in ranges.of(kind)]
    if not written.fragment and any(wish.strategy not in _WRITTEN for wish in wishes):
        problems += advice.keywords_used(written)
    before = defaults.families(case.old.families or ()) if case.old else ()
    return problems + advice.families(written, ranges.families, before)


def _extensions(case: ShootCase, families: Sequence[Family]) -> None:
    """Add what the provider's and the plugin's extensions say; a lab only minds the overlay.

    The first release with GEP-21 had none that knew IPv6, but the local one.
    """
    written = case.shoot
    provider = written.provider or "local"
    if case.building:
        overlay = written.config.section("overlay")
        path, enabled = overlay.at("enabled"), overlay.values.get("enabled")
        overlay.add(overlay_rule(path, enabled, families, provider))
    elif not case.first_step:
        former = case.old.spec if case.old else None
        extensions.check(written.spec, former, provider=written.provider, families=families)
    elif provider != "local" and Family.IPV6 in families:
        section = written.networking
        section.add([advice.only_local(section.at("ipFamilies"), families, provider)])


def _cluster(case: ShootCase, ranges: Ranges, sizes: dict[Family, int], name: str) -> Cluster:
    written = case.shoot
    metadata = written.top.section("metadata")
    return Cluster(
        name=metadata.text("name") or metadata.text("generateName") or name,
        families=ranges.families,
        nodes=() if case.workerless else ranges.nodes,
        pods=() if case.workerless else ranges.pods,
        services=ranges.services,
        cni=written.cni or "calico",
        provider=written.provider or "local",
        node_mask_size=sizes,
        proxy_mode=kubeproxy.mode(written.proxy.text("mode")),
        infrastructure=infrastructure.of(written.spec, written.provider or "local"),
    )


def _later(problems: Iterable[Problem]) -> list[Problem]:
    """Return what admission will refuse, while it is not asked."""
    return [
        replace(limits.as_warning(problem), remedy=f"admission refuses it: {problem.remedy}")
        for problem in problems
    ]
