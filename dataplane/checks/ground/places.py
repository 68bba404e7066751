"""Whose address is it: the plan, read the other way round."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from dataplane.model.address import Address, family_of
from dataplane.model.plan import NodePlan, Plan, PodPlan, ServerPlan, ServicePlan

Host = PodPlan | NodePlan | ServerPlan | ServicePlan
GATEWAY = "gateway"
DNS_PORT = 53
SERVICE_CONTINUITY = IPv4Network("192.0.0.0/29")  # RFC 7335: what applications behind a CLAT have


class Places:
    """Look-ups by address over one plan. A service's address belongs to the service, not to a pod.

    A neighbour's nodes and pods are known by name and by their IPv6 addresses: an IPv4 address may
    be there twice, and is seen of this cluster only.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        nodes, pods = plan.nodes, plan.pods
        beside = plan.neighbour
        if beside is not None:
            nodes, pods = (*nodes, *beside.nodes), (*pods, *beside.pods)
        hosts: tuple[Host, ...] = (*plan.services, *plan.servers, *nodes, *pods)
        own = (host for host in hosts if host.name not in plan.strangers)
        self._hosts: dict[Address, Host] = {
            a: h for h in hosts for a in h.addresses if isinstance(a, IPv6Address)
        }
        self._hosts |= {address: host for host in own for address in host.addresses}
        self._clats = {pod.clat_address: pod for pod in plan.pods if pod.clat_address}
        self._pods = {pod.name: pod for pod in pods}
        self._nodes = {node.name: node for node in nodes}

    def host(self, address: Address) -> Host | None:
        """Return who has this address, None when the plan does not know it."""
        return self._hosts.get(address) or self._clat_pod(address)

    def pod(self, address: Address) -> PodPlan | None:
        """Return the pod that has this address, as its own or for its CLAT."""
        host = self.host(address)
        return host if isinstance(host, PodPlan) else None

    def service(self, address: Address) -> ServicePlan | None:
        """Return the service that has this address."""
        host = self._hosts.get(address)
        return host if isinstance(host, ServicePlan) else None

    def pod_named(self, name: str) -> PodPlan | None:
        """Return the pod of that name, None when the plan has none."""
        return self._pods.get(name)

    def node_named(self, name: str) -> NodePlan | None:
        """Return the node of that name, None when the plan has none."""
        return self._nodes.get(name)

    def node_of(self, pod: str) -> str | None:
        """Return the name of the node that a pod runs on, None when the plan has no such pod."""
        found = self._pods.get(pod)
        return None if found is None else found.node

    def called(self, address: Address) -> str:
        """Return an address with its owner's name, as evidence prints it."""
        host = self.host(address)
        return str(address) if host is None else f"{host.name} ({address})"

    def beside(self, address: Address) -> Iterator[Address]:
        """Yield the addresses of the other family that the same host has."""
        host = self._hosts.get(address)
        if host is not None:
            yield from (a for a in host.addresses if family_of(a) is not family_of(address))

    def _clat_pod(self, address: Address) -> PodPlan | None:
        return self._clats.get(address) if isinstance(address, IPv6Address) else None


def crosses_networks(address: Address) -> bool:
    """Tell whether a packet to this address can leave its link for somebody else.

    Unspecified, loopback, link-local and multicast addresses, and for IPv4 the class E block with
    its broadcast address, stay where they are or are nobody's.
    """
    local = (
        address.is_unspecified
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
    )
    return not local and not (isinstance(address, IPv4Address) and address.is_reserved)
