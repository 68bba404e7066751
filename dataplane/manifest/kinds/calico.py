"""Calico: NetworkConfig of gardener-extension-networking-calico."""

from functools import partial

from dataplane.manifest.case import Kind
from dataplane.manifest.configs import judged
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import Networks, flag, misspelt
from dataplane.model.address import Family
from dataplane.rules.providers import calico
from dataplane.rules.providers.calico import Pool
from dataplane.rules.providers.plugins import choice

GROUP = "calico.networking.extensions.gardener.cloud"
VERSION = f"{GROUP}/v1alpha1"
_KNOWN = (
    "apiVersion", "kind", "autoScaling", "backend", "birdExporter", "ebpfDataplane", "ipam", "ipip",
    "ipAutodetectionMethod", "ipv4", "ipv6", "multus", "overlay", "serviceLoopPrevention",
    "snatToUpstreamDNS", "typha", "vethMTU", "vxlan", "wireguardEncryption",
)  # fmt: skip


def network_config(top: Section, _old: Section | None, shoot: Networks) -> None:
    """Check a NetworkConfig for calico."""
    misspelt(top, _KNOWN)
    top.add(choice(top.at("backend"), top.text("backend"), "backend", calico.BACKENDS))
    ipam = top.section("ipam")
    families = shoot.families
    top.add(calico.ipam(ipam.path, ipam.text("type"), ipam.text("cidr"), families))
    for family in Family:
        key = family.lower()
        section = top.section(key)
        pool = _pool(section)
        top.add(calico.pool(pool))
        if family is Family.IPV6:
            top.add(calico.ipv6_pool(pool))
        if families and key in top:
            top.add(calico.family_used(section.path, family, families))
    mtu = top.text("vethMTU")
    if mtu is not None:
        top.add(calico.veth_mtu(top.at("vethMTU"), mtu, families))
    top.add(choice(top.at("ipip"), top.text("ipip"), "ipip", calico.MODES))
    method = top.text("ipAutodetectionMethod")
    if method is not None:
        top.add(calico.autodetection(top.at("ipAutodetectionMethod"), method))
    flag(top.section("overlay"), "enabled")
    _masquerade(top, families)


def _pool(section: Section) -> Pool:
    misspelt(section, ("pool", "mode", "autoDetectionMethod", "sourceNATEnabled"))
    return Pool(
        path=section.path,
        pool=section.text("pool"),
        mode=section.text("mode"),
        autodetection=section.text("autoDetectionMethod"),
    )


def _masquerade(top: Section, families: tuple[str, ...]) -> None:
    """Say where the pods' IPv6 addresses are translated: by wish, and as wireguard's company."""
    ipv6 = top.section("ipv6")
    if flag(ipv6, "sourceNATEnabled"):
        top.add([calico.masquerade(ipv6.at("sourceNATEnabled"), "sourceNATEnabled")])
    elif flag(top, "wireguardEncryption") and Family.IPV6 in families:
        top.add([calico.masquerade(top.at("wireguardEncryption"), "wireguard brings it along")])


KIND = Kind(
    name="NetworkConfig",
    groups=(GROUP,),
    judge=partial(judged, versions=(VERSION,), rules=network_config),
)
