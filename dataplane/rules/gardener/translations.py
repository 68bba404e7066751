"""Address translations that belong to a healthy Gardener cluster: never a finding.

Sources: gardener/gardener `pkg/component/networking/apiserverproxy`, `.../nodelocaldns`, `.../vpn`
and `pkg/apis/core/v1beta1/constants`. They are recognised by an address of a range that nothing else
uses; which of them a cluster has is up to its configuration.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Address, Network
from dataplane.rules.gardener.reserved import RESERVED

_APISERVER = IPv4Network("240.0.0.0/8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A translation by design: the ranges that tell it, whose it is, and why it is right."""

    name: str
    networks: tuple[Network, ...]
    component: str
    reason: str


APISERVER_PROXY = Translation(
    name="apiserver-proxy",
    networks=(_APISERVER,),
    component="apiserver-proxy",
    reason="the Service `kubernetes` leads to an address on `lo` of every node, which the proxy there "
    "forwards to the control plane in the seed; it is the seed's clusterIP with a first octet of 240",
)
NODE_LOCAL_DNS = Translation(
    name="node-local-dns",
    networks=(IPv4Network("169.254.20.10/32"), IPv6Network("fd30:1319:f1e:230b::1/128")),
    component="node-local-dns",
    reason="names are resolved by a cache on the node, which asks the cluster's DNS under its own name",
)
VPN = Translation(
    name="vpn",
    networks=tuple(own.network for own in RESERVED if own.network != _APISERVER),
    component="vpn-shoot, vpn-seed-server",
    reason="the tunnel between seed and shoot has addresses of its own, and stands for ranges that may "
    "exist on both sides; only inside of the VPN's own pods",
)
METADATA = Translation(
    name="metadata",
    networks=(IPv4Network("169.254.169.254/32"),),
    component="the infrastructure",
    reason="the metadata service of the cloud answers machines only; pods reach it behind their node",
)
HEALTHY = (APISERVER_PROXY, NODE_LOCAL_DNS, VPN, METADATA)


def healthy(*addresses: Address) -> Translation | None:
    """Return the translation that one of the addresses of a flow belongs to, None for none."""
    for translation in HEALTHY:
        if any(address in network for address in addresses for network in translation.networks):
            return translation
    return None
