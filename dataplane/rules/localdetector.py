"""How kube-proxy recognises packets of local pods, per family: its local traffic detectors.

Sources: `pkg/proxy/util/localdetector.go`, `cmd/kube-proxy/app/server_linux.go` (getLocalDetectors),
`pkg/proxy/util/utils.go` (MapCIDRsByIPFamily). "Local" is upstream's word: ClusterCIDR counts every
pod of the cluster as local.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.rules.sloppy import parse_sloppy_cidr


class LocalMode(StrEnum):
    """`detectLocalMode`; any other word detects nothing."""

    CLUSTER_CIDR = "ClusterCIDR"
    NODE_CIDR = "NodeCIDR"
    BRIDGE_INTERFACE = "BridgeInterface"
    INTERFACE_NAME_PREFIX = "InterfaceNamePrefix"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDetector:
    """What counts as a local pod: a source in `cidr`, or an input interface; neither detects nothing.

    `interface` is a whole name, or the beginning of one when `is_prefix`.
    """

    cidr: Network | None = None
    interface: str | None = None
    is_prefix: bool = False

    @property
    def is_implemented(self) -> bool:
        """Tell whether it detects anything at all (IsImplemented)."""
        return self.cidr is not None or self.interface is not None

    def if_local(self) -> tuple[str, ...]:
        """Return iptables' arguments for packets of local pods (IfLocal); () detects nothing."""
        if self.cidr is not None:
            return "-s", str(self.cidr)
        if self.interface is not None:
            return "-i", f"{self.interface}+" if self.is_prefix else self.interface
        return ()

    def if_not_local(self) -> tuple[str, ...]:
        """Return iptables' arguments for all other packets (IfNotLocal)."""
        local = self.if_local()
        return ("!", *local) if local else ()

    def if_local_nft(self) -> tuple[str, ...]:
        """Return nftables' words for packets of local pods (IfLocalNFT)."""
        if self.cidr is not None:
            return "ip" if self.cidr.version == 4 else "ip6", "saddr", str(self.cidr)
        if self.interface is not None:
            return "iifname", f"{self.interface}*" if self.is_prefix else self.interface
        return ()

    def if_not_local_nft(self) -> tuple[str, ...]:
        """Return nftables' words for all other packets (IfNotLocalNFT)."""
        local = self.if_local_nft()
        return (*local[:-1], "!=", local[-1]) if local else ()

    def is_local(self, source: Address, in_interface: str | None) -> bool:
        """Tell whether a packet counts as one of a local pod.

        `in_interface` is None for what the node itself sends: no interface matches that.
        """
        if self.cidr is not None:
            return source in self.cidr
        if self.interface is None or in_interface is None:
            return False
        if self.is_prefix:
            return in_interface.startswith(self.interface)
        return in_interface == self.interface


NO_OP = LocalDetector()


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectLocal:
    """The part of kube-proxy's configuration that detection rests on, and the node's podCIDRs.

    CIDRs are texts as they are written, since upstream passes over those that it cannot read.
    """

    mode: str = LocalMode.CLUSTER_CIDR
    cluster_cidrs: Sequence[str] = ()
    node_pod_cidrs: Sequence[str] = ()
    bridge_interface: str = ""
    interface_name_prefix: str = ""


def local_detectors(detect: DetectLocal) -> dict[Family, LocalDetector]:
    """Return the detector of each family (getLocalDetectors)."""
    match detect.mode:
        case LocalMode.CLUSTER_CIDR:
            return _by_cidr(detect.cluster_cidrs)
        case LocalMode.NODE_CIDR:
            return _by_cidr(detect.node_pod_cidrs)
        case LocalMode.BRIDGE_INTERFACE:
            return dict.fromkeys(Family, LocalDetector(interface=detect.bridge_interface))
        case LocalMode.INTERFACE_NAME_PREFIX:
            by_name = LocalDetector(interface=detect.interface_name_prefix, is_prefix=True)
            return dict.fromkeys(Family, by_name)
    return dict.fromkeys(Family, NO_OP)


def _by_cidr(texts: Sequence[str]) -> dict[Family, LocalDetector]:
    """Return detectors by the first CIDR of each family; what is no CIDR is passed over."""
    found = dict.fromkeys(Family, NO_OP)
    for text in texts:
        try:
            network = parse_sloppy_cidr(text.strip()).network
        except ValueError:
            continue
        family = family_of(network)
        if found[family] is NO_OP:
            found[family] = LocalDetector(cidr=network)
    return found
