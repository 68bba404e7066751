"""The neighbours of a network namespace that are resolved: who was asked for, and what came of it."""

from ipaddress import ip_address

from dataplane.kernel import netlink
from dataplane.model.seen import NeighbourSeen, NeighbourState

# linux/neighbour.h, NUD_*; the others need no resolution, or were not asked for yet (NUD_NONE).
STATES = {
    0x01: NeighbourState.INCOMPLETE,
    0x02: NeighbourState.REACHABLE,
    0x04: NeighbourState.STALE,
    0x08: NeighbourState.DELAY,
    0x10: NeighbourState.PROBE,
    0x20: NeighbourState.FAILED,
}


def neighbours(owner: str) -> tuple[NeighbourSeen, ...]:
    """Return the neighbours of the calling thread's namespace, which is `owner`'s; both families.

    OSError when the kernel cannot say.
    """
    names = {link["index"]: str(link["name"]) for link in netlink.links()}
    return tuple(
        NeighbourSeen(
            owner=owner,
            interface=names[index],
            address=ip_address(address),
            state=STATES[state],
            mac=mac,
        )
        for index, address, mac, state in netlink.neighbours()
        if state in STATES and index in names
    )
