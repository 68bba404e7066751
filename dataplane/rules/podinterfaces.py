"""What network plugins call the node's end of a pod's link.

Sources: projectcalico/calico `libcalico-go/lib/backend/k8s/conversion` (VethNameForWorkload);
cilium/cilium `pkg/datapath/connector` (Endpoint2IfName) and `plugins/cilium-cni`; aws/amazon-vpc-cni-k8s
`pkg/networkutils` (GeneratePodHostVethName); Azure/azure-container-networking `network/endpoint_linux.go`;
containernetworking/plugins `pkg/ip/link_linux.go` (RandomVethName). A name is second best: the sure way
is the `iflink` of the pod's own interface.
"""

from dataclasses import dataclass
from hashlib import sha1, sha256

_SHA1_DIGITS = 11
_CILIUM_DIGITS = 12  # IFNAMSIZ - len("tmp") - 1
NAME_LIMIT = 15  # IFNAMSIZ without its NUL


@dataclass(frozen=True, slots=True, kw_only=True)
class PodLink:
    """What names are made of. `endpoint_id` is Cilium's: `<container id>:<interface in the pod>`.

    `prefix` may be a list as in FELIX_INTERFACEPREFIX: the first counts. `index` counts the pod's
    further interfaces of the AWS plugin from 1.
    """

    namespace: str = ""
    pod: str = ""
    prefix: str | None = None
    endpoint_id: str = ""
    index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """How a network plugin names: its prefix, what follows it, and its links that are no pod's."""

    name: str
    prefix: str
    follows: str
    aliases: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


CALICO = Plugin(
    name="calico",
    prefix="cali",
    follows="11 digits of the SHA-1 of namespace.pod",
    others=("vxlan.calico", "vxlan-v6.calico", "tunl0", "wireguard.cali", "wg-v6.cali"),
)
CILIUM = Plugin(
    name="cilium",
    prefix="lxc",
    follows="12 digits of the SHA-256 of the endpoint's id",
    others=("lxc_health", "cilium_host", "cilium_net", "cilium_vxlan"),
)
AWS = Plugin(
    name="aws-vpc-cni",
    prefix="eni",
    follows="11 digits of the SHA-1 of namespace.pod",
    aliases=("aws", "aws-cni", "aws-node", "amazon-vpc-cni", "amazon-vpc-cni-k8s", "vpc-cni"),
)
AZURE = Plugin(
    name="azure",
    prefix="azv",
    follows="11 digits of the SHA-1 of namespace.pod",
    aliases=("azure-cni", "azure-vnet"),
)
PTP = Plugin(name="ptp", prefix="veth", follows="8 random digits", aliases=("kindnet",))
BRIDGE = Plugin(
    name="bridge",
    prefix="veth",
    follows="8 random digits",
    aliases=("flannel",),
    others=("cni0",),
)
GKE = Plugin(name="gke", prefix="gke", follows="digits that are not documented")
PLUGINS = (CALICO, CILIUM, AWS, AZURE, PTP, BRIDGE, GKE)


def plugin(name: str) -> Plugin:
    """Return a plugin by its name or another name of it; LookupError names those there are."""
    wanted = name.lower()
    for found in PLUGINS:
        if wanted == found.name or wanted in found.aliases:
            return found
    known = ", ".join(found.name for found in PLUGINS)
    raise LookupError(f"network plugin {name} is unknown; known are {known}")


def interface_name(of: Plugin, link: PodLink) -> str:
    """Return the name of the node's end of a pod's link; ValueError when it cannot be known."""
    if of in {CALICO, AWS, AZURE}:
        if not (link.namespace and link.pod):
            raise ValueError(f"{of.name} names by namespace and pod; give both")
        pod = f"{link.pod}.{link.index}" if of is AWS and link.index > 0 else link.pod
        return _prefix(of, link) + _sha1(f"{link.namespace}.{pod}")
    if of is CILIUM:
        if not link.endpoint_id:
            raise ValueError("cilium names by the endpoint's id (container id:interface); give it")
        return CILIUM.prefix + sha256(link.endpoint_id.encode()).hexdigest()[:_CILIUM_DIGITS]
    raise ValueError(
        f"{of.name} names its links {of.prefix} and {of.follows}: read the iflink of the pod's "
        "interface instead"
    )


def _prefix(of: Plugin, link: PodLink) -> str:
    return link.prefix.split(",")[0] if link.prefix else of.prefix


def _sha1(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()[:_SHA1_DIGITS]
