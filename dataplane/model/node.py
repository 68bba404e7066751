"""A node that has no manifest at hand: what was found there, and what may be expected of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from dataplane.model.address import Address, Family, Network
from dataplane.model.expected import Expected
from dataplane.model.proxy import ProxyPlan

NODE = "node"
"""What the node is called that one stands on: the owner of its uplinks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A configuration as it was read: `where` it stands (a path, or a process' arguments)."""

    where: str
    content: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """A pod's end on the node: whose it is, by which interface, which addresses it was given.

    `source` names who told the addresses; `routed` are those that the node has a host route for, to
    that interface; `mtu` is the interface's, in octets at L3.
    """

    owner: str
    interface: str
    addresses: tuple[Address, ...] = ()
    source: str = ""
    routed: tuple[Address, ...] = ()
    mtu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """Everything that was found on a node, nothing of it judged.

    `cni` are network configurations in the order in which runtimes take them, `kubelet` and
    `kube_proxy` those of these programs: what stands first, goes before what stands behind.
    `control_plane` are flags of its programs where they run here, `calico` its agent's environment.
    `addresses` are the node's own that cross networks, `networks` those on the links that lead away.
    """

    cni: tuple[Word, ...] = ()
    kubelet: tuple[Word, ...] = ()
    kube_proxy: tuple[Word, ...] = ()
    control_plane: tuple[Word, ...] = ()
    calico: tuple[Word, ...] = ()
    addresses: tuple[Address, ...] = ()
    networks: tuple[Network, ...] = ()
    pods: tuple[PodFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeExpected:
    """What should be true of a node, value by value, each with its source.

    `families` are those that pods have; `node_ranges` where nodes have addresses; `pod_prefixes` this node's part of the pods' ranges,
    `pod_ranges` the whole; `dns` the addresses that pods ask; `masqueraded` the families whose
    masquerading the network plugin was told. `contradictions` are sources that do not agree.
    """

    families: Expected[tuple[Family, ...]]
    addresses: Expected[tuple[Address, ...]]
    node_ranges: Expected[tuple[Network, ...]]
    pod_prefixes: Expected[tuple[Network, ...]]
    pod_ranges: Expected[tuple[Network, ...]]
    service_ranges: Expected[tuple[Network, ...]]
    dns: Expected[tuple[Address, ...]]
    mtu: Expected[int]
    masqueraded: Expected[tuple[Family, ...]]
    proxy: Expected[ProxyPlan]
    contradictions: tuple[str, ...] = ()
