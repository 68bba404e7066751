"""What a node and the pods on it are, seen from inside: addresses and sockets in their namespaces.

Nothing is sent and nothing is attached. A pod whose namespace was not found, or that ended while we
looked, stands in the books as one that could not be read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dataplane.kernel import netns, sockdiag
from dataplane.kernel.sockdiag import Waiting
from dataplane.model.node import NODE
from dataplane.model.seen import AddressSeen, ListenerSeen, ProbeReport
from probes.node.addresses import addresses
from probes.node.interfaces import PodInterface
from probes.node.sockets import holders, seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What was read, with the books."""

    addresses: tuple[AddressSeen, ...] = ()
    listeners: tuple[ListenerSeen, ...] = ()
    reports: tuple[ProbeReport, ...] = ()


class _Look:
    """One look into many namespaces; who has a socket open is found out for all of them at once."""

    def __init__(self) -> None:
        self.addresses: list[AddressSeen] = []
        self.sockets: list[tuple[str, Waiting]] = []
        self.reports: list[ProbeReport] = []

    def here(self, owner: str) -> None:
        """Read the calling thread's namespace, which is `owner`'s."""
        theirs, waiting = addresses(owner), sockdiag.waiting()
        self.addresses += theirs
        self.sockets += ((owner, one) for one in waiting)
        self._note(owner, len(theirs), len(waiting), None)

    def into(self, pod: PodInterface) -> None:
        """Read a pod's namespace, if it is still there."""
        try:
            if pod.namespace is None:
                raise FileNotFoundError(
                    f"the network namespace behind {pod.interface} was not found"
                )
            netns.call(pod.namespace, self._there, pod)
        except OSError as failure:
            self._note(pod.owner, 0, 0, str(failure))

    def _there(self, pod: PodInterface) -> None:
        if netns.cookie() != pod.cookie:  # another process has the number by now
            raise FileNotFoundError(f"the network namespace behind {pod.interface} has gone")
        self.here(pod.owner)

    def _note(self, owner: str, addresses: int, sockets: int, blind: str | None) -> None:
        for probe, hook, count in (
            ("addresses", "rtnetlink", addresses),
            ("sockets", "sock_diag", sockets),
        ):
            self.reports.append(
                ProbeReport(
                    probe=probe, where=owner, hook=hook, counted=count, recorded=count, blind=blind
                )
            )


def inside(pods: Iterable[PodInterface]) -> Inside:
    """Read the calling thread's namespace, the node's, and those of pods; about 1 ms for each.

    OSError when the kernel cannot say it of the node itself.
    """
    look = _Look()
    look.here(NODE)
    for pod in {pod.cookie or pod.interface: pod for pod in pods}.values():
        look.into(pod)
    processes = holders(one.inode for _, one in look.sockets)
    return Inside(
        addresses=tuple(look.addresses),
        listeners=tuple(seen(owner, one, processes) for owner, one in look.sockets),
        reports=tuple(look.reports),
    )
