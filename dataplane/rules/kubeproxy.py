"""What kube-proxy does to the source of a packet: its masquerade rules as one decision.

Sources: `pkg/proxy/iptables/proxier.go` and `pkg/proxy/nftables/proxier.go` (syncProxyRules: equal
logic, other names), `pkg/proxy/ipvs/proxier.go` (writeIptablesRules, syncEndpoint). kube-proxy only
touches packets to a Service address or a NodePort; whatever hides a pod that talks to anything else
is the network plugin or ip-masq-agent.

A packet is marked (bit 14, 0x4000, by default) where it meets one of the rules, and masqueraded behind
the node's address on its way out. A node that talks to its own endpoint is masqueraded, too, and may
still show the same address afterwards.
"""

from dataclasses import dataclass
from enum import StrEnum

from dataplane.model.address import Address, Family
from dataplane.rules.localdetector import NO_OP, DetectLocal, LocalDetector, local_detectors


class ProxyMode(StrEnum):
    """`mode` of kube-proxy's configuration."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"
    IPVS = "ipvs"


class Destination(StrEnum):
    """What a packet is sent to, before kube-proxy translates it."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_IP = "ExternalIP"
    ELSEWHERE = "elsewhere"  # no Service at all


class TrafficPolicy(StrEnum):
    """`internalTrafficPolicy` for a ClusterIP, `externalTrafficPolicy` for the others."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class Verdict(StrEnum):
    """What becomes of the packet's source, or of the packet."""

    MASQUERADE = "Masquerade"
    KEEP = "Keep"
    DROP = "Drop"


class Row(StrEnum):
    """The rows of the decision table."""

    NO_SERVICE = "no-service"
    LOOPBACK_NODE_PORT = "loopback-node-port"
    NO_ENDPOINT = "no-endpoint"
    REMOTE_ENDPOINT = "remote-endpoint"
    HAIRPIN = "hairpin"
    MASQUERADE_ALL = "masquerade-all"
    CLUSTER_IP_LOCAL = "cluster-ip-local"
    CLUSTER_IP_NOT_LOCAL = "cluster-ip-not-local"
    CLUSTER_IP_NO_DETECTOR = "cluster-ip-no-detector"
    CLUSTER_IP_FROM_SERVICE = "cluster-ip-from-service"
    EXTERNAL_CLUSTER = "external-cluster"
    EXTERNAL_LOCAL_POD = "external-local-pod"
    EXTERNAL_LOCAL_NODE = "external-local-node"
    EXTERNAL_LOCAL_CLIENT = "external-local-client"
    EXTERNAL_LOCAL_REMOTE = "external-local-remote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """kube-proxy on one node, as far as one family is concerned."""

    mode: ProxyMode = ProxyMode.IPTABLES
    masquerade_all: bool = False
    detector: LocalDetector = NO_OP


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePacket:
    """The first packet of a connection, as it arrives at kube-proxy's rules.

    `source_is_node`: the source is an address of this node (addrtype LOCAL). `source_is_service`: it is
    a Service's, which happens in ipvs mode, where the node has all of them. `in_interface`: None when
    the node itself sends. `endpoint`: what the packet is translated to, None when the policy leaves
    none. `endpoint_on_node`: None when nobody knows.
    """

    source: Address
    destination: Destination
    policy: TrafficPolicy = TrafficPolicy.CLUSTER
    endpoint: Address | None
    endpoint_on_node: bool | None = None
    source_is_node: bool = False
    source_is_service: bool = False
    destination_is_loopback: bool = False
    in_interface: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What kube-proxy is expected to do: the row of the table, why, and upstream's chain or set."""

    verdict: Verdict
    row: Row
    reason: str
    chain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands in a row of the table: verdict, reason, and where upstream has the rule, by mode."""

    verdict: Verdict
    reason: str
    iptables: str = ""
    nftables: str = ""
    ipvs: str = ""

    def chain(self, mode: ProxyMode) -> str:
        """Return upstream's chain or set; empty where a mode has no such rule."""
        return {
            ProxyMode.IPTABLES: self.iptables,
            ProxyMode.NFTABLES: self.nftables,
            ProxyMode.IPVS: self.ipvs,
        }[mode]


