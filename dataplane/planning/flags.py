"""Command lines of Kubernetes' components, as far as a plan decides them: primary family first.

As Gardener has them (`pkg/component/kubernetes/*`, `.../operatingsystemconfig/.../kubelet`): the
order of `--service-cluster-ip-range` makes the primary clusterIP (GEP-21), kube-proxy gets every pod
range except in ipvs mode, the kubelet prefers IPv6 where that is primary. Whoever else writes
v1.Node's podCIDRs, kube-controller-manager must not: `--allocate-node-cidrs=false`.
"""

from collections.abc import Iterable

from dataplane.model.address import Address, Family, Network
from dataplane.model.cloud import Allocator, PodPool
from dataplane.model.components import Component, Flag
from dataplane.model.plan import Plan
from dataplane.model.proxy import ProxyPlan
from dataplane.planning.allocators import CONTROLLER_MANAGER
from dataplane.planning.names import CLUSTER_ZONE
from dataplane.planning.workload import proxy_of

CLOUD_CONTROLLER = "cloud-controller-manager"
TYPES = {Allocator.RANGE: "RangeAllocator", Allocator.CLOUD: "CloudAllocator"}
DEFAULT_DETECTION = "ClusterCIDR"


def components(plan: Plan, *, proxy_mode: str | None = None) -> tuple[Component, ...]:
    """Return the components with their flags; `proxy_mode` is kube-proxy's, where it is not the plan's."""
    proxy = plan.proxy
    if proxy is None or (proxy_mode is not None and proxy_mode != proxy.mode):
        proxy = proxy_of(plan.pod_ranges, mode=proxy_mode or ProxyPlan().mode)
    found = [
        Component(name=CONTROLLER_MANAGER, flags=_allocating(plan, CONTROLLER_MANAGER)),
        Component(name="kube-apiserver", flags=(_service_range(plan),)),
        Component(name="kube-proxy", flags=_proxy(proxy)),
        Component(name="kubelet", flags=_kubelet(plan)),
    ]
    if any(pool.setter == CLOUD_CONTROLLER for pool in plan.pools):
        found.insert(1, Component(name=CLOUD_CONTROLLER, flags=_allocating(plan, CLOUD_CONTROLLER)))
    return tuple(found)


def _allocating(plan: Plan, component: str) -> tuple[Flag, ...]:
    """Return the flags of a node IPAM controller, which runs in two components."""
    own = [pool for pool in plan.pools if pool.setter == component]
    kinds = [TYPES[pool.allocator] for pool in own if pool.allocator in TYPES]
    others = ", ".join(dict.fromkeys(p.setter for p in plan.pools if p.setter != component))
    remark = "" if own else f"{others} hands out the nodes' prefixes"
    flags = [Flag(name="--allocate-node-cidrs", value=_bool(bool(own)), remark=remark)]
    if kinds:
        flags.append(Flag(name="--cidr-allocator-type", value=kinds[0]))
        if kinds[0] == TYPES[Allocator.RANGE]:
            flags += _masks(plan, own)
    flags.append(Flag(name="--cluster-cidr", value=_join(plan.pod_ranges)))
    if component == CONTROLLER_MANAGER:
        flags.append(_service_range(plan))
    return tuple(flags)


def _masks(plan: Plan, pools: Iterable[PodPool]) -> list[Flag]:
    """Return the node masks: one plain flag for one family, one per family for two."""
    if len(plan.pod_ranges) == 1:
        return [Flag(name="--node-cidr-mask-size", value=str(pool.mask_size)) for pool in pools]
    return [
        Flag(
            name=f"--node-cidr-mask-size-{'ipv4' if pool.family is Family.IPV4 else 'ipv6'}",
            value=str(pool.mask_size),
        )
        for pool in sorted(pools, key=lambda pool: pool.network.version)
    ]


def _service_range(plan: Plan) -> Flag:
    remark = f"{plan.families[0]} first: it is the primary family" if len(plan.families) > 1 else ""
    return Flag(name="--service-cluster-ip-range", value=_join(plan.service_ranges), remark=remark)


def _proxy(proxy: ProxyPlan) -> tuple[Flag, ...]:
    flags = [Flag(name="--proxy-mode", value=proxy.mode)]
    if proxy.masquerade_all:
        flags.append(Flag(name="--masquerade-all", value="true"))
    if proxy.detect_local != DEFAULT_DETECTION:
        flags.append(Flag(name="--detect-local-mode", value=proxy.detect_local))
    if proxy.bridge_interface:
        flags.append(Flag(name="--pod-bridge-interface", value=proxy.bridge_interface))
    if proxy.interface_name_prefix:
        flags.append(Flag(name="--pod-interface-name-prefix", value=proxy.interface_name_prefix))
    if proxy.cluster_cidrs:
        remark = ""
        if any(network.version == 6 for network in proxy.cluster_cidrs):
            remark = (
                'Gardener passes IPv6, too; "IPv6 for Gardener" advises against it, yet what makes '
                "kube-proxy masquerade is a range that does not contain the pods"
            )
        flags.append(Flag(name="--cluster-cidr", value=_join(proxy.cluster_cidrs), remark=remark))
    return tuple(flags)


def _kubelet(plan: Plan) -> tuple[Flag, ...]:
    flags = [
        Flag(name="--cluster-dns", value=_join(plan.dns_addresses)),
        Flag(name="--cluster-domain", value=CLUSTER_ZONE),
    ]
    if plan.families[0] is Family.IPV6:
        remark = "prefers the node's IPv6 address"
        flags.append(Flag(name="--node-ip", value="::", remark=remark))
    return tuple(flags)


def _bool(value: bool) -> str:  # noqa: FBT001 - a value to be written, not a switch
    return "true" if value else "false"


def _join(values: Iterable[Address | Network]) -> str:
    return ",".join(str(value) for value in values)
