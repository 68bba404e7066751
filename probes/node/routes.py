"""The routes of a network namespace, as its main table has them."""

from ipaddress import ip_address, ip_network

from dataplane.kernel import netlink
from dataplane.model.seen import RouteSeen


def routes(owner: str) -> tuple[RouteSeen, ...]:
    """Return the unicast routes of the calling thread's namespace, which is `owner`'s.

    OSError when the kernel cannot say.
    """
    names = {link["index"]: str(link["name"]) for link in netlink.links()}
    return tuple(
        RouteSeen(
            owner=owner,
            destination=ip_network(destination),
            via=None if via is None else ip_address(via),
            interface=None if index is None else names.get(index),
        )
        for destination, via, index in netlink.routes()
    )
