"""Nobody translates the cluster's unique local addresses at the edge: they leave, nothing comes back.

projectcalico/calico#7183, #2954, k3s-io/k3s#5766: pods with unique local addresses (RFC 4193) send to the
internet as they are, and no router there knows a way back.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted

EDGE = "gateway"
TABLE = "table ip6 sixscope-nat66"


def _applies(plan: Plan) -> str | None:
    return None if plan.cloud.nat66 else "nothing is translated at the edge (NAT66)"


def _apply(topology: Topology, _plan: Plan, _random: Random) -> Faulted:
    kept = tuple(
        ruleset
        for ruleset in topology.rulesets
        if not (ruleset.namespace == EDGE and ruleset.text.startswith(TABLE))
    )
    return Faulted(topology=replace(topology, rulesets=kept), subjects=(EDGE,))


FAULT = Fault(
    name="nat66-off",
    title="unique local addresses leave the cluster untranslated",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
