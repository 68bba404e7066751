"""The interfaces of a network namespace, with how long a packet they take."""

from dataplane.kernel import netlink
from dataplane.model.seen import LinkSeen

LOOPBACK = "lo"


def links(owner: str) -> tuple[LinkSeen, ...]:
    """Return the interfaces of the calling thread's namespace but loopback; OSError as of netlink."""
    return tuple(
        LinkSeen(owner=owner, interface=link["name"], mtu=link["mtu"])
        for link in netlink.links()
        if link["name"] != LOOPBACK
    )
