"""What configures a node's network, read from its files and from the arguments of its programs.

Files of a program are read where it lives (/proc/PID/root), as kube-proxy runs in a container. A file
that is missing, unreadable or in another form says nothing; nobody is asked, nothing is changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_interface, ip_network
from pathlib import Path

from dataplane.kernel import netlink
from dataplane.model.address import Address, Network
from dataplane.model.node import NodeFacts, PodFacts, Word
from probes.node.cni import CONFIGURATIONS, SUFFIXES
from probes.node.controlplane import control_plane
from probes.node.interfaces import PodInterface, uplinks
from probes.node.readfile import arguments, documents

PROC = Path("/proc")
KUBELET = (
    "var/lib/kubelet/config.yaml",  # kubeadm
    "var/lib/kubelet/config/kubelet",  # Gardener
    "etc/kubernetes/kubelet/kubelet-config.json",  # EKS
)
KUBE_PROXY = (
    "var/lib/kube-proxy/config.conf",
    "var/lib/kube-proxy/config.yaml",
    "var/lib/kubelet/pods/*/volumes/kubernetes.io~configmap/kube-proxy*/config*",
)
# Arguments as fields of the configuration: the programs take either.
KUBELET_FLAGS = {"cluster-dns": "clusterDNS", "pod-cidr": "podCIDR"}
KUBE_PROXY_FLAGS = {
    "cluster-cidr": "clusterCIDR",
    "proxy-mode": "mode",
    "detect-local-mode": "detectLocalMode",
}
MASQUERADE_ALL = "masquerade-all"
CALICO = "calico-node"
CALICO_VARIABLES = ("FELIX_IPV6SUPPORT",)


def facts(node: Path, pods: Iterable[PodInterface]) -> NodeFacts:
    """Return what lies under `node` (the root of its file system) and what the kernel has.

    `pods` are the interfaces of the calling thread's namespace that lead to pods.
    """
    own = list(pods)
    links = {link["index"]: link for link in netlink.links()}
    theirs = {pod.index for pod in own}
    routed = _routed(theirs)
    return NodeFacts(
        cni=tuple(_networks(node)),
        kubelet=(*_process("kubelet", KUBELET_FLAGS, node), *_files(node, KUBELET)),
        # kube-proxy heeds no argument that its file could have (cmd/kube-proxy, Options.Complete)
        kube_proxy=(
            *reversed(tuple(_process("kube-proxy", KUBE_PROXY_FLAGS, node))),
            *_files(node, KUBE_PROXY),
        ),
        control_plane=tuple(control_plane(node)),
        calico=tuple(_environment(CALICO, CALICO_VARIABLES, node)),
        addresses=tuple(_addresses(theirs)),
        networks=tuple(dict.fromkeys(_networks_away())),
        pods=tuple(
            PodFacts(
                owner=pod.owner,
                interface=pod.interface,
                addresses=() if pod.pod is None else pod.pod.addresses,
                source="" if pod.pod is None else pod.pod.told_by,
                routed=tuple(routed.get(pod.index, ())),
                mtu=links[pod.index]["mtu"] if pod.index in links else None,
            )
            for pod in own
        ),
    )


def _addresses(theirs: set[int]) -> Iterator[Address]:
    """Yield the node's own addresses: none of loopback, of a link, or of the side of a pod's link."""
    for index, text in netlink.addresses():
        address = ip_interface(text).ip
        if not (index in theirs or address.is_loopback or address.is_link_local):
            yield address


def _networks_away() -> Iterator[Network]:
    """Yield the networks that lie on the links of the default routes, and the node's addresses there."""
    away = {tap.index for tap in uplinks()}
    for destination, via, index in netlink.routes():
        network = ip_network(destination)
        if via is None and index in away and not network.is_link_local and network.prefixlen:
            yield network
    for index, text in netlink.addresses():
        own = ip_interface(text)
        if index in away and not own.is_link_local and own.network.num_addresses == 1:
            yield own.network


def _routed(theirs: set[int]) -> dict[int, list[Address]]:
    """Return the addresses that host routes lead to, by the index of a pod's interface."""
    found: dict[int, list[Address]] = {}
    for destination, _, index in netlink.routes():
        host = ip_interface(destination)
        if index in theirs and host.network.num_addresses == 1 and not host.is_link_local:
            found.setdefault(index, []).append(host.ip)
    return found


def _networks(node: Path) -> Iterator[Word]:
    """Yield network configurations in libcni's order: by name; the first one is taken by runtimes."""
    with suppress(OSError):
        for path in sorted((node / CONFIGURATIONS).iterdir()):
            if path.suffix in SUFFIXES:
                yield from documents(path, path.relative_to(node))


def _files(node: Path, patterns: Iterable[str]) -> Iterator[Word]:
    for pattern in patterns:
        for path in sorted(node.glob(pattern)):
            yield from documents(path, path.relative_to(node))


def _process(name: str, flags: Mapping[str, str], node: Path) -> Iterator[Word]:
    """Yield what a running program was given: by arguments, then by the file that they name."""
    for process, words in _running(name, node):
        given = arguments(words[1:])
        content = configured(given, flags)
        if content:
            yield Word(where=f"arguments of {name} ({process.name})", content=content)
        if config := given.get("config"):
            yield from documents(process / "root" / config.lstrip("/"), f"{config} of {name}")


def _environment(name: str, variables: Iterable[str], node: Path) -> Iterator[Word]:
    """Yield those variables that a running program has in its environment."""
    for process, _ in _running(name, node):
        with suppress(OSError, UnicodeDecodeError):
            texts = (process / "environ").read_bytes().decode().split("\0")
            given = dict(text.split("=", 1) for text in texts if "=" in text)
            content: dict[str, object] = {one: given[one] for one in variables if one in given}
            if content:
                yield Word(where=f"environment of {name} ({process.name})", content=content)


def _running(name: str, node: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folder and the words of every process of a program, the oldest first."""
    try:
        if not node.samefile(PROC / "1/root"):
            return  # the processes that are here are not that node's
    except OSError:
        return
    for process in sorted(PROC.glob("[0-9]*"), key=lambda entry: int(entry.name)):
        with suppress(OSError, UnicodeDecodeError):
            words = (process / "cmdline").read_bytes().decode().split("\0")
            if Path(words[0]).name == name:
                yield process, words


def configured(given: Mapping[str, str], flags: Mapping[str, str]) -> dict[str, object]:
    """Return arguments as the fields of a configuration."""
    content: dict[str, object] = {
        field: given[flag] for flag, field in flags.items() if flag in given
    }
    if given.get(MASQUERADE_ALL) == "true" and flags is KUBE_PROXY_FLAGS:
        content[given.get("proxy-mode", "iptables")] = {"masqueradeAll": True}
    return content
