"""Every node of a cluster with IPv6 forwards IPv6, also for the pods that are yet to come.

Guards against: worker nodes that were set up for IPv4 (GEP-21: workers need IPv6 forwarding).
Without net.ipv6.conf.all.forwarding the kernel drops every packet that is not for the node itself,
and says nothing. With net.ipv6.conf.default.forwarding off, what exists works, but the interface
of the next pod comes up as a host's: there the node takes router advertisements and redirects, and
says in its neighbour advertisements that it is no router (RFC 4861 section 4.4).

Looks at: the two sysctls inside each node's network namespace, as the kernel gave them: 0 is a
finding (it takes any other number for "on"). The same of the interfaces that lead to pods is only
a warning, because the kernel forwards by `all`. Of the uplink it is not judged: some keep it off
on purpose, so that router advertisements are taken there. Neither is accept_ra: whether a node that
should learn its default route from router advertisements has one is what `ndp` judges.

What to do: sysctl -w net.ipv6.conf.all.forwarding=1, and let the node's image or the CNI set it
at every start. Writing `all` writes `default` and every interface; where a node has its default
route from router advertisements, its uplink needs accept_ra=2 from then on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dataplane.checks.ground.ledger import Ledger
from dataplane.model.address import Family
from dataplane.model.answer import Judgement
from dataplane.model.plan import NodePlan, Plan
from dataplane.model.problem import Severity
from dataplane.model.stimulus import Stimulus
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight, View

NAME = "forwarding"
OFF = "0"
EVERY = ALL, DEFAULT = "all", "default"


def applies(plan: Plan) -> str | None:
    """Return why no node has IPv6 to forward."""
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6 to forward"


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: a sysctl is there whether packets come or not."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarding:
    """What a node's kernel says: the sysctl's value by interface, `all` and `default` with them."""

    node: NodePlan
    values: dict[str, str]

    def off(self, *interfaces: str) -> tuple[str, ...]:
        """Return those of the interfaces that do not forward; the kernel takes any number but 0."""
        return tuple(name for name in interfaces if self.values.get(name) == OFF)


def judge(view: View) -> Judgement:
    """Judge the forwarding sysctls of every node; see the module's text."""
    seen = {(setting.owner, setting.name): setting.value for setting in view.evidence.settings}
    ledger = Ledger()
    doubts: list[str] = []
    looked_at = 0
    for node in view.plan.nodes:
        pods = [tap.interface for tap in view.at(Point.POD) if tap.namespace == node.name]
        found = {name: seen.get((node.name, _path(name))) for name in (*EVERY, *pods)}
        values = {name: value for name, value in found.items() if value is not None}
        looked_at += len(values)
        doubts += [f"{node.name}: {_dotted(n)} was not read" for n in EVERY if n not in values]
        _judge(ledger, Forwarding(node=node, values=values), pods)
    return ledger.judgement(looked_at=looked_at, doubts=doubts)


def _judge(ledger: Ledger, of: Forwarding, pods: Iterable[str]) -> None:
    """Judge one node by its most general sysctl that is off: writing `all` writes the others."""
    name = of.node.name
    if of.off(ALL):
        cause = f"{name} forwards no IPv6: packets of its pods end there"
        _blame(ledger, name, cause, of.off(ALL, DEFAULT), Severity.ERROR)
    elif of.off(DEFAULT):
        cause = f"the interfaces of new pods come up as a host's on {name}, not as a router's"
        _blame(ledger, name, cause, of.off(DEFAULT), Severity.ERROR)
    elif of.off(*pods):
        cause = f"{name} is a host, and no router, on interfaces of its pods"
        _blame(ledger, name, cause, of.off(*pods), Severity.WARNING)


def _path(interface: str) -> str:
    """Return the sysctl's path below /proc/sys."""
    return f"net/ipv6/conf/{interface}/forwarding"


def _dotted(interface: str) -> str:
    """Return the sysctl as sysctl(8) takes it, where a dot in an interface's name is a slash."""
    return f"net.ipv6.conf.{interface.replace('.', '/')}.forwarding"


def _blame(
    ledger: Ledger, node: str, cause: str, interfaces: Iterable[str], severity: Severity
) -> None:
    for interface in interfaces:
        ledger.add(
            subject=node,
            cause=cause,
            expected=f"{_dotted(interface)} = 1: the cluster has IPv6 (manifest)",
            seen=f"{_dotted(interface)} = {OFF}",
            remedy=f"sysctl -w {_dotted(ALL)}=1 on {node}, now and at every start",
            evidence=f"{node}: {_dotted(interface)} = {OFF}",
            severity=severity,
        )


CHECK = Check(
    name=NAME,
    title="every node forwards IPv6",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe="sysctls"),),
)
