"""What the small kinds have in common: decoding, metadata, and whether an object is being deleted."""

from collections.abc import Iterable

from dataplane.manifest.fields import Section
from dataplane.model.problem import Severity, Source
from dataplane.rules import names
from dataplane.rules.fielderror import invalid


def decoded(top: Section, before: int) -> bool:
    """Tell whether reading added no error since there were `before` problems.

    An API server that cannot decode an object goes no further; its rules would only confuse.
    """
    return all(problem.severity is not Severity.ERROR for problem in top.problems[before:])


def check_names(top: Section) -> None:
    """Check the name and the namespace of a namespaced object."""
    metadata = top.section("metadata")
    before = len(top.problems)
    name, namespace = metadata.text("name"), metadata.text("namespace")
    generated = bool(metadata.text("generateName"))
    if decoded(top, before):
        top.add(names.namespaced("metadata", name, namespace, generated=generated))


def is_deleted(top: Section, old: Section) -> bool:
    """Tell whether an object is being deleted; an update cannot take that back."""
    key = "deletionTimestamp"
    return any(key in section.section("metadata") for section in (top, old))


def mappings(section: Section, key: str) -> tuple[Section, ...]:
    """Return the mappings of the list at `key`; an item that is none is a problem."""
    found = section.sections(key)
    items = section.values.get(key)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if not isinstance(item, dict):
            path, remedy = f"{section.at(key)}[{index}]", "write a mapping"
            source = Source.KUBERNETES
            section.add([invalid(path, item, "must be a mapping", source=source, remedy=remedy)])
    return found


def filled(values: Iterable[str] | None) -> tuple[str, ...]:
    """Return a list of texts, empty where it is absent: Go makes no difference either."""
    return tuple(values or ())
