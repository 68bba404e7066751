"""Who the policies of a plan are about: its pods, the cluster DNS, and everybody else by address.

All pods of a lab are of one namespace, that of its policies. They are replicas of one app, each with
a name, and the first one stands for a component of a control plane, too: it may ask the DNS and go
out, as far as Gardener's policies have it. What stands for the cluster DNS in the
lab, the resolver, is known by CoreDNS' namespace and label.
"""

from collections.abc import Iterator

from dataplane.model.address import Address
from dataplane.model.plan import Plan, PodPlan
from dataplane.model.policy import Party
from dataplane.rules.gardener import blockcidrs
from dataplane.rules.gardener.blockcidrs import DNS_LABEL, SYSTEM

RESOLVER = "kube-dns"
NAMESPACE = "default"
APP = "app=echo"
POD_NAME = "statefulset.kubernetes.io/pod-name"  # what a pod of a StatefulSet is told apart by


def namespace(plan: Plan) -> str:
    """Return the namespace that the pods are in."""
    return plan.policies[0].namespace if plan.policies else NAMESPACE


def labels(plan: Plan, pod: PodPlan) -> tuple[str, ...]:
    """Return the labels of a pod (`key=value`)."""
    first = plan.pods[0].name
    return (APP, f"{POD_NAME}={pod.name}", *(blockcidrs.labels() if pod.name == first else ()))


def party(plan: Plan, pod: PodPlan, address: Address) -> Party:
    """Return a pod with one of its addresses, as policies see it."""
    return Party(
        name=pod.name, address=address, namespace=namespace(plan), labels=labels(plan, pod)
    )


def members(plan: Plan) -> Iterator[Party]:
    """Yield everybody that a selector can select, once for each address: pods, and the DNS.

    A pod's CLAT address is its own, too: what it sends to IPv4 literals comes from there.
    """
    for pod in plan.pods:
        clat = (pod.clat_address,) if pod.clat_address else ()
        for address in (*pod.addresses, *clat):
            yield party(plan, pod, address)
    for address in plan.resolver:
        yield Party(name=RESOLVER, address=address, namespace=SYSTEM, labels=(DNS_LABEL,))
