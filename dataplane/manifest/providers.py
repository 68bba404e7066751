"""What a Shoot's provider and network plugin have to say about it: one entry for the kind Shoot.

Upstream, these rules run in the extensions' admission, after Gardener's own. They ask for fields
(`nodes`) that a Shoot of another provider may lack, so they are errors only where the Shoot is
configured for its provider: it has an infrastructureConfig, a controlPlaneConfig, or the
providerConfig in question. For an excerpt without them the same words are warnings.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from dataplane.manifest.configs import Rules
from dataplane.manifest.fields import Section
from dataplane.manifest.kinds import aws as aws_kinds
from dataplane.manifest.kinds import azure as azure_kinds
from dataplane.manifest.kinds import calico as calico_kind
from dataplane.manifest.kinds import cilium as cilium_kind
from dataplane.manifest.kinds import gcp as gcp_kinds
from dataplane.manifest.kinds import openstack as openstack_kinds
from dataplane.manifest.networks import (
    KINDS,
    Networks,
    flag,
    networking,
    networks,
    overlay,
    quiet,
    type_meta,
)
from dataplane.model.address import Family
from dataplane.model.cluster import Strategy
from dataplane.model.problem import Problem, Severity
from dataplane.rules import keywords, providers
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers import aws, azure, calico, gcp
from dataplane.rules.providers.networking import Overlay

_MODULES = {
    "aws": (aws_kinds.VERSION, aws_kinds.infrastructure, aws_kinds.control_plane),
    "azure": (azure_kinds.VERSION, azure_kinds.infrastructure, azure_kinds.control_plane),
    "gcp": (gcp_kinds.VERSION, gcp_kinds.infrastructure, gcp_kinds.control_plane),
    "openstack": (
        openstack_kinds.VERSION,
        openstack_kinds.infrastructure,
        openstack_kinds.control_plane,
    ),
}
_PLUGINS: dict[str, tuple[str, Rules]] = {
    "calico": (calico_kind.VERSION, calico_kind.network_config),
    "cilium": (cilium_kind.VERSION, cilium_kind.network_config),
}
_RANGE_RULES: dict[str, Callable[[Range], list[Problem]]] = {
    "azure": azure.local_range,
    "gcp": gcp.no_ipv6_range,
}


def check(
    spec: Section, old: Section | None, *, provider: str | None, families: Sequence[str]
) -> None:
    """Add what the extensions find wrong with a Shoot's `spec`; `old` is what it was before.

    `families` are those of ipFamilies, none for the default. Providers without rules of their own,
    and excerpts without any (None), have their plugin's only.
    """
    families = families or (Family.IPV4,)
    found = quiet(spec)
    before = quiet(old) if old else None
    section = found.section("networking")
    around = networks(section, families)
    configured = _configs(found, before, provider, around)
    if provider and "networking" in found and (configured or _workers(found)):
        former = before.section("networking") if before else None
        problems = _networking(section, former, provider, around)
        found.add(problems if configured else map(_softened, problems))
    _plugin(section, around, provider or "local")
    if provider == "aws" and configured and tuple(families) == (Family.IPV4,):
        _ingress_alone(found)
    heard = set(spec.problems)
    news = dict.fromkeys(found.problems)
    spec.problems.extend(problem for problem in news if problem not in heard)


def _workers(spec: Section) -> bool:
    return bool(spec.section("provider").sections("workers"))


def _configs(spec: Section, old: Section | None, provider: str | None, around: Networks) -> bool:
    """Check infrastructureConfig and controlPlaneConfig; tell whether there is any."""
    if provider is None or provider not in _MODULES:
        return False
    version, infrastructure, control_plane = _MODULES[provider]
    section = spec.section("provider")
    former = old.section("provider") if old else None
    configured = False
    for key, kind, rules in (
        ("infrastructureConfig", "InfrastructureConfig", infrastructure),
        ("controlPlaneConfig", "ControlPlaneConfig", control_plane),
    ):
        if key not in section:
            continue
        configured = True
        config = section.section(key)
        if type_meta(config, (version,), kind):
            rules(config, former.section(key) if former else None, around)
    return configured


def _networking(
    section: Section, old: Section | None, provider: str, around: Networks
) -> list[Problem]:
    """Return what the provider says about the networking section.

    Its webhook fills in a missing overlay of the two plugins: "off" when a cluster is made, what it
    was when one is changed. Nobody knows what that was where the old manifest is silent, too.
    """
    given = replace(networking(section), families=around.families)
    filled, unknown = given, False
    if given.overlay is Overlay.UNSET and given.type in _PLUGINS:
        former = overlay(old.values.get("providerConfig")) if old else Overlay.UNSET
        unknown = old is not None and former is Overlay.UNSET
        filled = replace(given, overlay=Overlay.OFF if former is Overlay.UNSET else former)
    problems = providers.networking(provider, filled)
    if unknown:
        heard = {problem.field for problem in problems}
        silent = providers.networking(provider, given)
        problems += [_softened(problem) for problem in silent if problem.field not in heard]
    if provider == "aws":
        words = {kind: keywords.keywords_of(section.values.get(kind)) for kind in KINDS}
        written = [kind for kind in KINDS if kind in section and words[kind] is None]
        problems += aws.ranges_assigned(given, map(section.at, written))
        if Strategy.V4_PRIVATE in (words["nodes"] or ()):
            problems += aws.private_nodes(given, section.at("nodes"))
    rule = _RANGE_RULES.get(provider)
    for one in (around.nodes, around.pods, around.services):
        problems += rule(one) if rule and one else []
    return problems


def _plugin(section: Section, around: Networks, provider: str) -> None:
    """Check `networking.providerConfig`: the overlay, and what the plugin of `type` says."""
    if overlay(section.values.get("providerConfig")) is Overlay.ON:
        path = f"{section.path}.providerConfig.overlay.enabled"
        families = [Family(name) for name in around.families if name in set(Family)]
        section.add(providers.overlay(path, True, families, provider))  # noqa: FBT003 - its value
    kind = section.values.get("type")
    if not isinstance(kind, str) or kind not in _PLUGINS or "providerConfig" not in section:
        return
    version, rules = _PLUGINS[kind]
    config = section.section("providerConfig")
    if not type_meta(config, (version,), "NetworkConfig"):
        return
    rules(config, None, around)
    pods, cidr = section.values.get("pods"), config.section("ipam").values.get("cidr")
    own = isinstance(cidr, str) and cidr.lower() != "usepodcidr"
    if isinstance(pods, str) and own and keywords.is_proposal(pods) and "custom" not in pods:
        section.add([calico.two_allocators(config.section("ipam").at("cidr"), pods)])


def _ingress_alone(spec: Section) -> None:
    config = spec.section("provider").section("infrastructureConfig")
    dual_stack = config.section("dualStack")
    if flag(quiet(dual_stack), "enabled") is not True:
        spec.add([aws.ingress_alone(dual_stack.at("enabled"))])


def _softened(problem: Problem) -> Problem:
    """Return a problem as a warning, unless it is about a configuration that is written there."""
    if ".providerConfig" in problem.field or problem.severity is not Severity.ERROR:
        return problem
    return replace(problem, severity=Severity.WARNING)
