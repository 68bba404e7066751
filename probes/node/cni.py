"""Which network plugin wired the pods of a node, and what an observer has to know of it.

Told by the interfaces that are there; the configuration is the second witness, because it can be of
a plugin that no pod was ever wired by.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.node.interfaces import PodInterface

CONFIGURATIONS = "etc/cni/net.d"
SUFFIXES = (".conf", ".conflist", ".json")  # what libcni reads
CAVEATS: dict[str, tuple[str, ...]] = {
    "calico": (
        "with its eBPF dataplane Calico owns the tc hooks of cali* and bypasses the node's rules",
        "an overlay leaves by vxlan.calico, vxlan-v6.calico or tunl0: the uplink shows outer packets",
    ),
    "cilium": (
        "BPF host routing (bpf_redirect_peer) brings packets to a pod past its interface's host side",
        "Services are translated at the socket or in BPF: no rule and no conntrack entry shows it",
        "a tc program of Cilium that ends the chain hides packets from clsact filters behind it",
    ),
    "aws-vpc-cni": ("pods on a branch interface (vlan*) are no veth and are not found",),
    "bridge": ("pods on the same bridge reach each other without the node's forwarding rules",),
    "ptp": (),
}
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cni:
    """A network plugin. `because` says what told it, `configured` what its configuration names."""

    name: str
    because: str
    configured: str | None
    caveats: tuple[str, ...]


def recognised(links: Iterable[Mapping[str, Any]], pods: Iterable[PodInterface], node: Path) -> Cni:
    """Return the plugin of a node: `links` as `dataplane.kernel.netlink.links` lists them."""
    by_index = {link["index"]: link for link in links}
    mine = [by_index[pod.index] for pod in pods if pod.index in by_index]
    name, because = _told(by_index, mine)
    configured = _configured(node)
    caveats = CAVEATS.get(name, ())
    if configured is not None and name != UNKNOWN and not _same(configured, name):
        caveats = (*caveats, f"{CONFIGURATIONS} names {configured}, the interfaces say {name}")
    return Cni(name=name, because=because, configured=configured, caveats=caveats)


def _told(links: Mapping[int, Mapping[str, Any]], pods: list[Mapping[str, Any]]) -> tuple[str, str]:
    names = {link["name"] for link in links.values()}
    if "cilium_host" in names:
        return "cilium", "interface cilium_host"
    for name, prefix in (("calico", "cali"), ("aws-vpc-cni", "eni")):
        if own := sorted(p["name"] for p in pods if p["name"].startswith(prefix)):
            return name, f"interface {own[0]}"
    masters = sorted({links[p["master"]]["name"] for p in pods if p["master"] in links})
    if masters:
        return "bridge", f"pods are ports of {masters[0]}"
    if pods:
        return "ptp", f"{pods[0]['name']} is routed, and a port of nothing"
    return UNKNOWN, "no pod has an interface"


def _configured(node: Path) -> str | None:
    """Return the type of the first plugin of the first configuration, which a runtime takes."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        for path in sorted((node / CONFIGURATIONS).iterdir()):
            if path.suffix in SUFFIXES:
                given = json.loads(path.read_bytes())
                first = given["plugins"][0] if "plugins" in given else given
                return str(first["type"])
    return None


def _same(configured: str, name: str) -> bool:
    return configured.removesuffix("-cni") == name or (configured, name) == (
        "aws-cni",
        "aws-vpc-cni",
    )