def proxies(
    mode: ProxyMode, detect: DetectLocal, *, masquerade_all: bool = False
) -> dict[Family, Proxy]:
    """Return kube-proxy's configuration as it works out for each family."""
    return {
        family: Proxy(mode=mode, masquerade_all=masquerade_all, detector=detector)
        for family, detector in local_detectors(detect).items()
    }


def judge(proxy: Proxy, packet: ServicePacket) -> Ruling:
    """Return what kube-proxy does to a packet."""
    row = _row(proxy, packet)
    entry = TABLE[row]
    return Ruling(
        verdict=entry.verdict, row=row, reason=entry.reason, chain=entry.chain(proxy.mode)
    )


def _row(proxy: Proxy, packet: ServicePacket) -> Row:
    if packet.destination is Destination.ELSEWHERE:
        return Row.NO_SERVICE
    if _is_unserved(proxy, packet):
        return Row.LOOPBACK_NODE_PORT
    if packet.endpoint is None:
        return Row.NO_ENDPOINT
    inner = packet.destination is Destination.CLUSTER_IP
    row = _cluster_ip(proxy, packet) if inner else _external(proxy, packet)
    bound = inner or row is Row.EXTERNAL_LOCAL_CLIENT
    if bound and packet.policy is TrafficPolicy.LOCAL and packet.endpoint_on_node is False:
        if proxy.mode is not ProxyMode.IPVS:
            return Row.REMOTE_ENDPOINT
        row = row if inner else Row.EXTERNAL_LOCAL_REMOTE
    if packet.endpoint == packet.source and TABLE[row].verdict is Verdict.KEEP:
        return Row.HAIRPIN
    return row


def _is_unserved(proxy: Proxy, packet: ServicePacket) -> bool:
    """Tell whether this is a NodePort on the loopback address: only iptables mode has it, for IPv4."""
    if packet.destination is not Destination.NODE_PORT or not packet.destination_is_loopback:
        return False
    return proxy.mode is not ProxyMode.IPTABLES or packet.source.version == 6


def _cluster_ip(proxy: Proxy, packet: ServicePacket) -> Row:
    if proxy.masquerade_all:
        return Row.MASQUERADE_ALL
    if proxy.detector.is_implemented:
        local = proxy.detector.is_local(packet.source, packet.in_interface)
        return Row.CLUSTER_IP_LOCAL if local else Row.CLUSTER_IP_NOT_LOCAL
    if proxy.mode is ProxyMode.IPVS and packet.source_is_service:
        return Row.CLUSTER_IP_FROM_SERVICE
    return Row.CLUSTER_IP_NO_DETECTOR


def _external(proxy: Proxy, packet: ServicePacket) -> Row:
    if packet.policy is TrafficPolicy.CLUSTER:
        return Row.EXTERNAL_CLUSTER
    if proxy.mode is ProxyMode.IPVS:
        return Row.EXTERNAL_LOCAL_CLIENT  # whoever sends: the sets know no sources
    if proxy.detector.is_local(packet.source, packet.in_interface):
        return Row.EXTERNAL_LOCAL_POD
    return Row.EXTERNAL_LOCAL_NODE if packet.source_is_node else Row.EXTERNAL_LOCAL_CLIENT


