"""Seed (core.gardener.cloud): the networks of the cluster that hosts control planes."""

from dataplane.manifest import objects
from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.rules.gardener import seed
from dataplane.rules.gardener.seed import SeedNetworks

PATH = "spec.networks"
KNOWN = ("nodes", "pods", "services", "shootDefaults", "blockCIDRs", "ipFamilies")


def judge(case: Case) -> None:
    """Judge `spec.networks`: as Gardener does, and with what it takes for granted."""
    before = len(case.top.problems)
    section = _section(case.top)
    section.unknown(KNOWN, strict=False)
    section.section("shootDefaults").unknown(("pods", "services"), strict=False)
    networks = read(section)
    blocked = objects.filled(section.texts("blockCIDRs"))
    if not objects.decoded(case.top, before):
        return
    networks = seed.defaulted(networks)
    if case.old is not None:
        old = seed.defaulted(read(_section(case.old)))
        section.add(seed.check_update(PATH, networks, old))
    gate = "IPv6SingleStack" in case.gates
    section.add(seed.check(PATH, networks, profile=case.profile, gate=gate))
    section.add(seed.blocked(f"{PATH}.blockCIDRs", blocked))
    section.add(seed.scheduling(f"{PATH}.ipFamilies", networks.families))


def default(case: Case) -> dict[str, object]:
    """Return what an API server fills in."""
    networks = seed.defaulted(read(_section(case.top)))
    return {f"{PATH}.ipFamilies": list(networks.families)}


def read(section: Section) -> SeedNetworks:
    """Read `spec.networks`; what has the wrong type goes to the section's problems."""
    defaults = section.section("shootDefaults")
    return SeedNetworks(
        pods=section.text("pods") or "",
        services=section.text("services") or "",
        nodes=section.text("nodes"),
        default_pods=defaults.text("pods"),
        default_services=defaults.text("services"),
        families=objects.filled(section.texts("ipFamilies")),
    )


def _section(top: Section) -> Section:
    return top.section("spec").section("networks")


KIND = Kind(name="Seed", groups=("core.gardener.cloud",), judge=judge, default=default)
