"""Ways of pods: whether the kernel of a pod's namespace knows where to send a packet to an address."""

from collections.abc import Iterable
from ipaddress import IPv6Address

from dataplane.kernel import netns
from dataplane.kernel.routeget import way
from probes.node.interfaces import PodInterface


def lacking(pods: Iterable[PodInterface], owner: str, destination: IPv6Address) -> int | None:
    """Return the errno that `connect` would give in a pod, 0 where it has a way, None if nobody knows.

    Nothing is sent: the route is asked for (RTM_GETROUTE).
    """
    for pod in pods:
        if pod.owner != owner or pod.namespace is None:
            continue
        try:
            return netns.call(pod.namespace, _there, pod.cookie, destination)
        except OSError:  # it ended while we looked
            continue
    return None


def _there(cookie: int, destination: IPv6Address) -> int:
    if netns.cookie() != cookie:  # another process has the number by now
        raise FileNotFoundError(f"the network namespace of {cookie} has gone")
    return way(destination)
