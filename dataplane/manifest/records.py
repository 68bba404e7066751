"""DNSRecords beside each other: two objects cannot share a name, two records not a domain.

GEP-21 gives the object of an AAAA record a suffix for that reason.
"""

from collections.abc import Sequence

from dataplane.manifest.fields import Section
from dataplane.model.problem import Source
from dataplane.rules.fielderror import advice, quoted


def check_collisions(tops: Sequence[Section]) -> None:
    """Warn of DNSRecords among `tops` that get in each other's way; the later one is told.

    A and AAAA records of one domain are fine, as long as their objects are called differently.
    """
    objects: dict[tuple[str, str], str] = {}
    entries: dict[tuple[str, str], str] = {}
    for top in tops:
        if top.values.get("kind") != "DNSRecord":
            continue
        spec = _mapping(top.values.get("spec"))
        metadata = _mapping(top.values.get("metadata"))
        name, space = _text(metadata, "name"), _text(metadata, "namespace")
        record_type, domain = _text(spec, "recordType"), _text(spec, "name")
        earlier = objects.setdefault((space, name), record_type)
        if name and earlier != record_type:
            _warn(
                top,
                "metadata.name",
                f"the {earlier or 'earlier'} record's object is called the same; one replaces the other",
                f"put a suffix to the AAAA record's object, such as {name}-aaaa",
                source=Source.SEED,
            )
        owner = entries.setdefault((domain.removesuffix("."), record_type), name)
        if domain and owner != name:
            _warn(
                top,
                "spec.name",
                f"the DNSRecord {quoted(owner[:63])} is for the {record_type} record of this domain too",
                "put the values of both into one DNSRecord",
            )


def _warn(
    top: Section, path: str, detail: str, remedy: str, *, source: Source = Source.SIXSCOPE
) -> None:
    top.add([advice(path, detail, remedy=remedy, source=source)])


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(values: dict[str, object], key: str) -> str:
    value = values.get(key)
    return value[:255] if isinstance(value, str) else ""
