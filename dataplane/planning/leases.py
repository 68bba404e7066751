"""DHCPv6 on the network of the nodes: which part of the subnet is served, and by whom.

As OpenStack's own DHCP agent does it, the server has an address out of the allocation pool and leases to
each port what was chosen for it. So the addresses of a plan are the same, whether nodes lease them or not.
"""

from ipaddress import IPv6Address, IPv6Network
from itertools import count

from dataplane.model.address import Family
from dataplane.model.plan import LeasePlan, Plan
from dataplane.model.problem import InvalidInputError, Source
from dataplane.rules.fielderror import invalid

SERVER = "dhcp"
# Apart from those of nodes (planning.underlay) and of routers.
LINK_LOCAL = IPv6Address("fe80::547")
# Address of the pool that may be the server's: below are the subnet's own and the router's.
FIRST = 2
RANGE = 64  # prefix length of what one range of dnsmasq can be a part of (dnsmasq(8), --dhcp-range)


def leases(plan: Plan) -> LeasePlan:
    """Return who leases what to the nodes; InvalidInputError where there is nothing to lease from."""
    found = [
        (subnet.network, subnet.pool)
        for router in plan.cloud.routers
        for subnet in plan.cloud.subnets
        if router.family is Family.IPV6 and subnet.network == router.subnet
    ]
    subnet, pool = found[0] if found else (None, None)
    if not isinstance(subnet, IPv6Network) or not isinstance(pool, IPv6Network):
        detail = (
            "nobody says which addresses DHCPv6 may lease: there is no IPv6 subnet with a router"
        )
        remedy = (
            "write the addresses down (static), or take a cloud that has such a subnet (openstack)"
        )
        raise _refused(plan, detail, remedy)
    if subnet.prefixlen != RANGE:
        detail = (
            f"the subnet {subnet} is no /{RANGE}, and a range of the DHCPv6 server is a part of one"
        )
        raise _refused(plan, detail, f"use a /{RANGE}, or write the addresses down (static)")
    taken = {node.address(Family.IPV6) for node in plan.nodes}
    stray = sorted(str(address) for address in taken if address is not None and address not in pool)
    if stray:
        detail = f"{', '.join(stray)} cannot be leased: outside of the allocation pool {pool}"
        raise _refused(plan, detail, "give the nodes addresses of the pool (--node-address)")
    candidates = (pool[number] for number in count(FIRST))
    own = next(address for address in candidates if address not in taken)
    return LeasePlan(server=SERVER, link_local=LINK_LOCAL, address=own, subnet=subnet, pool=pool)


def _refused(plan: Plan, detail: str, remedy: str) -> InvalidInputError:
    problem = invalid("node_addresses", "leased", detail, source=Source.SIXSCOPE, remedy=remedy)
    return InvalidInputError(plan.name, [problem])
