"""What must not change once a Shoot is there: `ValidateShootSpecUpdate`."""

from collections.abc import Mapping
from dataclasses import replace

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import forbidden
from dataplane.rules.gardener import changes, masks
from dataplane.rules.gardener.disjoint import immutable
from dataplane.rules.gardener.masks import Masks
from dataplane.rules.gardener.shoot import KINDS

Values = Mapping[str, object]


def networking(path: str, new: Values | None, old: Values | None, *, profile: str) -> list[Problem]:
    """Check type and ranges of a networking section (`validateNetworkingUpdate`), None when absent.

    The nodes' range may grow since v1.97; before, all ranges were fixed once they were there. The
    lists of GEP-21 would be as well.
    """
    if profile == "gep21":
        return _networking_v1_63(path, new or {}, old or {})
    if old is None:
        return []
    if new is None:
        detail = "networking cannot be set to nil if it's already set"
        return [forbidden(path, detail, remedy="keep spec.networking")]
    problems = immutable(f"{path}.type", new.get("type"), old.get("type"))
    for kind in ("pods", "services"):
        if old.get(kind) is not None:
            problems += immutable(f"{path}.{kind}", new.get(kind), old.get(kind))
    return problems


def _networking_v1_63(path: str, new: Values, old: Values) -> list[Problem]:
    problems = immutable(f"{path}.type", new.get("type") or "", old.get("type") or "")
    for kind in ("pods", "services", "nodes"):
        if old.get(kind) is not None:
            problems += immutable(f"{path}.{kind}", new.get(kind), old.get(kind))
    for key in (f"{kind}CIDRs" for kind in KINDS):
        if old.get(key) is not None:
            changed = immutable(f"{path}.{key}", new.get(key), old.get(key))
            problems += [replace(problem, source=Source.SEED) for problem in changed]
    return problems


def node_masks(new: Masks, old: Masks, *, defaults: tuple[Masks, Masks]) -> list[Problem]:
    """Check both node masks (`validateKubeControllerManagerUpdate`).

    A size that only one of the two spells out is compared to the other's default, as an API server
    fills it in: `defaults` are those of `new` and of `old`. The IPv6 size may be added, for the way
    to dual-stack.
    """
    problems = []
    new_default, old_default = defaults
    plain, was = new.plain, old.plain
    if plain is None and was is not None:
        plain = new_default.plain
    if was is None and plain is not None:
        was = old_default.plain
    problems += immutable(f"{new.path}.{masks.PLAIN}", plain, was)
    if old.six is not None:
        six = new_default.six if new.six is None else new.six
        problems += immutable(f"{new.path}.{masks.SIX}", six, old.six)
    return problems


def workers(path: str, *, new: bool, old: bool) -> list[Problem]:
    """Check that a Shoot keeps having workers, or none (`validateWorkerUpdate`)."""
    if new == old:
        return []
    names = "a Shoot with workers", "a workerless Shoot"
    before, after = names if old else names[::-1]
    remedy = "keep the workers as they were; the other kind of Shoot has to be made anew"
    return [forbidden(path, f"cannot switch from {before} to {after}", remedy=remedy)]


def being_deleted(path: str, new: Values, old: Values) -> list[Problem]:
    """Check that the spec of a Shoot that is being deleted stays as it is.

    Upstream lists the changes in Go's words; here the fields are named.
    """
    if new == old:
        return []
    keys = [key for key in {**old, **new} if new.get(key) != old.get(key)]
    return changes.while_deleted(path, "shoot", keys[: changes.MOST])
