"""Services on every node, as kube-proxy writes them: the mode is the node's own (`labs.kubeproxy`).

The shape is kept, not only the effect, so that what reads a node finds here what it finds there.
"""

from collections.abc import Iterable

from dataplane.model.topology import ProxySpec, Role, ServiceRule, Topology
from labs import kubeproxy
from labs.kubeproxy.nftables import chain_name

__all__ = ["chain_name", "render_services", "services_by_node"]

PLAIN = ProxySpec(namespace="")  # nftables mode that knows nothing of the cluster


def render_services(rules: Iterable[ServiceRule], proxy: ProxySpec = PLAIN) -> str:
    """Return kube-proxy's tables for these services, TCP and UDP alike, for the families in use."""
    return kubeproxy.render(rules, proxy)


def services_by_node(topology: Topology) -> dict[str, str]:
    """Return the tables of every node; one that has no kube-proxy of its own gets a plain one."""
    if not topology.services:
        return {}
    proxies = {proxy.namespace: proxy for proxy in topology.proxies}
    return {
        node.name: render_services(topology.services, proxies.get(node.name, PLAIN))
        for node in topology.namespaces
        if node.role is Role.NODE and not node.foreign
    }
