"""kube-proxy on one node is given a cluster-cidr that does not contain the pods' addresses.

IPv6 for Gardener, "Preventing NAT for PODs": every call of a pod to a ClusterIP is then masqueraded.
On AWS it happens when the podCIDR is not the prefix that was delegated. Everything is reachable.
"""

from dataclasses import replace
from random import Random

from dataplane.model.address import Network
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_node


def _applies(plan: Plan) -> str | None:
    if plan.proxy is None or plan.proxy.masquerade_all or not plan.proxy.cluster_cidrs:
        return "kube-proxy is given no range that it tells pods by"
    return None


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    given = () if plan.proxy is None else plan.proxy.cluster_cidrs
    ranges = tuple(_without_pods(plan, node, cidr) for cidr in given)
    proxies = tuple(
        replace(proxy, local_cidrs=ranges) if proxy.namespace == node.name else proxy
        for proxy in topology.proxies
    )
    return Faulted(
        topology=replace(topology, proxies=proxies),
        subjects=tuple(pod.name for pod in node.pods if pod.actor),
    )


def _without_pods(plan: Plan, node: NodePlan, cidr: Network) -> Network:
    """Return another range of the plan, of the same family: the nodes', else that of the Services."""
    ranges = [r for r in (*plan.node_ranges, *plan.service_ranges) if r.version == cidr.version]
    pods = [address for pod in node.pods for address in pod.addresses]
    return next((r for r in ranges if not any(pod in r for pod in pods)), cidr)


FAULT = Fault(
    name="foreign-cluster-cidr",
    title="kube-proxy on a node has a cluster-cidr without the pods",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
