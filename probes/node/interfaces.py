"""Pod interfaces of a machine that is not our lab, found by the namespace that they lead to.

The host side of a pod's veth pair names the namespace of its other end by an id (IFLA_LINK_NETNSID).
Interface indexes repeat from namespace to namespace, and name prefixes differ by CNI and prove
nothing, so those are used only where the namespaces cannot be read.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dataplane.kernel import netlink, netns
from dataplane.kernel.namespaceid import namespace_id
from dataplane.model.errors import UnsupportedError
from dataplane.model.node import NODE
from dataplane.model.topology import Point, Tap
from probes.node.pods import Pod, Pods, node_root

# Host sides by CNI: Calico, Cilium, AWS VPC CNI, ptp and bridge (docs/limits.md).
PREFIXES = ("cali", "lxc", "eni", "veth")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodInterface:
    """A host side that leads to a namespace.

    `owner` is what the namespace is known by: its `pod`, else its name under /run/netns, else the
    process that lives there. `cookie` is the namespace's cookie (SO_NETNS_COOKIE), 0 when it could
    not be read; `guessed` is true where only the interface's name spoke for a pod. `namespace` is a file
    that stands for the namespace, None where none was found.
    """

    interface: str
    index: int
    owner: str
    cookie: int
    pod: Pod | None = None
    guessed: bool = False
    namespace: Path | None = None

    def tap(self) -> Tap:
        """Return where to watch: the host side, where a packet that leaves the pod comes in."""
        return Tap(
            name=self.interface,
            namespace="",
            interface=self.interface,
            index=self.index,
            point=Point.POD,
            owner=self.owner,
            leaving_is_ingress=True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Namespace:
    path: Path
    owner: str
    pod: Pod | None = None


def pod_interfaces(pods: Pods | None = None) -> tuple[PodInterface, ...]:
    """Return the pod interfaces of the calling thread's namespace, by interface name.

    An interface that a default route leads to is none, whatever lies behind it. `pods` are those
    that the node's files name; without them the files are read.
    """
    away = _away()
    here = {
        link["index"]: link
        for link in netlink.links()
        if link["kind"] == "veth" and link["index"] not in away
    }
    found: dict[int, PodInterface] = {}
    for namespace in _other_namespaces(pods or Pods(node_root())):
        with suppress(OSError):  # it went away while we looked
            nsid, cookie = _known_as(namespace.path)
            for host in here.values():
                if nsid is not None and host["nsid"] == nsid:
                    found[host["index"]] = PodInterface(
                        interface=host["name"],
                        index=host["index"],
                        owner=namespace.owner,
                        cookie=cookie,
                        pod=namespace.pod,
                        namespace=namespace.path,
                    )
    for index, link in here.items():
        if index not in found and link["name"].startswith(PREFIXES):
            found[index] = PodInterface(
                interface=link["name"], index=index, owner=link["name"], cookie=0, guessed=True
            )
    return tuple(sorted(found.values(), key=lambda pod: pod.interface))


def uplinks() -> tuple[Tap, ...]:
    """Return the interfaces that the default routes of the calling thread's namespace lead to."""
    names = {link["index"]: link["name"] for link in netlink.links()}
    return tuple(uplink(names[index], index) for index in sorted(_away()) if index in names)


def uplink(name: str, index: int) -> Tap:
    """Return a tap for an interface that leads away from the node."""
    return Tap(
        name=name,
        namespace="",
        interface=name,
        index=index,
        point=Point.UPLINK,
        owner=NODE,
        leaving_is_ingress=False,
    )


def _away() -> set[int]:
    """Return the indexes of the interfaces that default routes lead to."""
    return {
        index
        for destination, _, index in netlink.routes()
        if destination in ("0.0.0.0/0", "::/0") and index is not None
    }


def _known_as(namespace: Path) -> tuple[int | None, int]:
    """Return a namespace's id in the calling thread's one, and its cookie."""
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return namespace_id(descriptor), netns.call(descriptor, netns.cookie)
    finally:
        os.close(descriptor)


def host_pods(pods: Pods) -> tuple[Pod, ...]:
    """Return the pods that live in the calling thread's namespace (hostNetwork), by their names.

    Their packets are the node's own: no interface tells them apart.
    """
    ours = Path("/proc/thread-self/ns/net").stat().st_ino
    found = {pod for inode, _, pod in _processes(pods) if inode == ours and pod is not None}
    return tuple(sorted(found, key=lambda pod: pod.called))


def _other_namespaces(pods: Pods) -> Iterable[_Namespace]:
    """Return every network namespace but our own once, by its best name: that of its pod."""
    ours = Path("/proc/thread-self/ns/net").stat().st_ino
    found: dict[int, _Namespace] = {}
    for name in netns.names():
        path = netns.path(name)
        with suppress(OSError):  # it went away while we looked
            found.setdefault(path.stat().st_ino, _Namespace(path=path, owner=name))
    for inode, process, pod in _processes(pods):
        known = found.get(inode)
        if known is None:
            with suppress(OSError):  # the process ended
                owner = pod.called if pod else _called(process)
                found[inode] = _Namespace(path=process / "ns/net", owner=owner, pod=pod)
        elif pod is not None and known.pod is None:  # runtimes mount the namespaces of pods, too
            found[inode] = replace(known, owner=pod.called, pod=pod)
    return [namespace for inode, namespace in found.items() if inode != ours]


def _processes(pods: Pods) -> Iterator[tuple[int, Path, Pod | None]]:
    """Yield every process, the oldest first: its network namespace's inode, its folder, its pod."""
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda entry: int(entry.name)):
        with suppress(OSError):  # it ended, or is a zombie
            inode = (process / "ns/net").stat().st_ino
            yield inode, process, pods.of((process / "cgroup").read_text())


def _called(process: Path) -> str:
    return f"{(process / 'comm').read_text().strip()}/{process.name}"


def named(interface: str) -> Tap:
    """Return a tap for an interface of the calling thread's namespace by its name alone.

    A veth is taken for a pod's host side unless a default route leads to it, anything else for an
    uplink. UnsupportedError when there
    is no such interface.
    """
    links = {link["name"]: link for link in netlink.links()}
    link = links.get(interface)
    if link is None:
        known = ", ".join(sorted(links))
        raise UnsupportedError(
            f"watching {interface}", needs=f"an interface of this namespace: {known}", found="none"
        )
    if link["kind"] != "veth" or link["index"] in _away():
        return uplink(interface, link["index"])
    return PodInterface(
        interface=interface, index=link["index"], owner=interface, cookie=0, guessed=True
    ).tap()
