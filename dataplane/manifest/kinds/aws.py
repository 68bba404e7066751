"""AWS: InfrastructureConfig and ControlPlaneConfig of gardener-extension-provider-aws."""

from collections.abc import Sequence

from dataplane.manifest.configs import kinds
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import Networks, flag, misspelt
from dataplane.model.address import Family
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers import aws, ranges, updates
from dataplane.rules.providers.ranges import Layout

GROUP = "aws.provider.extensions.gardener.cloud"
VERSION = f"{GROUP}/v1alpha1"
_SUBNETS = ("internal", "public", "workers")


def infrastructure(top: Section, old: Section | None, shoot: Networks) -> None:
    """Check an InfrastructureConfig for AWS."""
    misspelt(top, ("apiVersion", "kind", "networks", "dualStack"))
    dual_stack, networks = top.section("dualStack"), top.section("networks")
    vpc = networks.section("vpc")
    misspelt(dual_stack, ("enabled",))
    misspelt(vpc, ("id", "cidr", "ipv6IpamPool", "gatewayEndpoints"))
    enabled = flag(dual_stack, "enabled") is True
    identifier, cidr = vpc.text("id"), vpc.text("cidr")
    pool = vpc.section("ipv6IpamPool")
    top.add(aws.ipam_pool(pool.path, pool.text("id"), pool.text("cidrBlock")))
    top.add(aws.vpc(vpc.path, identifier, cidr))
    with_ipv6 = enabled or Family.IPV6 in shoot.families
    top.add(aws.own_vpc(vpc.at("id"), identifier, dual_stack=with_ipv6))
    whole, errors = ranges.read(vpc.at("cidr"), cidr)
    top.add(errors)
    workers, others = _subnets(networks.sections("zones"))
    layout = Layout(
        whole=whole if identifier is None else None,
        workers=workers,
        others=others,
        nodes=shoot.nodes,
        pods=shoot.pods,
        services=shoot.services,
    )
    top.add(ranges.fit(layout))
    if old is not None:
        was = old.section("dualStack").values.get("enabled") is True
        top.add(aws.dual_stack_update(dual_stack.at("enabled"), new=enabled, old=was))
        _updated(networks, old.section("networks"))


def control_plane(top: Section, _old: Section | None, _shoot: Networks) -> None:
    """Check a ControlPlaneConfig for AWS."""
    misspelt(top, ("apiVersion", "kind", "loadBalancerController", "cloudControllerManager"))
    controller = top.section("loadBalancerController")
    misspelt(controller, ("enabled", "ingressClassName"))
    flag(controller, "enabled")


def _subnets(zones: Sequence[Section]) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """Return the nodes' subnets and the balancers'."""
    found: dict[str, list[Range]] = {key: [] for key in _SUBNETS}
    for zone in zones:
        for key in _SUBNETS:
            one, errors = ranges.read(zone.at(key), zone.text(key))
            zone.add(errors)
            if one is not None:
                found[key].append(one)
    return tuple(found["workers"]), (*found["internal"], *found["public"])


def _updated(networks: Section, old: Section) -> None:
    vpc, old_vpc = networks.section("vpc"), old.section("vpc")
    for key in ("id", "cidr"):
        networks.add(updates.immutable(vpc.at(key), vpc.values.get(key), old_vpc.values.get(key)))
    pool, old_pool = vpc.section("ipv6IpamPool"), old_vpc.section("ipv6IpamPool")
    if "cidrBlock" in old_pool:
        block = pool.values.get("cidrBlock")
        path = pool.at("cidrBlock")
        networks.add(updates.immutable(path, block, old_pool.values["cidrBlock"]))
    zones, old_zones = networks.sections("zones"), old.sections("zones")
    networks.add(aws.zones_removed(networks.at("zones"), new=len(zones), old=len(old_zones)))
    for zone, former in zip(zones, old_zones, strict=False):
        for key in ("name", *_SUBNETS):
            was = former.values.get(key)
            networks.add(updates.immutable(zone.at(key), zone.values.get(key), was))


KINDS = kinds(VERSION, infrastructure=infrastructure, control_plane=control_plane)
