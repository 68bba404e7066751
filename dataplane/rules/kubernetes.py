"""What Kubernetes' own components make of ranges: kube-controller-manager and kube-apiserver.

Sources: `pkg/controller/nodeipam` (see rules/nodeipam.py), `cmd/kube-apiserver/app/options`
(see rules/clusterip.py). The seeds' stricter advice comes as warnings.
"""

from dataclasses import replace

from dataplane.model.address import Network, family_of
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules import clusterip, nodeipam
from dataplane.rules.fielderror import advice, invalid


def node_pool(path: str, network: Network, mask_size: int) -> list[Problem]:
    """Check that a pod range can be cut into one block of `mask_size` bits per node."""
    bits = nodeipam.pool_bits(network, mask_size)
    family = family_of(network)
    name = "nodeCIDRMaskSize" if family.bits == 32 else "nodeCIDRMaskSizeIPv6"
    if bits < 0:
        detail = f"a node's block of /{mask_size} does not fit into the range"
        remedy = f"choose a shorter range, or a {name} longer than /{network.prefixlen}"
        return [invalid(path, str(network), detail, source=Source.KUBERNETES, remedy=remedy)]
    if family.bits == 128 and bits > nodeipam.MAX_POOL_BITS:
        detail = (
            f"{nodeipam.SUBNET_TOO_BIG} (kube-controller-manager: /{mask_size} blocks of "
            f"/{network.prefixlen} are a pool of {bits} bits, at most {nodeipam.MAX_POOL_BITS} work)"
        )
        remedy = (
            f"use /{mask_size - nodeipam.MAX_POOL_BITS} or longer for the range, or set {name} to "
            f"{network.prefixlen + nodeipam.MAX_POOL_BITS} or less"
        )
        return [invalid(path, str(network), detail, source=Source.KUBERNETES, remedy=remedy)]
    if family.bits == 128 and bits == nodeipam.MAX_POOL_BITS:
        detail = (
            f"a pool of {bits} bits is the most that nodeipam takes; the advice is to stay below"
        )
        remedy = "make the range one bit longer or the node mask one bit shorter"
        return [advice(path, detail, remedy=remedy, source=Source.SEED)]
    if bits == 0:
        detail = f"with node blocks of /{mask_size} this range serves one single node"
        remedy = f"use a shorter prefix for the range, or a {name} longer than /{mask_size}"
        return [advice(path, detail, remedy=remedy, source=Source.KUBERNETES)]
    return []


def service_range(path: str, network: Network) -> list[Problem]:
    """Check the size of a Service range against kube-apiserver, and against the seed's /112."""
    if network.num_addresses <= clusterip.DNS_OFFSET + 1:
        detail = "too small: the cluster DNS needs the tenth address"
        remedy = "use a shorter prefix"
        return [invalid(path, str(network), detail, source=Source.KUBERNETES, remedy=remedy)]
    limit = network.max_prefixlen - clusterip.MAX_BITS
    if clusterip.too_large(network):
        detail = (
            f"kube-apiserver without MultiCIDRServiceAllocator stops with: specified "
            f"--service-cluster-ip-range is too large; for {network.max_prefixlen}-bit addresses, "
            f"the mask must be >= {limit}"
        )
        remedy = f"use /{limit} or longer (the IPv6 proposals advise /112)"
        return [advice(path, detail, remedy=remedy, source=Source.KUBERNETES)]
    if network.version == 6 and network.prefixlen < clusterip.SEED_PREFIX_LENGTH:
        detail = "larger than /112, which some releases of kube-apiserver did not survive"
        note = advice(path, detail, remedy="use /112", source=Source.SEED)
        return [replace(note, severity=Severity.INFO)]
    return []
