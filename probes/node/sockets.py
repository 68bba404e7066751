"""The sockets of a network namespace that wait for others: on which address, for which families."""

from dataplane.kernel import sockdiag
from dataplane.model.address import family_of
from dataplane.model.seen import ListenerSeen


def listening(owner: str) -> tuple[ListenerSeen, ...]:
    """Return what waits for others in the calling thread's namespace, which is `owner`'s.

    OSError when the kernel cannot say.
    """
    return tuple(
        ListenerSeen(
            owner=owner,
            protocol=each.protocol,
            family=family_of(each.address),
            address=each.address,
            port=each.port,
            v6only=each.v6only,
        )
        for each in sockdiag.waiting()
    )
