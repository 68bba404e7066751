"""Pods that come and go while a node is followed: who is new, who has a name by now, who has gone.

An interface is there before its pod's first process is, so a name may come later than its interface.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from dataplane.model.topology import Tap
from probes.node.interfaces import PodInterface

NAMELESS = 30.0  # seconds after which nobody looks for a pod's name any more
Change = Literal["came", "named", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What happened to one pod interface. `tap` is what it is known by from now on."""

    change: Change
    tap: Tap
    pod: PodInterface


class Residents:
    """The pod interfaces of a node, as of the last look."""

    def __init__(self, pods: Iterable[PodInterface], taps: Iterable[Tap], now: float) -> None:
        """Begin with `pods`, of which those in `taps` (by index) are watched; `now` in seconds."""
        self._taps: dict[int, Tap] = {tap.index: tap for tap in taps}
        self._pods = {pod.index: pod for pod in pods if pod.index in self._taps}
        self._came = dict.fromkeys(self._pods, now)
        self._names = {tap.name for tap in self._taps.values()}

    def expects_names(self, now: float) -> bool:
        """Tell whether some pod came lately and has no name yet, so that another look may find it."""
        return any(
            pod.pod is None and now - self._came[index] < NAMELESS
            for index, pod in self._pods.items()
        )

    def compare(self, found: Iterable[PodInterface], now: float) -> Iterator[Moved]:
        """Yield what is different from the last look; those that have gone come first.

        An interface whose index is known as something else than a pod's is left alone.
        """
        there: Mapping[int, PodInterface] = {pod.index: pod for pod in found}
        for index in [index for index in self._pods if index not in there]:
            yield Moved(change="gone", tap=self._taps.pop(index), pod=self._pods.pop(index))
        for index, pod in there.items():
            known = self._pods.get(index)
            if known is None and index not in self._taps:
                self._came[index] = now
                yield self._move("came", pod, replace(pod.tap(), name=self._own_name(pod)))
            elif known is not None and pod.pod is not None and known.pod is None:
                yield self._move("named", pod, replace(self._taps[index], owner=pod.owner))

    def _move(self, change: Change, pod: PodInterface, tap: Tap) -> Moved:
        self._pods[pod.index], self._taps[pod.index] = pod, tap
        self._names.add(tap.name)
        return Moved(change=change, tap=tap, pod=pod)

    def _own_name(self, pod: PodInterface) -> str:
        """Return the interface's name; with its index where an earlier one was called so."""
        name = pod.interface
        return f"{name}#{pod.index}" if name in self._names else name
