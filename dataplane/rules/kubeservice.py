"""A Service as Kubernetes itself checks it, as far as load balancers and families go.

Sources: `pkg/apis/core/validation/validation.go` (ValidateService, ValidateServiceUpdate), and
`pkg/registry/core/service/storage/alloc.go`, which knows the families of the cluster.
"""

from collections.abc import Sequence

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import duplicate, forbidden, invalid, not_supported

API_VERSION = "v1"
TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
FAMILIES = ("IPv4", "IPv6")
TYPE, POLICY, IP_FAMILIES = "spec.type", "spec.ipFamilyPolicy", "spec.ipFamilies"
CLASS = "spec.loadBalancerClass"
_SOURCE = Source.KUBERNETES


def api_version(value: str) -> list[Problem]:
    """Check the apiVersion of the core group."""
    if value == API_VERSION:
        return []
    remedy = f"write apiVersion: {API_VERSION}"
    return [not_supported("apiVersion", value, (API_VERSION,), source=_SOURCE, remedy=remedy)]


def names(kind: str | None, policy: str | None) -> list[Problem]:
    """Check the fields with a few values: type and ipFamilyPolicy."""
    return [
        not_supported(path, value, allowed, source=_SOURCE, remedy=f"write {' or '.join(allowed)}")
        for path, value, allowed in ((TYPE, kind, TYPES), (POLICY, policy, POLICIES))
        if value is not None and value not in allowed
    ]


def families(written: Sequence[str], policy: str | None) -> list[Problem]:
    """Check ipFamilies: known, none twice, and two only where the policy says so."""
    problems = []
    for index, family in enumerate(written):
        path = f"{IP_FAMILIES}[{index}]"
        if family not in FAMILIES:
            remedy = "write IPv4 or IPv6, in exactly this case"
            problems.append(not_supported(path, family, FAMILIES, source=_SOURCE, remedy=remedy))
        elif family in written[:index]:
            remedy = "name each family once"
            problems.append(duplicate(path, family, source=_SOURCE, remedy=remedy))
    if len(written) > 1 and policy == "SingleStack":
        detail = (
            "must be RequireDualStack or PreferDualStack when multiple IP families are specified"
        )
        remedy = "write PreferDualStack, or keep one family"
        problems.append(invalid(POLICY, policy, detail, source=_SOURCE, remedy=remedy))
    return problems


def in_cluster(written: Sequence[str], policy: str | None, cluster: Sequence[str]) -> list[Problem]:
    """Check families and policy against those of the cluster, which are known and not empty."""
    remedy = f"the cluster has {' and '.join(cluster)}; write one of these, or leave it out"
    problems = [
        invalid(
            f"{IP_FAMILIES}[{index}]",
            family,
            "not configured on this cluster",
            source=_SOURCE,
            remedy=remedy,
        )
        for index, family in enumerate(written)
        if family in FAMILIES and family not in cluster
    ]
    if policy == "RequireDualStack" and len(cluster) == 1:
        detail = "this cluster is not configured for dual-stack services"
        remedy = "write SingleStack, or PreferDualStack"
        problems.append(invalid(POLICY, policy, detail, source=_SOURCE, remedy=remedy))
    return problems


def balancer_class(kind: str | None, name: str | None) -> list[Problem]:
    """Check that loadBalancerClass stands in a Service that gets a load balancer."""
    if name is None or kind == "LoadBalancer":
        return []
    detail = "may only be used when `type` is 'LoadBalancer'"
    return [forbidden(CLASS, detail, source=_SOURCE, remedy="write type: LoadBalancer")]


def balancer_class_update(new: str | None, old: str | None) -> list[Problem]:
    """Check that the class of a Service that was and is of type LoadBalancer did not change."""
    if new == old:
        return []
    remedy = "make a new Service with the other class"
    return [invalid(CLASS, new, "may not change once set", source=_SOURCE, remedy=remedy)]
