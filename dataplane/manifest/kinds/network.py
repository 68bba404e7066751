"""Network (extensions.gardener.cloud): what a networking extension is asked to set up."""

from dataplane.manifest import objects
from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.rules.gardener import network
from dataplane.rules.gardener.network import NetworkSpec

KNOWN = ("type", "class", "providerConfig", "podCIDR", "serviceCIDR", "ipFamilies")


def judge(case: Case) -> None:
    """Judge metadata and spec as Gardener's resource manager does."""
    before = len(case.top.problems)
    section = case.top.section("spec")
    section.unknown(KNOWN, strict=False)
    spec = _read(section)
    if not objects.decoded(case.top, before):
        return
    if case.old is not None:
        old = _read(case.old.section("spec"))
        deleted = objects.is_deleted(case.top, case.old)
        section.add(network.check_update("spec", spec, old, deleted=deleted, profile=case.profile))
    objects.check_names(case.top)
    section.add(network.check("spec", spec, profile=case.profile))


def _read(section: Section) -> NetworkSpec:
    return NetworkSpec(
        type=section.text("type") or "",
        pods=section.text("podCIDR") or "",
        services=section.text("serviceCIDR") or "",
        families=objects.filled(section.texts("ipFamilies")),
        extension_class=section.text("class"),
        provider_config=section.values.get("providerConfig"),
    )


KIND = Kind(name="Network", groups=("extensions.gardener.cloud",), judge=judge)
