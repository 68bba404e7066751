"""What a Shoot's infrastructureConfig decides of the addresses, for planning."""

from ipaddress import IPv6Network

from dataplane.manifest.fields import Section
from dataplane.model.infrastructure import Infrastructure
from dataplane.rules.gocidr import parse_cidr


def of(spec: Section, provider: str) -> Infrastructure:
    """Return what is known beforehand of the provider's networks; what is no CIDR is left out.

    The rules of the providers judge these fields (`manifest/providers.py`); here they are used.
    """
    config = spec.section("provider").section("infrastructureConfig")
    networks = config.section("networks")
    vpc = networks.section("vpc")
    zones = len(networks.sections("zones")) or 1
    if provider != "aws":
        return Infrastructure(zones=zones)
    return Infrastructure(
        prefix=_network(vpc.section("ipv6IpamPool").text("cidrBlock")),
        zones=zones,
        existing="id" in vpc,
        ingress=config.section("dualStack").values.get("enabled") is True,
    )


def _network(text: str | None) -> IPv6Network | None:
    try:
        network = parse_cidr(text or "").network
    except ValueError:
        return None
    return network if isinstance(network, IPv6Network) else None
