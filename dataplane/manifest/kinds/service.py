"""Service: what Kubernetes wants, its load balancer on AWS, the addresses that it got."""

from collections.abc import Sequence

from dataplane.manifest.case import Case, Kind
from dataplane.manifest.fields import Section
from dataplane.manifest.networks import quiet
from dataplane.model.address import Family
from dataplane.model.problem import Problem
from dataplane.rules import dualstackingress, kubeservice
from dataplane.rules.gardener import loadbalancer


def _judge(case: Case) -> None:
    top = case.top
    version = top.values.get("apiVersion")
    if isinstance(version, str) and "/" not in version:
        top.add(kubeservice.api_version(version))
    spec = top.section("spec")
    annotations = top.section("metadata").section("annotations")
    for key in annotations.values:
        annotations.text(key)
    kind, policy = spec.text("type"), spec.text("ipFamilyPolicy")
    chosen = spec.text("loadBalancerClass")
    top.add(kubeservice.names(kind, policy))
    families = spec.texts("ipFamilies") or ()
    top.add(kubeservice.families(families, policy))
    top.add(kubeservice.balancer_class(kind, chosen))
    top.add(dualstackingress.check(top.values))
    top.add(status(top, families))
    if case.old is None:
        return
    old = quiet(case.old)
    former = old.section("spec")
    if kind == former.text("type") == "LoadBalancer":
        before = former.text("loadBalancerClass")
        top.add(kubeservice.balancer_class_update(chosen, before))
    top.add(dualstackingress.update(old.values, top.values))


def status(top: Section, families: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the addresses in a Service's status, for a Service of `families`."""
    ingress = top.section("status").section("loadBalancer").sections("ingress")
    found = [entry.text("ip") or "" for entry in ingress]
    wanted = [Family(family) for family in families if family in set(Family)]
    return loadbalancer.status("status.loadBalancer.ingress", found, wanted)


KIND = Kind(name="Service", groups=("",), judge=_judge)
