"""What should be true of a node, from the configuration that lies on it. Nobody else is asked.

Sources: containernetworking/cni SPEC (network configuration lists) and the plugins ptp, bridge and
host-local (`ipMasq`, `mtu`, `ipam.subnet`, `ipam.ranges`); kubelet.config.k8s.io/v1beta1 (clusterDNS,
podCIDR); kubeproxy.config.k8s.io/v1alpha1 (mode, clusterCIDR, detectLocalMode, iptables.masqueradeAll,
nftables.masqueradeAll); kube-controller-manager and kube-apiserver (--cluster-cidr,
--service-cluster-ip-range); Calico (FELIX_IPV6SUPPORT, calico-ipam's assign_ipv6). What is said in a form that these do not have is passed over: a node's files
are not ours to validate.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import TypeVar

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.expected import Expected, Witness
from dataplane.model.node import NodeExpected, NodeFacts, PodFacts, Word
from dataplane.model.proxy import ProxyPlan

T = TypeVar("T")

NO_PREFIX = (
    "nobody on this node says which pod range is its own: no ipam.subnet or ipam.ranges in "
    "etc/cni/net.d, no podCIDR in kubelet's configuration; give the manifest with --shoot"
)
NO_RANGES = (
    "kube-proxy's clusterCIDR is not to be found on this node; give the manifest with --shoot"
)
NO_SERVICES = "no file on a node says which range Services have; give the manifest with --shoot"
NO_DNS = "kubelet's configuration was not found, or names no clusterDNS"
NO_MTU = "no network configuration names an mtu, and no pod has an interface to look at"
NO_CNI = "no network configuration in etc/cni/net.d"
NO_PROXY = "neither a configuration nor a process of kube-proxy was found on this node"
NO_ADDRESS = "the node has no address that crosses networks"
NO_NETWORK = "no network lies on a link that leads away from the node"
NO_FAMILIES = (
    "nobody on this node says which families its pods have: no range in etc/cni/net.d, no podCIDR, "
    "no address of a pod in the runtime's answers or in CNI's results, no host route to a pod"
)


def expect(facts: NodeFacts) -> NodeExpected:
    """Return what should be true of a node by what was found on it."""
    prefixes = _first(
        (_said(facts.cni, _subnets), _said(facts.kubelet, _pod_cidr)), missing=NO_PREFIX
    )
    ranges = _first(
        (
            _said(facts.kube_proxy, _cluster_cidrs),
            _said(facts.control_plane, _flagged("cluster-cidr")),
        ),
        missing=NO_RANGES,
    )
    mtu = _first((_said(facts.cni, _mtu), _links_mtu(facts.pods)), missing=NO_MTU)
    expected = NodeExpected(
        families=_families(prefixes, facts.pods),
        addresses=_kernel(facts.addresses, "addresses of its interfaces", NO_ADDRESS),
        node_ranges=_kernel(facts.networks, "networks on its uplinks", NO_NETWORK),
        pod_prefixes=prefixes,
        pod_ranges=ranges,
        service_ranges=_said(
            facts.control_plane, _flagged("service-cluster-ip-range"), missing=NO_SERVICES
        ),
        dns=_said(facts.kubelet, _dns, missing=NO_DNS),
        mtu=mtu,
        masqueraded=_masqueraded(facts.cni),
        proxy=_said(facts.kube_proxy, _proxy, missing=NO_PROXY),
    )
    return replace(expected, contradictions=tuple(_contradictions(expected, facts)))


def unknown(missing: str) -> Expected[T]:
    """Return what nobody says; `missing` says whose word lacks."""
    return Expected(value=None, source=Witness.UNKNOWN, missing=missing)


def inside(one: Network, other: Network) -> bool:
    """Tell whether a range lies in another one; ranges of two families never do."""
    return (
        one.version == other.version
        and one.network_address in other
        and one.prefixlen >= other.prefixlen
    )


def _said(
    words: Iterable[Word], reading: Callable[[Mapping[str, object]], T | None], missing: str = ""
) -> Expected[T]:
    """Return what the first configuration says that says anything about it."""
    for word in words:
        value = reading(word.content)
        if value:
            return Expected(value=value, source=Witness.NODE_FILE, where=word.where)
    return unknown(missing)


def _first(given: Iterable[Expected[T]], *, missing: str) -> Expected[T]:
    return next((one for one in given if one.value), unknown(missing))


def _kernel(value: T, where: str, missing: str) -> Expected[T]:
    if not value:
        return unknown(missing)
    return Expected(value=value, source=Witness.NODE_KERNEL, where=where)


def _families(
    prefixes: Expected[tuple[Network, ...]], pods: Iterable[PodFacts]
) -> Expected[tuple[Family, ...]]:
    if prefixes.value:
        families = tuple(dict.fromkeys(map(family_of, prefixes.value)))
        return Expected(value=families, source=prefixes.source, where=prefixes.where)
    given = tuple(pods)
    told = [pod for pod in given if pod.addresses]
    if told:
        where = f"addresses of {len(told)} pods ({worded(sorted({pod.source for pod in told}))})"
        return Expected(
            value=_distinct(pod.addresses for pod in told), source=Witness.RUNTIME, where=where
        )
    routed = [pod for pod in given if pod.routed]
    if routed:
        where = f"host routes to the interfaces of {len(routed)} pods"
        return Expected(
            value=_distinct(pod.routed for pod in routed), source=Witness.NODE_KERNEL, where=where
        )
    return unknown(NO_FAMILIES)


def _distinct(addresses: Iterable[Iterable[Address]]) -> tuple[Family, ...]:
    return tuple(dict.fromkeys(family_of(a) for each in addresses for a in each))


def _links_mtu(pods: Iterable[PodFacts]) -> Expected[int]:
    found = sorted((pod.mtu, pod.interface) for pod in pods if pod.mtu)
    if not found:
        return unknown(NO_MTU)
    return Expected(value=found[0][0], source=Witness.NODE_KERNEL, where=f"interface {found[0][1]}")


def _masqueraded(cni: Iterable[Word]) -> Expected[tuple[Family, ...]]:
    """Return the families that the configured plugin masquerades; () where it is told not to."""
    for word in cni:
        told = any(plugin.get("ipMasq") is True for plugin in _plugins(word.content))
        families = {family_of(subnet) for subnet in _subnets(word.content)} or set(Family)
        return Expected(
            value=tuple(family for family in Family if told and family in families),
            source=Witness.NODE_FILE,
            where=word.where,
        )
    return unknown(NO_CNI)


def _plugins(content: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the plugins of a configuration: those of a list, or the one that it is itself."""
    listed = content.get("plugins")
    for plugin in listed if isinstance(listed, list) else [content]:
        if isinstance(plugin, dict):
            yield plugin


