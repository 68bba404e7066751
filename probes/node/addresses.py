"""The addresses of a network namespace, with how long they stay."""

from ipaddress import ip_interface

from dataplane.kernel import netlink
from dataplane.model.seen import AddressSeen

LOOPBACK = "lo"


def addresses(owner: str) -> tuple[AddressSeen, ...]:
    """Return the addresses of the calling thread's namespace, which is `owner`'s; both families.

    OSError when the kernel cannot say.
    """
    names = {link["index"]: str(link["name"]) for link in netlink.links()}
    found = (
        (names.get(index), ip_interface(text), valid) for index, text, valid in netlink.lifetimes()
    )
    return tuple(
        AddressSeen(
            owner=owner,
            interface=interface,
            address=own.ip,
            length=own.network.prefixlen,
            valid=valid,
        )
        for interface, own, valid in found
        if interface is not None and interface != LOOPBACK
    )
