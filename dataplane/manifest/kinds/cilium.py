"""Cilium: NetworkConfig of gardener-extension-networking-cilium."""

from functools import partial

from dataplane.manifest.case import Kind
from dataplane.manifest.configs import judged
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import Networks, flag, misspelt
from dataplane.model.address import Family
from dataplane.rules.providers import cilium
from dataplane.rules.providers.plugins import small_mtu

GROUP = "cilium.networking.extensions.gardener.cloud"
VERSION = f"{GROUP}/v1alpha1"
_KNOWN = (
    "apiVersion", "kind", "bgpControlPlane", "bpfSocketLBHostnsOnly", "cni", "debug", "devices",
    "directRoutingDevice", "egressGateway", "enableBPFMasquerade", "enableIpv4Masquerade",
    "enableIpv6Masquerade", "encryption", "hubble", "ipv4", "ipv4NativeRoutingCIDREnabled", "ipv6",
    "ipv6NativeRoutingCIDREnabled", "kubeproxy", "l2Announcements", "loadBalancingMode", "mtu",
    "overlay", "policyAuditMode", "snatOutOfCluster", "snatToUpstreamDNS", "store", "tunnel",
)  # fmt: skip


def network_config(top: Section, _old: Section | None, shoot: Networks) -> None:
    """Check a NetworkConfig for cilium."""
    misspelt(top, _KNOWN)
    tunnel = top.text("tunnel")
    modes = top.text("store"), top.text("loadBalancingMode")
    top.add(cilium.values(top.path, tunnel, *modes))
    with_ipv6 = Family.IPV6 in shoot.families
    mtu = top.integer("mtu")
    if mtu is not None:
        top.add(cilium.mtu(top.at("mtu"), mtu))
        top.add(small_mtu(top.at("mtu"), mtu) if with_ipv6 else [])
    for index, name in enumerate(top.texts("devices") or ()):
        top.add(cilium.device(f"{top.at('devices')}[{index}]", name))
    direct = top.text("directRoutingDevice")
    if direct is not None:
        top.add(cilium.device(top.at("directRoutingDevice"), direct))
    proxy = top.section("kubeproxy")
    host, port = proxy.text("k8sServiceHost"), proxy.integer("k8sServicePort")
    top.add(cilium.kube_proxy(proxy.path, host, port))
    _encryption(top.section("encryption"))
    for family in Family:
        enabled = flag(top.section(family.lower()), "enabled")
        if enabled is not None and shoot.families:
            path = f"{top.at(family.lower())}.enabled"
            used = family in shoot.families
            top.add(cilium.family_switch(path, family, enabled=enabled, used=used))
    if flag(top, "enableIpv6Masquerade"):
        top.add([cilium.masquerade(top.at("enableIpv6Masquerade"))])
    overlay = flag(top.section("overlay"), "enabled")
    if with_ipv6 and overlay is not False and tunnel in {"vxlan", "geneve"}:
        top.add([cilium.tunnel(top.at("tunnel"), tunnel)])


def _encryption(section: Section) -> None:
    enabled, strict = flag(section, "enabled") is True, flag(section, "strictMode") is True
    mode = section.text("mode")
    section.add(cilium.encryption(section.path, mode, enabled=enabled, strict=strict))


KIND = Kind(
    name="NetworkConfig",
    groups=(GROUP,),
    judge=partial(judged, versions=(VERSION,), rules=network_config),
)
