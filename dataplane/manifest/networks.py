"""What the configurations of providers and plugins need of the Shoot around them, and small readers."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache

from dataplane.manifest.fields import Section
from dataplane.model.problem import ProblemType, Source
from dataplane.rules.fielderror import advice, invalid, not_supported, quoted, required
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers.networking import Networking, Overlay
from dataplane.rules.providers.ranges import read

KINDS = ("nodes", "pods", "services")


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """The networking of the Shoot that a configuration belongs to.

    `families` are those of the Shoot, empty where there is no Shoot; ranges are None where they are
    not written, or not as one plain CIDR.
    """

    families: tuple[str, ...] = ()
    nodes: Range | None = None
    pods: Range | None = None
    services: Range | None = None


def networks(section: Section, families: Iterable[str]) -> Networks:
    """Return the networks of a `networking` section; what is wrong with it is for others to say."""
    found = {}
    for kind in KINDS:
        value = section.values.get(kind)
        found[kind] = read(section.at(kind), value)[0] if isinstance(value, str) else None
    return Networks(families=tuple(families), **found)


def networking(section: Section) -> Networking:
    """Return a `networking` section as the providers' rules see it."""
    kind, nodes = section.values.get("type"), section.values.get("nodes")
    families = section.values.get("ipFamilies")
    return Networking(
        path=section.path,
        type=kind if isinstance(kind, str) else None,
        nodes=None if nodes is None else str(nodes),
        families=tuple(map(str, families)) if isinstance(families, list) else None,
        overlay=overlay(section.values.get("providerConfig")),
    )


def overlay(config: object) -> Overlay:
    """Return what a providerConfig says about the overlay."""
    if not isinstance(config, dict) or "overlay" not in config:
        return Overlay.UNSET
    value = config["overlay"]
    return Overlay.ON if isinstance(value, dict) and value.get("enabled") is True else Overlay.OFF


def quiet(section: Section) -> Section:
    """Return a section whose problems nobody hears of."""
    return Section(section.document, section.path, section.values)


def flag(section: Section, key: str) -> bool | None:
    """Return the boolean at `key`, None when it is absent."""
    value = section.values.get(key)
    if value is None or isinstance(value, bool):
        return value
    detail, remedy = "must be true or false", "write true or false, without quotes"
    path = section.at(key)
    section.add([invalid(path, value, detail, source=Source.KUBERNETES, remedy=remedy)])
    return None


def type_meta(section: Section, versions: tuple[str, ...], kind: str) -> bool:
    """Check apiVersion and kind of a configuration inside another object.

    Return whether its fields mean what `kind` says. Upstream cannot decode one without the two; here
    that is a warning, for a manifest may be an excerpt.
    """
    wrong = False
    for key, allowed in (("apiVersion", versions), ("kind", (kind,))):
        value = section.text(key)
        remedy = f"write {key}: {allowed[-1]}"
        path = section.at(key)
        if value is None and key not in section:
            missing = required(path, "must be set", source=Source.PROVIDER, remedy=remedy)
            note = advice(path, missing.detail, source=Source.PROVIDER, remedy=remedy)
            section.add([replace(note, type=missing.type, message=missing.message)])
        elif value not in allowed:
            wrong = True
            if value is not None:
                source = Source.PROVIDER
                section.add([not_supported(path, value, allowed, source=source, remedy=remedy)])
    return not wrong


def misspelt(section: Section, known: tuple[str, ...]) -> None:
    """Warn of fields that are nearly one of `known`; there are others, which newer releases know."""
    for key in section.values:
        meant = None if key in known else _nearest(key[:64], known)
        if meant:
            detail = f"unknown field {quoted(key[:64])}"
            note = advice(section.at(key), detail, remedy=f"did you mean {meant}?")
            section.add([replace(note, type=ProblemType.UNKNOWN_FIELD)])


@lru_cache(maxsize=1024)
def _nearest(key: str, known: tuple[str, ...]) -> str | None:
    return next(iter(get_close_matches(key, known, n=1, cutoff=0.75)), None)
