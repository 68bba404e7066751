"""A NAT64 on each node: a part of the pool for each, hidden behind the node's own IPv4 address.

"IPv6 for Gardener" asks for dual-stack three times, and of nodes for this: whoever wants a NAT64 on the
nodes gives them IPv4, and pods and Services go without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from dataplane.model.address import Family
from dataplane.model.plan import Nat64Plan, NodeNat64Plan, NodePlan
from dataplane.model.problem import InvalidInputError, Source
from dataplane.rules import nodeipam
from dataplane.rules.fielderror import invalid

OWN = 1  # of a node's pod prefix: the address that no pod gets


def on_nodes(name: str, nat64: Nat64Plan | None, nodes: Sequence[NodePlan]) -> Nat64Plan:
    """Return the NAT64 with a translator on each node; `name` is the cluster's.

    InvalidInputError where pods have IPv4 themselves, or a node has none to send with.
    """
    if nat64 is None:
        detail = "the pods have IPv4 of their own, so no node translates for them"
        raise _refused(name, detail, "leave it out, or take IPv4 from the pods")
    length = nat64.pool4.prefixlen + (len(nodes) - 1).bit_length()
    return replace(nat64, nodes=tuple(_each(name, nat64.pool4, length, nodes)))


def _each(
    name: str, pool4: IPv4Network, length: int, nodes: Sequence[NodePlan]
) -> Iterator[NodeNat64Plan]:
    for index, node in enumerate(nodes):
        source4 = node.address(Family.IPV4)
        six = next((p for p in node.pod_prefixes if isinstance(p, IPv6Network)), None)
        if not isinstance(source4, IPv4Address) or six is None:
            detail = f"{node.name} has no IPv4 address, so its NAT64 has nothing to send with"
            remedy = "give the nodes IPv4 (spec.networking.nodes: v4private), or leave NAT64 at the gateway"
            raise _refused(name, detail, remedy)
        part = IPv4Network(str(nodeipam.block(pool4, length, index)))
        yield NodeNat64Plan(
            node=node.name,
            pool4=part,
            translator4=part[1],
            translator6=six[OWN],
            source4=source4,
        )


def _refused(name: str, detail: str, remedy: str) -> InvalidInputError:
    problem = invalid("nat64", "node", detail, source=Source.SIXSCOPE, remedy=remedy)
    return InvalidInputError(name, [problem])
