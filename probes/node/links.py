"""The interfaces of a network namespace: how long a packet they take, what routers said there."""

from dataplane.kernel import netlink
from dataplane.model.seen import LinkSeen

LOOPBACK = "lo"


def links(owner: str) -> tuple[LinkSeen, ...]:
    """Return the interfaces of the calling thread's namespace but loopback; OSError as of netlink."""
    return tuple(
        LinkSeen(owner=owner, interface=link["name"], mtu=link["mtu"], managed=link["managed"])
        for link in netlink.links()
        if link["name"] != LOOPBACK
    )
