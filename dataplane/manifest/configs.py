"""Configurations of extensions that stand alone, without the Shoot that they are for."""

from collections.abc import Callable
from functools import partial

from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import Networks, quiet
from dataplane.model.problem import Source
from dataplane.rules.fielderror import not_supported

Rules = Callable[[Section, Section | None, Networks], None]  # it, what it was before, its Shoot


def judged(case: Case, *, versions: tuple[str, ...], rules: Rules) -> None:
    """Judge a configuration by its extension's rules; the kind is known already."""
    version = case.top.values.get("apiVersion")
    group = versions[-1].partition("/")[0]
    if isinstance(version, str) and version not in versions and version.startswith(f"{group}/"):
        remedy = f"write apiVersion: {versions[-1]}"
        source = Source.PROVIDER
        case.top.add([not_supported("apiVersion", version, versions, source=source, remedy=remedy)])
        return
    rules(case.top, quiet(case.old) if case.old else None, Networks())


def kinds(version: str, *, infrastructure: Rules, control_plane: Rules) -> tuple[Kind, ...]:
    """Return the two kinds that every provider has, of its own apiVersion."""
    of = {"InfrastructureConfig": infrastructure, "ControlPlaneConfig": control_plane}
    group, versions = version.partition("/")[0], (version,)
    return tuple(
        Kind(name=name, groups=(group,), judge=partial(judged, versions=versions, rules=rules))
        for name, rules in of.items()
    )
