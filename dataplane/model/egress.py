"""Egress: a forward proxy with both families outside, for pods that have IPv6 only.

"IPv6 for Gardener": dual-stack cannot be avoided for load balancers and egress proxies, and should be
avoided within clusters.
"""

from dataclasses import dataclass

from dataplane.model.address import Address, Family, family_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPlan:
    """A forward proxy (RFC 9110 section 9.3.6, CONNECT) beside the cluster.

    Pods reach it by `dns_name` at `inside`, which is IPv6, and name whom they want; it resolves the name
    itself, without DNS64, and goes on from `outside`, which has both families.
    """

    name: str
    dns_name: str
    inside: tuple[Address, ...]
    outside: tuple[Address, ...]
    port: int

    def address(self, family: Family) -> Address | None:
        """Return the address that it goes out from in that family, None when it has none."""
        return next((a for a in self.outside if family_of(a) is family), None)
