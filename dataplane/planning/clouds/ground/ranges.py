"""Where ranges come from that a manifest leaves open: documentation, private and local space.

Every choice takes what it returns out of the request's space, so that nothing is given twice. The
same name and seed lead to the same ranges on every machine.
"""

from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Address, Network
from dataplane.planning.clouds import Request
from dataplane.planning.space import number
from dataplane.rules import rfc4193
from dataplane.rules.gardener import shoot

GLOBAL_POOLS = (IPv6Network("2001:db8::/32"), IPv6Network("3fff::/20"))  # RFC 3849, RFC 9637
PRIVATE_V4 = {
    "nodes": IPv4Network(shoot.NODES_V4),
    "pods": IPv4Network(shoot.PODS_V4),
    "services": IPv4Network(shoot.SERVICES_V4),
}
PRIVATE_V4_POOLS = tuple(
    IPv4Network(block)
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")  # RFC 1918
)


def private_v4(request: Request, kind: str, size: int | None) -> Network | None:
    """Return the default private range of `kind`, or the first free one of that size."""
    default = PRIVATE_V4[kind]
    for parent in (default, *PRIVATE_V4_POOLS):
        length = max(size or default.prefixlen, parent.prefixlen if size is None else 0)
        network = request.space.first_free(parent, length)
        if network is not None:
            return network
    return None


def unique_local(request: Request, kind: str, size: int) -> Network | None:
    """Return a range of `size` bits by RFC 4193, that of this cluster, seed and kind if it is free."""
    key = f"{request.cluster.name}/{request.seed}/{kind}".encode("utf-8", "surrogatepass")
    reserved = rfc4193.prefix(key, length=max(size, 48))
    if request.space.is_free(reserved):
        request.space.take(reserved)
        return reserved
    parent = rfc4193.LOCALLY_ASSIGNED
    return request.space.first_free(parent, size, start=number(key, "again"))


def global_block(request: Request, size: int) -> Network | None:
    """Return a block of `size` bits of the pools; documentation ranges stand for global ones."""
    seed = number(request.cluster.name, request.seed)
    return request.space.first_of(request.infrastructure.pools or GLOBAL_POOLS, size, start=seed)


def host(address: Address) -> Network:
    """Return the /32 or /128 of an address."""
    if address.version == 4:
        return IPv4Network((int(address), 32))
    return IPv6Network((int(address), 128))


def within(inner: Network, outer: Network) -> bool:
    """Tell whether a network lies in another one, or is that one."""
    return (
        inner.version == outer.version
        and int(outer[0]) <= int(inner[0])
        and int(inner[-1]) <= int(outer[-1])
    )


def block6(network: Network, length: int, index: int) -> IPv6Network:
    """Return the `index`-th subnet of `length` bits of an IPv6 network; IndexError beyond the last."""
    bits = length - network.prefixlen
    if not 0 <= index < 1 << bits:
        raise IndexError(f"{network} has no subnet {index} of /{length}")
    return IPv6Network((int(network[0]) + (index << 128 - length), length))
