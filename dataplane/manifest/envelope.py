"""What every object carries around its rules: apiVersion, kind, metadata, the items of a List."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from dataplane.manifest import kinds
from dataplane.manifest.case import Kind
from dataplane.manifest.fields import Section
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules.fielderror import advice, invalid, quoted, required

SHOOT = "Shoot"
_LIST = "List"
_LONGEST = 80  # characters of a name in a title; Kubernetes' own names are shorter mostly


def is_fragment(values: dict[str, object]) -> bool:
    """Return whether an object without kind is the networking of a Shoot."""
    spec = values.get("spec")
    return values.get("kind") is None and (
        "networking" in values or (isinstance(spec, dict) and "networking" in spec)
    )


def kind_name(values: dict[str, object]) -> str:
    """Return the name of an object's kind, "" where it has none."""
    name = values.get("kind")
    if isinstance(name, str):
        return name
    return SHOOT if is_fragment(values) else ""


def kind_of(values: dict[str, object]) -> Kind | None:
    """Return the kind that judges an object, also where its apiVersion is only nearly right.

    None where nobody does, and where its apiVersion leaves it open which of several kinds.
    """
    name = kind_name(values)
    if not name:
        return None
    version = _version(values)
    found = kinds_called(name, version)
    if not found:
        found = tuple(known for known in kinds_called(name) if _near(_group(version), known))
    return found[0] if len(found) == 1 else None


def kinds_called(name: str, version: str | None = None) -> tuple[Kind, ...]:
    """Return the kinds of a name, of an apiVersion where one is given."""
    group = _group(version)
    return tuple(
        known
        for known in kinds.kinds()
        if known.name == name and (not version or not known.groups or group in known.groups)
    )


def items(value: object) -> list[object] | None:
    """Return the items of a List, as `kubectl get -o yaml` prints one; None when it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        return None
    name = value.get("kind")
    if not isinstance(name, str) or not name.endswith(_LIST):
        return None
    return list(value["items"])


def same_name(one: dict[str, object], other: dict[str, object]) -> bool:
    """Return whether two objects of a kind have the same name, and no two namespaces."""
    (space, name), (other_space, other_name) = _names(one), _names(other)
    return name == other_name and (space == other_space or not space or not other_space)


def title(values: dict[str, object]) -> str:
    """Return kind, namespace and name of an object, fit for a terminal."""
    space, name = _names(values)
    called = "/".join(part for part in (space, name) if part)
    what = f"{SHOOT} networking" if is_fragment(values) else kind_name(values) or "no kind"
    return " ".join(_shown(part) for part in (what, called) if part)


def check(top: Section, judged: Kind) -> None:
    """Add what is wrong with an apiVersion, where the kind's own rules said nothing about it."""
    if is_fragment(top.values) or not judged.groups:
        return
    if any(problem.field == "apiVersion" for problem in top.problems):
        return
    version = top.values.get("apiVersion")
    if not isinstance(version, str) or _group(version) not in judged.groups:
        remedy = f"write apiVersion: {_listed(judged.groups)}"
        top.add([_missing(top, "apiVersion", remedy)])


def check_unknown(top: Section) -> None:
    """Add that nobody judges an object; one without kind or apiVersion is none for Kubernetes."""
    name, version = kind_name(top.values), _version(top.values)
    if not name:
        remedy = "write apiVersion and kind, or networking: for the networking part of a Shoot"
        top.add([_missing(top, "kind", remedy)])
        return
    groups = [group for known in kinds_called(name) for group in known.groups]
    if groups and (version is None or _group(version) == ""):
        top.add([_missing(top, "apiVersion", f"write apiVersion: {_listed(groups)}")])
        return
    detail = f"{_shown(name)} is not judged: no rule is about it"
    if groups:
        detail = f"{_shown(name)} of {_shown(version or '')} is not judged, only {_listed(groups)}"
    top.add([advice("kind", detail, remedy="", severity=Severity.INFO)])


def _missing(top: Section, key: str, remedy: str) -> Problem:
    value, source = top.values.get(key), Source.KUBERNETES
    if value is None:
        return required(key, "must be set", remedy=remedy, source=source)
    detail = _no_matches(top.values) if isinstance(value, str) else "must be a text"
    return invalid(key, value, detail, remedy=remedy, source=source)


def _no_matches(values: dict[str, object]) -> str:
    """Return what an API server says to a kind that it does not have."""
    version = (_version(values) or "")[:_LONGEST]
    return (
        f"no matches for kind {quoted(kind_name(values)[:_LONGEST])} in version {quoted(version)}"
    )


def _listed(groups: Sequence[str]) -> str:
    return " or ".join(f"{group}/..." if group else "v1" for group in groups)


def _near(group: str, known: Kind) -> bool:
    """Return whether a group is meant to be one of the kind's: cut short, or misspelt.

    Kinds of other groups may bear the same name (`Service` of Knative): those are not near.
    """
    return any(
        group == ""
        or wanted.endswith(f".{group}")
        or (
            group.partition(".")[0] == wanted.partition(".")[0]
            and SequenceMatcher(None, group[:255], wanted).ratio() >= 0.8
        )
        for wanted in known.groups
    )


def _version(values: dict[str, object]) -> str | None:
    version = values.get("apiVersion")
    return version if isinstance(version, str) else None


def _group(version: str | None) -> str:
    return (version or "").rpartition("/")[0]


def _names(values: dict[str, object]) -> tuple[str, str]:
    """Return namespace and name."""
    metadata = values.get("metadata")
    if not isinstance(metadata, dict):
        return "", ""
    space, name = metadata.get("namespace"), metadata.get("name")
    return (space if isinstance(space, str) else "", name if isinstance(name, str) else "")


def _shown(text: str) -> str:
    shown = quoted(text[:_LONGEST])[1:-1]
    return shown if len(text) <= _LONGEST else f"{shown}..."