def _subnets(content: Mapping[str, object]) -> tuple[Network, ...]:
    """Return the ranges that host-local hands out; words such as `usePodCidr` are none."""
    found: dict[Network, None] = {}
    for plugin in _plugins(content):
        ipam = plugin.get("ipam")
        if not isinstance(ipam, dict):
            continue
        texts = [ipam.get("subnet")]
        ranges = ipam.get("ranges")
        for one in ranges if isinstance(ranges, list) else ():
            texts += [
                part.get("subnet")
                for part in (one if isinstance(one, list) else ())
                if isinstance(part, dict)
            ]
        found |= dict.fromkeys(_networks(texts))
    return tuple(found)


def _mtu(content: Mapping[str, object]) -> int | None:
    sizes = [plugin.get("mtu") for plugin in _plugins(content)]
    return next((size for size in sizes if isinstance(size, int) and size > 0), None)


def _pod_cidr(content: Mapping[str, object]) -> tuple[Network, ...]:
    return tuple(_networks(_texts(content.get("podCIDR"))))


def _cluster_cidrs(content: Mapping[str, object]) -> tuple[Network, ...]:
    return tuple(_networks(_texts(content.get("clusterCIDR"))))


def _flagged(flag: str) -> Callable[[Mapping[str, object]], tuple[Network, ...]]:
    """Return a reading of the ranges in a flag of the control plane."""
    return lambda content: tuple(_networks(_texts(content.get(flag))))


def _dns(content: Mapping[str, object]) -> tuple[Address, ...]:
    found = []
    for text in _texts(content.get("clusterDNS")):
        with suppress(ValueError):
            found.append(ip_address(text))
    return tuple(found)


