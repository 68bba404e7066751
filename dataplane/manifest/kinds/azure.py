"""Azure: InfrastructureConfig of gardener-extension-provider-azure."""

from dataplane.manifest.configs import kinds
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import Networks, misspelt
from dataplane.model.problem import Source
from dataplane.rules.fielderror import forbidden
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers import azure, ranges
from dataplane.rules.providers.ranges import Layout

GROUP = "azure.provider.extensions.gardener.cloud"
VERSION = f"{GROUP}/v1alpha1"


def infrastructure(top: Section, _old: Section | None, shoot: Networks) -> None:
    """Check an InfrastructureConfig for Azure."""
    misspelt(top, ("apiVersion", "kind", "networks", "zoned"))
    networks = top.section("networks")
    misspelt(networks, ("workers", "vnet", "zones"))
    vnet = networks.section("vnet")
    whole = _range(vnet, "cidr")
    workers = _range(networks, "workers")
    zones = [_range(zone, "cidr") for zone in networks.sections("zones")]
    if workers and zones:
        detail = "workers and zones cannot be specified at the same time"
        remedy = "keep workers for one subnet, zones for one per zone"
        path = networks.at("workers")
        top.add([forbidden(path, detail, source=Source.PROVIDER, remedy=remedy)])
    subnets = tuple(one for one in (workers, *zones) if one)
    layout = Layout(
        whole=whole if "name" not in vnet else None,
        workers=subnets,
        nodes=shoot.nodes,
        pods=shoot.pods,
        services=shoot.services,
    )
    top.add(ranges.fit(layout))
    for one in (whole, *subnets):
        top.add(azure.local_range(one) if one else [])


def control_plane(_top: Section, _old: Section | None, _shoot: Networks) -> None:
    """Check a ControlPlaneConfig for Azure: it has nothing about networks."""


def _range(section: Section, key: str) -> Range | None:
    found, errors = ranges.read(section.at(key), section.text(key))
    section.add(errors)
    return found


KINDS = kinds(VERSION, infrastructure=infrastructure, control_plane=control_plane)
