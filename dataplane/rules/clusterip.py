"""Fixed addresses inside a Service range, and the sizes that kube-apiserver accepts.

Kubernetes gives the range's first address to the `kubernetes` Service (`pkg/controlplane`,
ServiceIPRange); Gardener gives the tenth to CoreDNS (`common.ComputeOffsetIP(services, 10)`).
`cmd/kube-apiserver/app/options/validation.go`, validateMaxCIDRRange: at most 20 bits.
"""

from ipaddress import IPv4Address, IPv6Address

from dataplane.model.address import Address, Network

API_SERVER_OFFSET = 1
DNS_OFFSET = 10
MAX_BITS = 20  # maxCIDRBits
SEED_PREFIX_LENGTH = 112  # "keeps crashing if service-cidr is larger than /112" (IPv6 for Gardener)
CLOUD_PREFIX_LENGTH = {"aws": 108, "gcp": 108}  # of ranges that these assign to Services


def at(network: Network, offset: int) -> Address:
    """Return the address `offset` after the network's own; ValueError when that is outside.

    The last address of an IPv4 network (broadcast) counts as outside.
    """
    if not 0 <= offset < network.num_addresses - (network.version == 4):
        raise ValueError(f"{network} has no address number {offset}")
    value = int(network.network_address) + offset
    return IPv4Address(value) if network.version == 4 else IPv6Address(value)


def api_server_address(network: Network) -> Address:
    """Return the address of the `kubernetes` Service."""
    return at(network, API_SERVER_OFFSET)


def dns_address(network: Network) -> Address:
    """Return the address of the cluster DNS Service."""
    return at(network, DNS_OFFSET)


def too_large(network: Network) -> bool:
    """Tell whether kube-apiserver refuses this Service range (without MultiCIDRServiceAllocator)."""
    return network.max_prefixlen - network.prefixlen > MAX_BITS