def _proxy(content: Mapping[str, object]) -> ProxyPlan:
    mode = str(content.get("mode") or "iptables")
    section, local = content.get(mode), content.get("detectLocal")
    section = section if isinstance(section, dict) else {}
    local = local if isinstance(local, dict) else {}
    return ProxyPlan(
        mode=mode,
        masquerade_all=section.get("masqueradeAll") is True,
        detect_local=str(content.get("detectLocalMode") or "ClusterCIDR"),
        cluster_cidrs=_cluster_cidrs(content),
        bridge_interface=str(local.get("bridgeInterface") or ""),
        interface_name_prefix=str(local.get("interfaceNamePrefix") or ""),
        source=Witness.NODE_FILE,
    )


def _texts(value: object) -> list[str]:
    """Return the parts of a list, or of a text with commas."""
    parts = value.split(",") if isinstance(value, str) else value
    return (
        [part.strip() for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
    )


def _networks(texts: Iterable[object]) -> Iterator[Network]:
    for text in texts:
        if isinstance(text, str):
            with suppress(ValueError):
                yield ip_network(text.strip(), strict=False)


def _contradictions(expected: NodeExpected, facts: NodeFacts) -> Iterator[str]:
    """Yield in words what two sources say differently."""
    prefixes, own = expected.pod_prefixes, _said(facts.kubelet, _pod_cidr)
    if prefixes.value and own.value and set(prefixes.value) != set(own.value):
        yield (
            f"{prefixes.where} gives this node's pods {worded(prefixes.value)}, {own.where} "
            f"{worded(own.value)}"
        )
    if prefixes.value and expected.pod_ranges.value:
        yield from outside(prefixes, expected.pod_ranges, "kube-proxy's clusterCIDR")
    yield from _calico(expected, facts)
    configured = _said(facts.cni, _mtu)
    for pod in facts.pods:
        for address in pod.addresses:
            yield from _against(pod, address, prefixes)
        # whose addresses nobody names may be no pod of the plugin's
        if pod.addresses and configured.value and pod.mtu and pod.mtu != configured.value:
            yield (
                f"{configured.where} gives pods an mtu of {configured.value}, the kernel has "
                f"{pod.mtu} on {pod.interface}"
            )


def _calico(expected: NodeExpected, facts: NodeFacts) -> Iterator[str]:
    """Yield in words which of Calico's settings is against the families that pods have."""
    families = expected.families.value or ()
    if Family.IPV6 not in families:
        return
    for word in facts.calico[:1]:  # several of its processes have the same environment
        if str(word.content.get("FELIX_IPV6SUPPORT", "true")).lower() == "false":
            yield (
                f"{word.where} has FELIX_IPV6SUPPORT=false, which programs no IPv6 at all; "
                f"{expected.families.where} give pods {worded(families)}"
            )
    for word in facts.cni:
        for plugin in _plugins(word.content):
            ipam = plugin.get("ipam")
            if isinstance(ipam, dict) and str(ipam.get("assign_ipv6", "true")).lower() == "false":
                yield (
                    f"{word.where} has assign_ipv6 off; {expected.families.where} give pods "
                    f"{worded(families)}"
                )


def _against(
    pod: PodFacts, address: Address, prefixes: Expected[tuple[Network, ...]]
) -> Iterator[str]:
    """Yield in words what contradicts an address that a pod is said to have."""
    if prefixes.value and not any(address in prefix for prefix in prefixes.value):
        yield (
            f"{pod.source} gives {pod.owner} {address}, outside of "
            f"{worded(prefixes.value)} ({prefixes.where})"
        )
    routed = [one for one in pod.routed if one.version == address.version]
    if routed and address not in routed:
        yield (
            f"{pod.source} gives {pod.owner} {address}, the node routes {worded(routed)} "
            f"to {pod.interface}"
        )


def outside(
    prefixes: Expected[tuple[Network, ...]], ranges: Expected[tuple[Network, ...]], called: str
) -> Iterator[str]:
    """Yield in words which of a node's pod ranges lies in no range of the cluster's."""
    for prefix in prefixes.value or ():
        if not any(inside(prefix, one) for one in ranges.value or ()):
            yield (
                f"{prefixes.where} gives this node's pods {prefix}, outside of {called} "
                f"{worded(ranges.value or ())} ({ranges.where})"
            )


def worded(values: Iterable[object]) -> str:
    """Return values as a list in words."""
    return ", ".join(map(str, values))
