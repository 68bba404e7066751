"""GCP: InfrastructureConfig of gardener-extension-provider-gcp."""

from dataplane.manifest.configs import kinds
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import Networks, misspelt, quiet
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers import gcp, ranges
from dataplane.rules.providers.ranges import Layout

GROUP = "gcp.provider.extensions.gardener.cloud"
VERSION = f"{GROUP}/v1alpha1"


def infrastructure(top: Section, old: Section | None, shoot: Networks) -> None:
    """Check an InfrastructureConfig for GCP."""
    misspelt(top, ("apiVersion", "kind", "networks"))
    networks = top.section("networks")
    misspelt(networks, ("worker", "workers", "internal", "vpc"))
    internal, errors = ranges.read(networks.at("internal"), networks.text("internal"))
    top.add(errors)
    workers = _workers(networks)
    layout = Layout(
        workers=(workers,) if workers else (),
        others=(internal,) if internal else (),
        nodes=shoot.nodes,
        pods=shoot.pods,
        services=shoot.services,
    )
    top.add(ranges.fit(layout))
    if internal and shoot.nodes:
        top.add(ranges.apart(shoot.nodes, (internal,)))
    for one in (workers, internal):
        top.add(gcp.no_ipv6_range(one) if one else [])
    former = _workers(quiet(old.section("networks"))) if old else None
    if workers and former:
        top.add(gcp.workers_update(workers, former))


def control_plane(_top: Section, _old: Section | None, _shoot: Networks) -> None:
    """Check a ControlPlaneConfig for GCP: it has nothing about networks."""


def _workers(networks: Section) -> Range | None:
    """Return the nodes' subnet; `workers` goes before the deprecated `worker`."""
    found = None
    for key in ("worker", "workers"):
        one, errors = ranges.read(networks.at(key), networks.text(key) or None)
        networks.add(errors)
        found = one or found
    return found


KINDS = kinds(VERSION, infrastructure=infrastructure, control_plane=control_plane)
