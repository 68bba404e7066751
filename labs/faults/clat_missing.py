"""One pod has no CLAT: its IPv4-only applications have no way out (RFC 6877)."""

from dataclasses import replace
from random import Random

from dataplane.model.plan import ClatPlacement, Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, victim_pod


def _applies(plan: Plan) -> str | None:
    if plan.clat is None:
        return "the plan has no 464XLAT"
    return None if plan.clat.placement is ClatPlacement.POD else "the CLAT sits on the nodes"


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    victim = victim_pod(plan, random).name
    clats = {
        (spec.namespace, spec.interface)
        for spec in topology.translators
        if spec.kind == "clat" and spec.namespace == victim
    }
    without = replace(
        topology,
        translators=tuple(
            t for t in topology.translators if (t.namespace, t.interface) not in clats
        ),
        routes=tuple(r for r in topology.routes if (r.namespace, r.interface) not in clats),
        neighbours=tuple(n for n in topology.neighbours if (n.namespace, n.interface) not in clats),
        taps=tuple(t for t in topology.taps if (t.namespace, t.interface) not in clats),
    )
    return Faulted(topology=without, subjects=(victim,))


FAULT = Fault(
    name="clat-missing",
    title="a pod has no CLAT",
    doc=__doc__,
    applies=_applies,
    apply=_apply,
)