TABLE = {
    Row.NO_SERVICE: Entry(
        verdict=Verdict.KEEP,
        reason="kube-proxy only touches packets to a Service address or a NodePort",
    ),
    Row.LOOPBACK_NODE_PORT: Entry(
        verdict=Verdict.KEEP,
        reason="NodePorts on the loopback address are for iptables mode and IPv4 only",
        iptables="KUBE-SERVICES, ! -d ::1/128",
        nftables="services, vmap @service-nodeports",
        ipvs="KUBE-NODE-PORT",
    ),
    Row.NO_ENDPOINT: Entry(
        verdict=Verdict.DROP,
        reason="under this traffic policy there is no endpoint to go to",
        iptables="KUBE-SERVICES, KUBE-EXTERNAL-SERVICES",
        nftables="no-endpoint-services, no-endpoint-nodeports",
        ipvs="a virtual server without real servers",
    ),
    Row.REMOTE_ENDPOINT: Entry(
        verdict=Verdict.DROP,
        reason="policy Local: this client is let through to endpoints of this node only",
        iptables="KUBE-SVL-*",
        nftables="local-*",
    ),
    Row.HAIRPIN: Entry(
        verdict=Verdict.MASQUERADE,
        reason="the endpoint is the client itself, and its answer has to come from the Service",
        iptables="KUBE-SEP-*",
        nftables="endpoint-*",
        ipvs="KUBE-POSTROUTING, set KUBE-LOOP-BACK dst,dst,src",
    ),
    Row.MASQUERADE_ALL: Entry(
        verdict=Verdict.MASQUERADE,
        reason="masqueradeAll is set",
        iptables="KUBE-SVC-*",
        nftables="service-*",
        ipvs="KUBE-SERVICES, set KUBE-CLUSTER-IP dst,dst",
    ),
    Row.CLUSTER_IP_LOCAL: Entry(
        verdict=Verdict.KEEP,
        reason="the detector says local pod: the endpoint sees the pod itself",
        iptables="KUBE-SVC-*",
        nftables="service-*",
        ipvs="KUBE-SERVICES, set KUBE-CLUSTER-IP dst,dst",
    ),
    Row.CLUSTER_IP_NOT_LOCAL: Entry(
        verdict=Verdict.MASQUERADE,
        reason="the detector says no local pod: a node, another cluster, or a pod outside of the range "
        "or the interfaces that kube-proxy was given",
        iptables="KUBE-SVC-*",
        nftables="service-*",
        ipvs="KUBE-SERVICES, set KUBE-CLUSTER-IP dst,dst",
    ),
    Row.CLUSTER_IP_NO_DETECTOR: Entry(
        verdict=Verdict.KEEP,
        reason="no detector for this family, so that nothing tells pods from others",
        iptables="KUBE-SVC-*",
        nftables="service-*",
        ipvs="KUBE-SERVICES, set KUBE-CLUSTER-IP src,dst",
    ),
    Row.CLUSTER_IP_FROM_SERVICE: Entry(
        verdict=Verdict.MASQUERADE,
        reason="no detector for this family, and the node took a Service address for its source",
        ipvs="KUBE-SERVICES, set KUBE-CLUSTER-IP src,dst",
    ),
    Row.EXTERNAL_CLUSTER: Entry(
        verdict=Verdict.MASQUERADE,
        reason="policy Cluster: the endpoint may be on another node, and answers must come back here",
        iptables="KUBE-EXT-*",
        nftables="external-*",
        ipvs="KUBE-EXTERNAL-IP, KUBE-LOAD-BALANCER, KUBE-NODE-PORT-*",
    ),
    Row.EXTERNAL_LOCAL_POD: Entry(
        verdict=Verdict.KEEP,
        reason="policy Local and a local pod: it is served as if it had gone to the ClusterIP",
        iptables="KUBE-EXT-* to KUBE-SVC-*",
        nftables="external-* to service-*",
    ),
    Row.EXTERNAL_LOCAL_NODE: Entry(
        verdict=Verdict.MASQUERADE,
        reason="policy Local and an address of this node: any endpoint, and answers must come back",
        iptables="KUBE-EXT-* to KUBE-SVC-*",
        nftables="external-* to service-*",
    ),
    Row.EXTERNAL_LOCAL_CLIENT: Entry(
        verdict=Verdict.KEEP,
        reason="policy Local: the endpoint on this node sees the client itself",
        iptables="KUBE-EXT-* to KUBE-SVL-*",
        nftables="external-* to local-*",
        ipvs="KUBE-EXTERNAL-IP-LOCAL, KUBE-LOAD-BALANCER-LOCAL, KUBE-NODE-PORT-LOCAL-*",
    ),
    Row.EXTERNAL_LOCAL_REMOTE: Entry(
        verdict=Verdict.KEEP,
        reason="policy Local, but ipvs goes on to other nodes when this one has no endpoint; the answer "
        "comes from the endpoint itself, and the client does not know it",
        ipvs="KUBE-EXTERNAL-IP-LOCAL, KUBE-LOAD-BALANCER-LOCAL, KUBE-NODE-PORT-LOCAL-*",
    ),
}
