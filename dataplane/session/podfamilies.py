"""Every pod of a node has an address of each family that pods have there.

Guards against: pods that were made before their cluster became dual-stack, or while the network plugin
had no range of one family. They go on with the family that they have, and nobody notices until a client
takes the other one (Gardener: all pods are made anew when a cluster becomes dual-stack).

Looks at: the addresses inside the network namespaces of the pods, as the kernel lists them.

What to do: make the pod anew; where new ones lack the family as well, look at the ranges of the network
plugin (etc/cni/net.d; Calico: its IPPools and assign_ipv4, assign_ipv6).
"""

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import crosses_networks
from dataplane.model.address import family_of
from dataplane.model.answer import Judgement
from dataplane.model.expected import Witness
from dataplane.model.plan import Plan
from dataplane.model.stimulus import Stimulus
from dataplane.model.view import Check, Sight, View

NAME = "pod-families"
PROBE = "addresses"


def applies(plan: Plan) -> str | None:
    """Return why no pod has to have an address."""
    return None if plan.pods else "no pod is watched"


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: addresses are there whether anybody comes or not."""
    return ()


def judge(view: View) -> Judgement:
    """Judge every pod whose addresses were read."""
    ledger, looked_at, doubts = Ledger(), 0, list[str]()
    books = {r.where: r.blind for r in view.evidence.reports if r.probe == PROBE}
    wanted = " and ".join(view.plan.families)
    for pod in view.plan.pods:
        if pod.name not in books:
            continue  # it has ended
        if books[pod.name] is not None:
            doubts.append(f"{pod.name}: its addresses were not read ({books[pod.name]})")
            continue
        own = [seen for seen in view.evidence.addresses if seen.owner == pod.name]
        looked_at += len(own)
        given = [seen for seen in own if crosses_networks(seen.address)]
        missing = set(view.plan.families) - {family_of(seen.address) for seen in given}
        if missing:
            lacks = " and ".join(sorted(missing))
            shown = ", ".join(f"{seen.address}/{seen.length}" for seen in given) or "none"
            ledger.add(
                subject=pod.name,
                cause=f"{pod.name} has no {lacks} address",
                expected=f"one of {wanted} each ({Witness.MANIFEST})",
                seen=shown,
                remedy="make the pod anew; where new ones lack it, too, look at the plugin's ranges",
                evidence=f"addresses of {pod.name} that cross networks: {shown}",
            )
    return ledger.judgement(looked_at=looked_at, doubts=doubts)


CHECK = Check(
    name=NAME,
    title="pods have an address of every family",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe=PROBE),),
)
