"""A node hides clients from outside behind its own address, though the policy is Local.

`externalTrafficPolicy: Local` is chosen to see who asks; a rule beside kube-proxy's that masquerades
whatever it has translated takes just that away, and everything still works.
"""

from random import Random

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_node, with_ruleset
from labs.faults.masquerade_missing import ways_in

CHAIN = "type nat hook postrouting priority 110"  # behind kube-proxy's own chain (srcnat, 100)


def _applies(plan: Plan) -> str | None:
    policies = {s.external_traffic_policy for s in plan.services if s.node_port is not None}
    return None if "Local" in policies else "no Service is open to outside with policy Local"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    node = victim_node(plan, random)
    pods = ", ".join(str(n) for n in plan.pod_ranges if family_of(n) is Family.IPV6)
    rule = (
        f"ct original ip6 daddr {{ {ways_in(plan, node.name)} }} ct status dnat "
        f"ip6 saddr != {{ {pods} }} masquerade"
    )
    return Faulted(
        topology=with_ruleset(topology, node.name, rule, chain=CHAIN), subjects=(node.name,)
    )


FAULT = Fault(
    name="client-address-lost",
    title="a node hides clients from outside that policy Local is to show",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
