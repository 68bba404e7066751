"""Where a plan's NAT64 sits: at the gateway for everybody, or on each node for its own pods."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from dataplane.checks.ground.places import GATEWAY
from dataplane.model.plan import Plan
from dataplane.model.topology import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One translator: whose it is, its pool, and the way out of what it has translated.

    `way_out` is the point at which that leaves `owner`, with `source4` and no other source.
    """

    owner: str
    pool4: IPv4Network
    source4: IPv4Address
    way_out: Point


class Seats:
    """The translators of a plan by their owner, and which of them a pod's packets belong to."""

    def __init__(self, plan: Plan) -> None:
        """Lay them out; a plan without NAT64 has none."""
        nat64 = plan.nat64
        self.on_nodes = nat64 is not None and bool(nat64.nodes)
        self.all: dict[str, Seat] = {}
        if nat64 is None:
            return
        for each in nat64.nodes:
            self.all[each.node] = Seat(
                owner=each.node,
                pool4=each.pool4,
                source4=each.source4,
                way_out=Point.UPLINK,
            )
        if not nat64.nodes:
            self.all[GATEWAY] = Seat(
                owner=GATEWAY,
                pool4=nat64.pool4,
                source4=nat64.public4,
                way_out=Point.EDGE,
            )

    def of_node(self, node: str | None) -> Seat | None:
        """Return the translator that serves the pods of a node, None where none is planned."""
        return self.all.get(node or "" if self.on_nodes else GATEWAY)
