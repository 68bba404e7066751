"""kube-proxy's configuration, as far as it decides whose address a Service's endpoints see."""

from dataclasses import dataclass

from dataplane.model.address import Network
from dataplane.model.expected import Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPlan:
    """How kube-proxy is configured on every node, and on whose word.

    Fields are those of KubeProxyConfiguration: `mode` (`iptables`, `nftables`, `ipvs`), `masquerade_all`,
    `detect_local` (`detectLocalMode`; ClusterCIDR is the default), `cluster_cidrs` (`--cluster-cidr`,
    primary family first) and the interface or prefix that two of the modes look at. Words that
    kube-proxy does not know are kept: what they mean is up to `dataplane.rules`.
    """

    mode: str = "iptables"
    masquerade_all: bool = False
    detect_local: str = "ClusterCIDR"
    cluster_cidrs: tuple[Network, ...] = ()
    bridge_interface: str = ""
    interface_name_prefix: str = ""
    source: Witness = Witness.MANIFEST
