"""What a Shoot's ranges run into that Gardener's validation does not look at."""

from collections.abc import Mapping
from dataclasses import replace

from dataplane.manifest.fields import Section
from dataplane.manifest.shoot.networking import Ranges
from dataplane.model.address import Family, family_of
from dataplane.model.cluster import Strategy
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules import clusterip, kubernetes, nodeipam
from dataplane.rules.fielderror import advice
from dataplane.rules.gardener import cidrs
from dataplane.rules.gardener.shoot import KINDS

OWN_ALLOCATOR = frozenset({"openstack"})  # the proposal routes a part per node, not nodeipam


def components(
    ranges: Ranges,
    masks: Mapping[Family, int],
    *,
    provider: str,
    building: bool,
    made: bool = False,
) -> list[Problem]:
    """Return what kube-controller-manager and kube-apiserver say about pods and services.

    A component that would stop is an error to who is `building`, and a warning to everybody else:
    nobody refuses the object for it. Where others than kube-controller-manager cut IPv6 for the
    nodes, planning knows better what stops. What is `made` has been through the API server's
    defaults: where it has no mask for IPv6, kube-controller-manager cuts none.
    """
    problems: list[Problem] = []
    for found in ranges.written:
        family = family_of(found.network)
        stopped: list[Problem] = []
        if found.kind == "pods":
            if made and not building and family is Family.IPV6 and family not in masks:
                continue
            mask = masks.get(family, nodeipam.DEFAULT_MASK_SIZE[family])
            stopped = kubernetes.node_pool(found.path, found.network, mask)
        elif found.kind == "services":
            stopped = kubernetes.service_range(found.path, found.network)
        others = found.kind == "pods" and family is Family.IPV6 and provider in OWN_ALLOCATOR
        problems += stopped if building and not others else map(as_warning, stopped)
    return problems


def as_warning(problem: Problem) -> Problem:
    """Return a problem that is a warning at most."""
    error = problem.severity is Severity.ERROR
    return replace(problem, severity=Severity.WARNING) if error else problem


def advised(section: Section, ranges: Ranges, *, provider: str) -> list[Problem]:
    """Return what nobody refuses, but what deserves a word."""
    return [*_reserved(section, ranges, provider), *_custom(section, ranges), *_shared(ranges)]


def _reserved(section: Section, ranges: Ranges, provider: str) -> list[Problem]:
    """Say that a reserved range of Services is larger than the one that is used."""
    problems = []
    for wish in ranges.services:
        if wish.strategy not in {Strategy.V6_GLOBAL, Strategy.V6_PRIVATE} or wish.size is None:
            continue
        used = clusterip.SEED_PREFIX_LENGTH
        if wish.strategy is Strategy.V6_GLOBAL or provider == "gcp":
            used = clusterip.CLOUD_PREFIX_LENGTH.get(provider, used)
        if wish.size < used:
            detail = f"a /{wish.size} is reserved, the cluster uses its first /{used}"
            remedy = "nothing to do: kube-apiserver takes no larger range safely"
            note = advice(section.at("services"), detail, remedy=remedy, source=Source.SEED)
            problems.append(replace(note, severity=Severity.INFO))
    return problems


def _custom(section: Section, ranges: Ranges) -> list[Problem]:
    """Say that nobody configures the addresses that are left to the network plugin."""
    customs = [kind for kind in KINDS for wish in ranges.of(kind) if wish.strategy == "custom"]
    where = section.at("providerConfig")
    if customs and "providerConfig" not in section:
        detail = f"{customs[0]}: custom leaves the addresses to the network plugin, but there is no providerConfig"
        remedy = "configure the plugin's IPAM in providerConfig"
        return [advice(where, detail, remedy=remedy, source=Source.SEED)]
    return []


def _shared(ranges: Ranges) -> list[Problem]:
    """Warn where Services and pods share IPv6 addresses; nodes and pods often do so on purpose."""
    if Family.IPV4 in ranges.families:  # admission refuses it then
        return []
    return [
        advice(
            service.path,
            f"{service.text} shares addresses with the pods' {pod.text}; nobody refuses that for IPv6",
            remedy="give the Services a range of their own",
            source=Source.SIXSCOPE,
        )
        for service in ranges.written
        for pod in ranges.written
        if (service.kind, pod.kind) == ("services", "pods")
        and cidrs.intersect(service.network, pod.network)
    ]
