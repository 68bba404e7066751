"""The manifest with its keywords replaced, and the Node objects: what is known at run time only.

A Gardener of today has one CIDR per field, of either family, and `status.networking` with a list per
field. On a public cloud the fields carry IPv4 where there is IPv4: the IPv6 ranges are the cloud's
to give, and stand in the status alone.
"""

from pathlib import PurePosixPath
from re import compile as regex

import yaml

from dataplane.model.address import Family, Network, family_of
from dataplane.model.cloud import Allocator
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.components import Resolved, ResolvedRange
from dataplane.model.plan import NodePlan, Plan
from dataplane.planning.clouds import Addressing
from dataplane.rules import names
from dataplane.rules.gardener import kubeproxy

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
NAMELESS = "shoot"  # a manifest from standard input
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_NO_LABEL = regex("[^a-z0-9]+")
IPV4_IN_SPEC = frozenset({"aws", "azure", "gcp", "openstack"})


def resolve(cluster: Cluster, addressing: Addressing) -> Resolved:
    """Return what became of the manifest's ranges."""
    ranges = (
        ("nodes", cluster.nodes, addressing.node_ranges),
        ("pods", cluster.pods, addressing.pod_ranges),
        ("services", cluster.services, addressing.service_ranges),
    )
    masks = {pool.family: pool.mask_size for pool in addressing.pools}
    if any(pool.allocator is not Allocator.RANGE for pool in addressing.pools):
        masks = {}  # nobody reads them
    single = len(cluster.families) == 1
    return Resolved(
        name=cluster.name,
        provider=cluster.provider,
        cni=cluster.cni,
        families=cluster.families,
        ranges=tuple(
            ResolvedRange(kind=kind, spec=_spec(cluster, wishes, networks), status=networks)
            for kind, wishes, networks in ranges
        ),
        mask_size=masks.get(cluster.families[0] if single else Family.IPV4),
        mask_size_v6=None if single else masks.get(Family.IPV6),
    )


def _spec(
    cluster: Cluster, wishes: tuple[RangeWish, ...], networks: tuple[Network, ...]
) -> Network | None:
    """Return the one CIDR of a field: of what was asked for, the family that the field is for."""
    asked = {wish.family for wish in wishes if wish.strategy is not Strategy.PROVIDER}
    order = cluster.families
    if cluster.provider == "aws" and order == (Family.IPV6,):
        return None  # AWS assigns all of them
    if cluster.provider in IPV4_IN_SPEC and Family.IPV4 in order:
        order = (Family.IPV4,)
    found = (n for family in order for n in networks if family_of(n) is family and family in asked)
    return next(found, None)


def manifest(resolved: Resolved, *, proxy_mode: str | None = None) -> dict[str, Json]:
    """Return the Shoot as plain values, in the order in which people write one.

    `proxy_mode` is kube-proxy's own word; the default is not written down.
    """
    networking: dict[str, Json] = {"type": resolved.cni}
    networking["ipFamilies"] = [str(family) for family in resolved.families]
    for entry in resolved.ranges:
        if entry.spec is not None:
            networking[entry.kind] = str(entry.spec)
    spec: dict[str, Json] = {"networking": networking}
    masks: dict[str, Json] = {}
    if resolved.mask_size is not None:
        masks["nodeCIDRMaskSize"] = resolved.mask_size
    if resolved.mask_size_v6 is not None:
        masks["nodeCIDRMaskSizeIPv6"] = resolved.mask_size_v6
    kubernetes: dict[str, Json] = {"kubeControllerManager": masks} if masks else {}
    if proxy_mode not in {None, kubeproxy.mode(None)}:
        kubernetes["kubeProxy"] = {"mode": kubeproxy.written(proxy_mode)}
    if kubernetes:
        spec["kubernetes"] = kubernetes
    spec["provider"] = {"type": resolved.provider, "workers": [{"name": "worker"}]}
    lists: dict[str, Json] = {
        entry.kind: [str(network) for network in entry.status] for entry in resolved.ranges
    }
    return {
        "apiVersion": "core.gardener.cloud/v1beta1",
        "kind": "Shoot",
        "metadata": {"name": object_name(resolved.name)},
        "spec": spec,
        "status": {"networking": lists},
    }


def object_name(text: str) -> str:
    """Return a name that an API server takes (RFC 1123): as it is, or made of a file's name.

    A fragment of a manifest has no name of its own, and is called after the file that it stands in.
    """
    path = PurePosixPath(text)
    if not names.subdomain(text) and path.suffix not in _SUFFIXES:
        return text
    stem = path.stem if path.suffix in _SUFFIXES else path.name
    words = _NO_LABEL.split(stem.lower())
    label = "-".join(word for word in words if word)[: names.LONGEST_LABEL].strip("-")
    return label or NAMELESS


def node_object(node: NodePlan) -> dict[str, Json]:
    """Return v1.Node as far as addresses go; podCIDR is the first of podCIDRs."""
    prefixes = [str(prefix) for prefix in node.pod_prefixes]
    pods: dict[str, Json] = {"podCIDR": prefixes[0], "podCIDRs": [*prefixes]} if prefixes else {}
    addresses: list[Json] = [
        {"type": "InternalIP", "address": str(address)} for address in node.addresses
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name},
        "spec": pods,
        "status": {"addresses": addresses},
    }


def render_manifest(plan: Plan) -> str:
    """Return the resolved Shoot and the Node objects as YAML, one document each."""
    if plan.resolved is None:
        raise ValueError(f"the plan of {plan.name} does not know its manifest")
    mode = None if plan.proxy is None else plan.proxy.mode
    documents = [
        manifest(plan.resolved, proxy_mode=mode),
        *(node_object(node) for node in plan.nodes),
    ]
    return yaml.safe_dump_all(documents, sort_keys=False, width=100)
