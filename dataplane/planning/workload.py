"""Pods and Services on planned nodes: names, addresses, who takes part in stimuli."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import count
from string import ascii_lowercase

from dataplane.model.address import Address, Network
from dataplane.model.cluster import Cluster
from dataplane.model.plan import (
    ClatPlacement,
    ClatPlan,
    Exposure,
    NodePlan,
    PodPlan,
    ServicePlan,
)
from dataplane.model.problem import InvalidInputError, Problem, Source
from dataplane.model.proxy import ProxyPlan
from dataplane.planning.clouds import Addressing
from dataplane.rules import clusterip, nodeipam
from dataplane.rules.fielderror import invalid

ACTORS_PER_NODE = ACTOR_NODES = 2
FIRST_POD = 2  # of a node's prefix; the first address is the node's own
SERVICE_OFFSETS = (100, 11)  # past what Kubernetes and Gardener reserve
NODE_PORT = 30080  # of kube-apiserver's default range, 30000 to 32767
IPTABLES, IPVS = "iptables", "ipvs"


def pod_name(index: int) -> str:
    """Return the name of pod number `index`: pod-a to pod-z, pod-aa, ..."""
    letters = ""
    number = index + 1
    while number:
        number, digit = divmod(number - 1, len(ascii_lowercase))
        letters = ascii_lowercase[digit] + letters
    return f"pod-{letters}"


def nodes_of(
    cluster: Cluster, addressing: Addressing, *, pods: int, clat: ClatPlan | None
) -> tuple[NodePlan, ...]:
    """Return the nodes with their pods, dealt in blocks; InvalidInputError when one has no room."""
    total = len(addressing.node_addresses)
    names = (pod_name(index) for index in count())
    plans = []
    for index in range(total):
        share = pods // total + (index < pods % total)
        prefixes = addressing.pod_prefixes[index]
        problems = _room(prefixes, share, with_clat=clat is not None)
        if problems:  # the other nodes have the same, as a rule
            raise InvalidInputError(cluster.name, problems)
        clat_prefix = None
        if clat is not None:
            clat_prefix = next(_last_quarter(p) for p in prefixes if isinstance(p, IPv6Network))
        plans.append(
            NodePlan(
                name=f"node-{index}",
                addresses=addressing.node_addresses[index],
                pod_prefixes=prefixes,
                clat_prefix=clat_prefix,
                pods=tuple(
                    _pod(next(names), index, place, prefixes, (clat, clat_prefix))
                    for place in range(share)
                ),
            )
        )
    return tuple(plans)


def _room(prefixes: tuple[Network, ...], pods: int, *, with_clat: bool) -> list[Problem]:
    """Check that a node's prefixes hold its pods, beside gateway, broadcast and CLAT quarter."""
    problems: list[Problem] = []
    for prefix in prefixes:
        room = prefix.num_addresses - FIRST_POD - (prefix.version == 4)
        if with_clat and prefix.version == 6:
            room = prefix.num_addresses * 3 // 4 - FIRST_POD
        if pods > room:
            detail = (
                f"a node's pod prefix {prefix} has room for {max(room, 0)} pods, not for {pods}"
            )
            remedy = "use more nodes, fewer pods, or a shorter node mask"
            problems.append(
                invalid(
                    "spec.networking.pods",
                    str(prefix),
                    detail,
                    source=Source.SIXSCOPE,
                    remedy=remedy,
                )
            )
    return problems


def _pod(
    name: str,
    node: int,
    place: int,
    prefixes: tuple[Network, ...],
    clat: tuple[ClatPlan | None, IPv6Network | None],
) -> PodPlan:
    actor = node < ACTOR_NODES and place < ACTORS_PER_NODE
    clat_plan, clat_prefix = clat
    clat_address = None
    if actor and clat_plan is not None and clat_prefix is not None:
        own = FIRST_POD + place if clat_plan.placement is ClatPlacement.POD else 1
        clat_address = clat_prefix[own]
    return PodPlan(
        name=name,
        node=f"node-{node}",
        addresses=tuple(_nth(prefix, FIRST_POD + place) for prefix in prefixes),
        clat_address=clat_address,
        actor=actor,
    )


def _nth(network: Network, offset: int) -> Address:
    value = int(network.network_address) + offset
    return IPv4Address(value) if isinstance(network, IPv4Network) else IPv6Address(value)


def _last_quarter(prefix: IPv6Network) -> IPv6Network:
    quarter = nodeipam.block(prefix, prefix.prefixlen + 2, 3)
    return IPv6Network((int(quarter.network_address), quarter.prefixlen))


def services_of(
    cluster: Cluster,
    ranges: tuple[Network, ...],
    nodes: tuple[NodePlan, ...],
    *,
    exposure: Exposure,
    balancer: tuple[Address, ...],
) -> tuple[tuple[ServicePlan, ...], tuple[Address, ...]]:
    """Return the echo Service and the addresses of the cluster DNS.

    `balancer` are the addresses that a load balancer would have, one per family: the Service gets
    those of its own families. As Kubernetes has it by default, a LoadBalancer has a NodePort, too.
    """
    problems = []
    dns: list[Address] = []
    echo: list[Address] = []
    for network in ranges:
        try:
            dns.append(clusterip.dns_address(network))
            offset = next(n for n in SERVICE_OFFSETS if n < network.num_addresses - 1)
            echo.append(clusterip.at(network, offset))
        except (ValueError, StopIteration):
            detail = "too small for the cluster DNS and one Service"
            path = "spec.networking.services"
            remedy = "use a shorter prefix: 16 addresses are the least"
            problems.append(
                invalid(path, str(network), detail, source=Source.KUBERNETES, remedy=remedy)
            )
    if problems:
        raise InvalidInputError(cluster.name, problems)
    service = ServicePlan(
        name="echo",
        namespace="default",
        addresses=tuple(echo),
        port=80,
        target_port=8080,
        endpoints=tuple(pod.name for node in nodes for pod in node.pods if pod.actor),
        type=exposure.type,
        external_traffic_policy=exposure.external_traffic_policy,
        node_port=None if exposure.type == "ClusterIP" else NODE_PORT,
        load_balancer=tuple(
            address
            for address in balancer
            if exposure.type == "LoadBalancer" and address.version in {a.version for a in echo}
        ),
    )
    return (service,), tuple(dns)


def proxy_of(pod_ranges: tuple[Network, ...], *, mode: str = IPTABLES) -> ProxyPlan:
    """Return kube-proxy's configuration as Gardener writes it.

    That is every pod range, primary family first, but none in ipvs mode (`pkg/component/networking/
    kubeproxy`, clusterCIDR); detection by cluster CIDR, and no masqueradeAll.
    """
    return ProxyPlan(mode=mode, cluster_cidrs=() if mode == IPVS else pod_ranges)
