"""Ranges that Gardener keeps for itself: `pkg/apis/core/v1beta1/constants`, `pkg/utils/validation/cidr`.

The path between a seed and its shoots is a VPN; since v1.117 IPv4 ranges are mapped on their way
through it, so that a shoot's may equal its seed's. What they are mapped to must not be used.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Network
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import invalid
from dataplane.rules.gardener.cidrs import intersect


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """One range; `name` is what upstream calls it in its errors."""

    name: str
    network: Network

    def __str__(self) -> str:
        return f"{self.name} ({self.network})"


VPN = Reserved(name="default vpn network", network=IPv6Network("fd8f:6d53:b97a:1::/96"))
VPN_V1_63 = Reserved(name="default vpn network", network=IPv4Network("192.168.123.0/24"))
RESERVED = (  # in upstream's order of errors
    VPN,
    Reserved(name="reserved kube-apiserver mapping range", network=IPv4Network("240.0.0.0/8")),
    Reserved(name="reserved seed pod network mapping range", network=IPv4Network("241.0.0.0/8")),
    Reserved(name="reserved shoot node network mapping range", network=IPv4Network("242.0.0.0/8")),
    Reserved(
        name="reserved shoot service network mapping range", network=IPv4Network("243.0.0.0/8")
    ),
    Reserved(name="reserved shoot pod network mapping range", network=IPv4Network("244.0.0.0/8")),
)


def overlap(path: str, kind: str, text: str, network: Network) -> list[Problem]:
    """Check a range against all of them; `kind` is `node`, `pod` or `service`, `text` as written."""
    return [
        invalid(
            path,
            text,
            f"{kind} network intersects with {reserved}",
            remedy=f"Gardener uses {reserved.network} itself; choose a range outside of it",
        )
        for reserved in RESERVED
        if intersect(network, reserved.network)
    ]
