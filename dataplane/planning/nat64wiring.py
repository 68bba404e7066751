"""NAT64 to topology: one device at the gateway, or one on each node that translates for its own pods.

On a node the whole prefix is routed into the node's own device, so that no other node's translator
is ever used, and the pool never leaves the node: it is masqueraded behind the node's IPv4 address.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from dataplane.model.address import Network
from dataplane.model.plan import Nat64Plan, NodePlan, Plan
from dataplane.model.topology import MasqueradeSpec, Point, TranslatorSpec
from dataplane.planning.underlay import UPLINK
from dataplane.planning.wiring import Wiring, host

NAT64 = "nat64"  # the device, and the kind of translator


def outside(wiring: Wiring, plan: Plan) -> None:
    """Lead the gateway's translator's own address there; those on nodes are of the pod prefixes."""
    if plan.nat64 is not None and not plan.nat64.nodes:
        wiring.down("internet", "gateway", host(plan.nat64.translator6))


def gateway(wiring: Wiring, plan: Plan) -> list[TranslatorSpec]:
    """Put the translator beside the gateway, where it is there for all."""
    nat64 = plan.nat64
    if nat64 is None or nat64.nodes:
        return []
    own = (nat64.pool4, nat64.translator4, nat64.translator6)
    return [_translator(wiring, plan, nat64, "gateway", own)]


def node(wiring: Wiring, plan: Plan, node: NodePlan) -> list[TranslatorSpec]:
    """Put a node's own translator on it, where each has one."""
    nat64 = plan.nat64
    own = None if nat64 is None else nat64.on_node(node.name)
    if nat64 is None or own is None:
        return []
    return [
        _translator(wiring, plan, nat64, node.name, (own.pool4, own.translator4, own.translator6))
    ]


def masquerades(plan: Plan) -> list[MasqueradeSpec]:
    """Return how nodes hide their pools behind themselves."""
    nodes = () if plan.nat64 is None else plan.nat64.nodes
    return [
        MasqueradeSpec(namespace=each.node, interface=UPLINK, sources=(each.pool4,))
        for each in nodes
    ]


def _translator(
    wiring: Wiring,
    plan: Plan,
    nat64: Nat64Plan,
    namespace: str,
    own: tuple[IPv4Network, IPv4Address, IPv6Address],
) -> TranslatorSpec:
    pool4, translator4, translator6 = own
    index = wiring.index()
    behind: Iterable[Network] = (nat64.prefix, host(translator6), pool4)
    for network in behind:
        wiring.route(namespace, NAT64, network)
    wiring.tap(namespace, NAT64, Point.TRANSLATOR, namespace, index)
    return TranslatorSpec(
        namespace=namespace,
        kind=NAT64,
        engine=plan.engine,
        interface=NAT64,
        index=index,
        prefix=nat64.prefix,
        translator4=translator4,
        translator6=translator6,
        pool4=pool4,
    )
