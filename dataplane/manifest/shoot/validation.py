"""A Shoot by itself, and against what it was: `ValidateShoot`, `ValidateShootUpdate`."""

from collections.abc import Sequence

from dataplane.manifest.documents import join
from dataplane.manifest.shoot.case import ShootCase
from dataplane.manifest.shoot.spec import ShootSpec
from dataplane.model.address import Family
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import not_supported
from dataplane.rules.gardener import defaults, ipfamilies, kubeproxy, masks, shoot, update
from dataplane.rules.gardener.masks import Masks

GROUP = "core.gardener.cloud"
VERSION = f"{GROUP}/v1beta1"
_FIRST_VERSIONS = (VERSION, f"{GROUP}/v1alpha1")
_OF_NODES = ("type", "providerConfig", "pods", "nodes")  # fields that workerless Shoots lack


def version(case: ShootCase) -> list[Problem]:
    """Return what is wrong with an apiVersion that is there."""
    found = case.shoot.top.values.get("apiVersion")
    known = _FIRST_VERSIONS if case.first_step else (VERSION,)
    if case.shoot.fragment or not isinstance(found, str) or found in known:
        return []
    return [not_supported("apiVersion", found, known, remedy=f"write apiVersion: {VERSION}")]


def updated(case: ShootCase, old: ShootSpec) -> list[Problem]:
    """Return what an update must not change."""
    new = case.shoot
    metadata = new.top.values.get("metadata")
    if isinstance(metadata, dict) and metadata.get("deletionTimestamp") is not None:
        problems = update.being_deleted(new.spec.path, new.spec.values, old.spec.values)
        if problems:
            return problems
    sizes = case.masks(new), case.masks(old)
    filled = case.default_masks(new), case.default_masks(old)
    problems = update.node_masks(*sizes, defaults=filled)
    excerpts = new.provider is None or old.provider is None
    if not excerpts and not case.first_step and new.workerless != old.workerless:
        path = join(join(new.spec.path, "provider"), "workers")
        return problems + update.workers(path, new=not new.workerless, old=not old.workerless)
    section = new.networking
    changed = update.networking(
        section.path,
        section.values if new.given else None,
        old.networking.values if old.given else None,
        profile=case.profile,
    )
    if excerpts and not (new.cni and old.cni):  # nothing is said about the type
        changed = [problem for problem in changed if problem.field != section.at("type")]
    problems += changed
    if case.first_step or (new.given and old.given):
        now, before = (defaults.families(one.families or ()) for one in (new, old))
        problems += ipfamilies.update(section.at("ipFamilies"), now, before, profile=case.profile)
    return problems


def checked(case: ShootCase) -> list[Problem]:
    """Return what is wrong with all but the ranges, in upstream's order."""
    written = case.shoot
    section, families = written.networking, written.families or ()
    sizes = case.masks(written)
    there = written.given or case.first_step
    problems = _room_for_pods(case, sizes, families) if there else []
    if case.workerless:
        set_sizes = ((masks.PLAIN, sizes.plain), (masks.SIX, sizes.six))
        problems += [
            shoot.workerless(f"{sizes.path}.{key}") for key, size in set_sizes if size is not None
        ]
        return problems + [shoot.workerless(section.at(key)) for key in _OF_NODES if key in section]
    if there:
        problems += masks.check(sizes, families, profile=case.profile)
    elif written.workers or case.building:
        return [*problems, shoot.networking_required(section.path)]
    if written.cni is not None or (written.provider is not None and "type" not in section):
        problems += shoot.network_type(section.at("type"), written.cni, profile=case.profile)
    return problems + _kube_proxy(case)


def status(case: ShootCase) -> list[Problem]:
    """Return what is wrong with `status.networking`, which the first release had not."""
    if case.first_step:
        return []
    written = case.shoot.status
    return [problem for path, texts in written.items() for problem in shoot.status(path, texts)]


def _kube_proxy(case: ShootCase) -> list[Problem]:
    section = case.shoot.proxy
    written = section.text("mode")
    return kubeproxy.check(section.at("mode"), written, case.shoot.version, profile=case.profile)


def _room_for_pods(case: ShootCase, sizes: Masks, families: Sequence[str]) -> list[Problem]:
    if sizes.plain is None:
        return []
    family = Family.IPV6 if ipfamilies.single(families, Family.IPV6) else Family.IPV4
    # upstream starts from 0 pods, and takes that for the kubelet's default in the end
    most = 0 if case.workerless else case.shoot.most_pods(default=0)
    path = f"{sizes.path}.{masks.PLAIN}"
    if most == 0 and case.shoot.provider is None:  # the rest of the Shoot may say more
        return masks.room_for_pods(path, sizes.plain, family, None)
    most = most or masks.DEFAULT_MAX_PODS
    return masks.room_for_pods(path, sizes.plain, family, most)
