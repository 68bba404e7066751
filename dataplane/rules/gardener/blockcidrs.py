"""What a Seed's `blockCIDRs` become: NetworkPolicies of its control planes.

`pkg/controller/networkpolicy` (reconcileNetworkPolicyAllowToPublicNetworks): a pod with the label to-public-networks
may go out to all public addresses, except the blocked ones; one with to-dns may ask the cluster's
DNS. GEP-21 asks for ::/0 next to 0.0.0.0/0; every exception stands at the block of its own family.
Of Gardener's policies these two are what a lab has: deny-all would leave nothing to look at.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Network
from dataplane.model.policy import (
    IPBlock,
    Policy,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    Requirement,
    Selector,
)
from dataplane.rules.networkpolicy import EVERYTHING_V4, EVERYTHING_V6
from dataplane.rules.policy import NAMESPACE_LABEL

PREFIX = "networking.gardener.cloud"
ALLOWED = "allowed"
TO_PUBLIC, TO_DNS = "to-public-networks", "to-dns"
SYSTEM = "kube-system"
DNS_LABEL = "k8s-app=kube-dns"
DNS_PORTS = (53, 8053)  # of the Service, and of CoreDNS itself
_PRIVATE_V4 = tuple(  # RFC 1918, RFC 6598
    map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
)
_PRIVATE_V6 = tuple(map(IPv6Network, ("fe80::/10", "fc00::/7")))  # RFC 4291, RFC 4193


def labels() -> tuple[str, ...]:
    """Return the labels of a component that asks the DNS and goes out: `key=value`."""
    return tuple(f"{PREFIX}/{name}={ALLOWED}" for name in (TO_DNS, TO_PUBLIC))


def policies(blocked: Iterable[Network]) -> tuple[Policy, ...]:
    """Return the policies that a Seed with these `blockCIDRs` has."""
    given = tuple(blocked)
    public = tuple(
        PolicyPeer(
            block=IPBlock(
                network=everything,
                exceptions=(*private, *(net for net in given if net.version == everything.version)),
            )
        )
        for everything, private in ((EVERYTHING_V4, _PRIVATE_V4), (EVERYTHING_V6, _PRIVATE_V6))
    )
    dns = PolicyPeer(
        namespaces=_labelled(NAMESPACE_LABEL, SYSTEM), pods=_labelled(*DNS_LABEL.split("="))
    )
    ports = tuple(
        PolicyPort(protocol=protocol, first=port)
        for port in DNS_PORTS
        for protocol in ("udp", "tcp")
    )
    return (
        Policy(
            name=f"allow-{TO_DNS}",
            pods=_labelled(f"{PREFIX}/{TO_DNS}", ALLOWED),
            egress=(PolicyRule(peers=(dns,), ports=ports),),
        ),
        Policy(
            name=f"allow-{TO_PUBLIC}",
            pods=_labelled(f"{PREFIX}/{TO_PUBLIC}", ALLOWED),
            egress=(PolicyRule(peers=public),),
        ),
    )


def _labelled(key: str, value: str) -> Selector:
    return Selector(requirements=(Requirement(key=key, operator="In", values=(value,)),))
