"""The policy engine of one node enforces NetworkPolicies for IPv4, and lets all of IPv6 pass.

Calico's Felix does that where IPv6 is switched off for it (`FELIX_IPV6SUPPORT=false`) while the
cluster has IPv6: who tests a policy over IPv4 finds it in order.
"""

from dataclasses import replace
from random import Random

from dataplane.checks.ground.trials import trials
from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted


def victims(plan: Plan, node: str) -> tuple[str, ...]:
    """Return the pods of a node whose policies deny IPv6 that nobody else on its way denies."""
    return tuple(
        sorted(
            {
                denial.pod
                for trial in trials(plan)
                for denial in trial.written.denials
                if trial.family is Family.IPV6
                and all(plan.pod(other.pod).node == node for other in trial.written.denials)
            }
        )
    )


def _applies(plan: Plan) -> str | None:
    if not plan.policies:
        return "there are no NetworkPolicies"
    if not any(victims(plan, node.name) for node in plan.nodes):
        return "no NetworkPolicy denies any IPv6"
    return None


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = random.choice([node.name for node in plan.nodes if victims(plan, node.name)])
    specs = tuple(
        replace(spec, families=(Family.IPV4,)) if spec.namespace == node else spec
        for spec in topology.policies
    )
    return Faulted(topology=replace(topology, policies=specs), subjects=victims(plan, node))


FAULT = Fault(
    name="policy-for-ipv4-only",
    title="a node enforces NetworkPolicies for IPv4 only",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
