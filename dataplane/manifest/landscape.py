"""What the objects of one call say about each other.

Networks and DNSRecords bear their Shoot's name, and should have its families.
A Service does not name its cluster: with one Shoot among the objects, it is for that one; with
several, it is refused only where it fits none of them. NetworkPolicies and workloads are for the
only Shoot, too. Configurations of AWS that stand alone are taken for the cluster's where there is no
Shoot.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataplane.manifest import records
from dataplane.manifest.fields import Section
from dataplane.manifest.kinds import aws, workload
from dataplane.manifest.kinds import service as service_kind
from dataplane.manifest.networks import KINDS, quiet
from dataplane.model.address import Family
from dataplane.model.problem import Problem, Source
from dataplane.rules import agreement, dualstackingress, images, keywords, kubeservice
from dataplane.rules.fielderror import quoted

POLICY_GROUP = "networking.k8s.io"
SHOOT_GROUP = "core.gardener.cloud"
EXTENSIONS_GROUP = "extensions.gardener.cloud"
_DUAL_STACK, _CONTROLLER = "dualStack", "loadBalancerController"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cluster:
    """A Shoot, or a configuration of one, as far as it is known; `top` takes its problems."""

    top: Section
    provider: str | None = None
    families: tuple[str, ...] = ()
    infrastructure: Section | None = None
    control_plane: Section | None = None


def check(tops: Sequence[Section]) -> None:
    """Add what is wrong between objects to the one that has to change; reads no Section aloud."""
    records.check_collisions(tops)
    shoots = [_shoot(top) for top in tops if _is(top, "Shoot", SHOOT_GROUP)]
    for shoot in shoots:
        for top in tops:
            if _is(top, "Network", EXTENSIONS_GROUP):
                _network(top, shoot)
            elif _is(top, "DNSRecord", EXTENSIONS_GROUP):
                _record(top, shoot)
    services = [top for top in tops if _is(top, "Service", "")]
    clusters = shoots or list(_alone(tops))
    dual_stack = [top for top in services if dualstackingress.is_dual_stack(top.values)]
    if dual_stack and clusters:
        names = ", ".join(_name(top) for top in dual_stack[:3])
        names += ", ..." if len(dual_stack) > 3 else ""
        found = [(cluster, _preconditions(cluster, names)) for cluster in clusters]
        if not shoots or all(problems for _, problems in found):
            for cluster, problems in found:
                cluster.top.add(problems)
    if len(shoots) == 1 and shoots[0].families:
        for top in services:
            _families(top, shoots[0].families)
        _inhabitants(tops, shoots[0])


def _preconditions(cluster: _Cluster, services: str) -> list[Problem]:
    """Return what a cluster lacks for a dual-stack load balancer."""
    if cluster.provider not in {None, "aws"}:
        path = "spec.provider.type"
        return [dualstackingress.other_provider(path, cluster.provider or "", services)]
    if Family.IPV6 in cluster.families:
        return []  # the provider's extension sets both by itself
    problems = []
    for config, key, problem in (
        (cluster.infrastructure, _DUAL_STACK, dualstackingress.dual_stack_disabled),
        (cluster.control_plane, _CONTROLLER, dualstackingress.controller_disabled),
    ):
        if config is None:
            continue
        section = config.section(key)
        value = section.values.get("enabled")
        if value is not True:
            problems.append(problem(section.at("enabled"), value, services))
    return problems


def _families(service: Section, cluster: tuple[str, ...]) -> None:
    spec = quiet(service).section("spec")
    written, policy = spec.texts("ipFamilies") or (), spec.text("ipFamilyPolicy")
    service.add(kubeservice.in_cluster(written, policy, cluster))
    if not written:  # it has those of its cluster
        service.add(service_kind.status(quiet(service), cluster))


def _inhabitants(tops: Iterable[Section], shoot: _Cluster) -> None:
    """Judge what runs in the only Shoot, where that has one family: it is said, or the default."""
    networking = quiet(shoot.top).section("spec").section("networking")
    asked = any(keywords.keywords_of(networking.values.get(kind)) for kind in KINDS)
    if shoot.families == (Family.IPV4,) and not ("ipFamilies" not in networking and asked):
        for top in tops:
            if _is(top, "NetworkPolicy", POLICY_GROUP):  # there is no IPv6 to forget
                top.problems[:] = [p for p in top.problems if p.source is not Source.SEED]
    elif shoot.families == (Family.IPV6,):
        for top in tops:
            group = workload.GROUPS.get(str(top.values.get("kind")))
            if group is not None and _is(top, str(top.values.get("kind")), group):
                top.add(images.without_ipv6(workload.images(quiet(top))))
        extensions = quiet(shoot.top).section("spec").sections("extensions")
        configs = (extension.section("providerConfig") for extension in extensions)
        shoot.top.add(images.without_ipv6(found for one in configs for found in workload.own(one)))


def _network(top: Section, shoot: _Cluster) -> None:
    """Check a Network, which bears the name of its Shoot."""
    name = _own_name(top)
    if not name or name != _own_name(shoot.top):
        return
    spec, wanted = (
        quiet(top).section("spec"),
        quiet(shoot.top).section("spec").section("networking"),
    )
    written = spec.texts("ipFamilies") or (Family.IPV4,)
    top.add(agreement.families(spec.at("ipFamilies"), written, shoot.families))
    for key, kind in (("podCIDR", "pods"), ("serviceCIDR", "services")):
        top.add(agreement.network_range(spec.at(key), spec.text(key), wanted.text(kind)))


def _record(top: Section, shoot: _Cluster) -> None:
    """Check a DNSRecord, whose name begins with that of its Shoot."""
    name = _own_name(shoot.top)
    if name and _own_name(top).startswith(f"{name}-"):
        spec = quiet(top).section("spec")
        path, written = spec.at("recordType"), spec.text("recordType") or ""
        top.add(agreement.record_type(path, written, shoot.families))


def _shoot(top: Section) -> _Cluster:
    spec = quiet(top).section("spec")
    provider = spec.section("provider")
    families = spec.section("networking").texts("ipFamilies")
    return _Cluster(
        top=top,
        provider=provider.text("type"),
        families=families or (Family.IPV4,),
        infrastructure=provider.section("infrastructureConfig"),
        control_plane=provider.section("controlPlaneConfig"),
    )


def _alone(tops: Iterable[Section]) -> Iterable[_Cluster]:
    for top in tops:
        if _is(top, "InfrastructureConfig", aws.GROUP):
            yield _Cluster(top=top, infrastructure=quiet(top))
        elif _is(top, "ControlPlaneConfig", aws.GROUP):
            yield _Cluster(top=top, control_plane=quiet(top))


def _is(top: Section, kind: str, group: str) -> bool:
    version = top.values.get("apiVersion")
    known = isinstance(version, str) and version.rpartition("/")[0] == group
    return top.values.get("kind") == kind and (known or version is None)


def _own_name(top: Section) -> str:
    return quiet(top).section("metadata").text("name") or ""


def _name(service: Section) -> str:
    metadata = quiet(service).section("metadata")
    space, name = metadata.values.get("namespace"), metadata.values.get("name")
    named = "/".join(part for part in (space, name) if isinstance(part, str) and part)
    return f"Service {quoted(named[:253])[1:-1]}" if named else "a Service"
