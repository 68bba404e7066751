"""DNSRecord (extensions.gardener.cloud): the names of a Shoot's API server, A and AAAA."""

from dataplane.manifest import objects
from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.rules.gardener import dnsrecord
from dataplane.rules.gardener.dnsrecord import RecordSpec

KNOWN = (
    *("type", "class", "providerConfig", "secretRef", "region", "zone"),
    *("name", "recordType", "values", "ttl"),
)


def judge(case: Case) -> None:
    """Judge metadata and spec as Gardener's resource manager does, and add GEP-21's advice."""
    before = len(case.top.problems)
    section = case.top.section("spec")
    section.unknown(KNOWN, strict=False)
    spec = _read(section)
    if not objects.decoded(case.top, before):
        return
    if case.old is not None:
        old = _read(case.old.section("spec"))
        deleted = objects.is_deleted(case.top, case.old)
        section.add(
            dnsrecord.check_update("spec", spec, old, deleted=deleted, profile=case.profile)
        )
    objects.check_names(case.top)
    section.add(dnsrecord.check("spec", spec, profile=case.profile))
    if case.profile != "gep21":  # where a value of the other family was an error
        section.add(dnsrecord.families("spec", spec))
    name = case.top.section("metadata").values.get("name")
    if isinstance(name, str):
        section.add(dnsrecord.object_name("metadata.name", name, spec.record_type))


def _read(section: Section) -> RecordSpec:
    secret = section.section("secretRef")
    return RecordSpec(
        type=section.text("type") or "",
        secret=secret.text("name") or "",
        secret_namespace=secret.text("namespace") or "",
        region=section.text("region"),
        zone=section.text("zone"),
        name=section.text("name") or "",
        record_type=section.text("recordType") or "",
        values=objects.filled(section.texts("values")),
        ttl=section.integer("ttl"),
        extension_class=section.text("class"),
        provider_config=section.values.get("providerConfig"),
    )


KIND = Kind(name="DNSRecord", groups=("extensions.gardener.cloud",), judge=judge)
