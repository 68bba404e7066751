"""What is known of the infrastructure beforehand: what the cloud gave, or somebody decided for it."""

from dataclasses import dataclass, fields, replace
from ipaddress import IPv6Network

from dataplane.model.address import Address, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Infrastructure:
    """Input of a plan beside the manifest; whatever is left open is the cloud model's choice.

    `prefix` is the cluster's IPv6 block: a VPC's /56, a VNet, a subnet, brought along or given by
    the cloud. `pools` is where blocks are taken from when there is no `prefix`; empty stands for
    the documentation ranges. `flat` means that there are no VPCs (`vpc: none`), `existing` that the
    VPC is somebody's own (`networks.vpc.id`), `ingress` that an IPv4 cluster has IPv6 at its load
    balancers (`dualStack.enabled`).

    `node_addresses` and `pod_cidrs` are what somebody else has given to the nodes, node by node;
    `occupied` are ranges of other clusters or subnets that are in the way. Clusters of one
    `landscape` have equal surroundings.
    """

    prefix: IPv6Network | None = None
    pools: tuple[IPv6Network, ...] = ()
    zones: int = 1
    flat: bool = False
    existing: bool = False
    ingress: bool = False
    node_addresses: tuple[tuple[Address, ...], ...] = ()
    pod_cidrs: tuple[tuple[Network, ...], ...] = ()
    occupied: tuple[Network, ...] = ()
    landscape: str = ""

    def over(self, other: "Infrastructure") -> "Infrastructure":
        """Return `other` with everything that is not left open here."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        said = {n: value for n, value in known.items() if value != getattr(NOTHING_GIVEN, n)}
        return replace(other, **said)


NOTHING_GIVEN = Infrastructure()
