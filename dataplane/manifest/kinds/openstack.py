"""OpenStack: InfrastructureConfig of gardener-extension-provider-openstack."""

from dataplane.manifest.case import Case, Kind
from dataplane.manifest.configs import kinds
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import Networks, misspelt
from dataplane.rules.providers import openstack, ranges, updates
from dataplane.rules.providers.ranges import Layout

GROUP = "openstack.provider.extensions.gardener.cloud"
VERSION = f"{GROUP}/v1alpha1"
_NETWORKS = (
    "id", "ipv6", "router", "securityGroupId", "shareNetwork", "shareNetworkId", "subnetId",
    "subnetPool", "worker", "workers",
)  # fmt: skip


def infrastructure(top: Section, old: Section | None, shoot: Networks) -> None:
    """Check an InfrastructureConfig for OpenStack."""
    misspelt(top, ("apiVersion", "kind", "networks", "floatingPoolName", "floatingPoolSubnetName"))
    networks = top.section("networks")
    misspelt(networks, _NETWORKS)
    workers = None
    for key in ("worker", "workers"):
        one, errors = ranges.read(networks.at(key), networks.text(key) or None)
        top.add(errors)
        workers = one or workers
    if workers:
        top.add(ranges.fit(Layout(workers=(workers,), nodes=shoot.nodes)))
        top.add(openstack.one_family(networks.path, workers))
    if "ipv6" in networks:
        _ipv6(networks)
    elif len(shoot.families) > 1:
        top.add([openstack.ipv6_required(networks.at("ipv6"))])
    if old is not None:
        former = old.section("networks").values.get("ipv6")
        if former is not None:
            path = networks.at("ipv6")
            top.add(updates.immutable(path, networks.values.get("ipv6"), former))


def control_plane(_top: Section, _old: Section | None, _shoot: Networks) -> None:
    """Check a ControlPlaneConfig for OpenStack: it has nothing about networks."""


def _ipv6(networks: Section) -> None:
    section = networks.section("ipv6")
    misspelt(section, ("subnetPoolID", "nodeSubnetId", *openstack.CIDRS))
    written = {}
    for key in openstack.CIDRS:
        value = section.text(key)
        if value:
            written[key] = value
    pool, subnet = section.text("subnetPoolID"), section.text("nodeSubnetId")
    section.add(openstack.ipv6(section.path, pool, written, node_subnet=bool(subnet)))
    if subnet:
        router = networks.section("router").text("id")
        section.add(openstack.routed(section.at("nodeSubnetId"), subnet, router))


def _judge_alone(case: Case) -> None:
    infrastructure(case.top, case.old, Networks())


KINDS = (
    *kinds(VERSION, infrastructure=infrastructure, control_plane=control_plane),
    Kind(name="OpenStackInfrastructureConfig", groups=(), judge=_judge_alone),
)
