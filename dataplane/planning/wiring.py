"""Links, routes and neighbour entries, put together consistently: what the topology is written in."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import count

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.topology import (
    Bridge,
    End,
    Link,
    Namespace,
    Neighbour,
    Point,
    Role,
    Route,
    Tap,
    Topology,
)

FIRST_INDEX = 1000  # far above what a machine's own interfaces have
IFNAMSIZ = 15  # without the NUL
UPPER6, LOWER6 = IPv6Address("fe80::1"), IPv6Address("fe80::2")
UPPER4 = IPv4Address("169.254.1.1")  # nobody's address: a neighbour entry only
ASIDE4 = IPv4Address("169.254.1.2")  # the same, for a second link upwards
OWN = {Point.POD, Point.UPLINK, Point.CLIENT}  # where one tap is all that an owner has
DEFAULT: dict[Family, Network] = {
    Family.IPV4: IPv4Network("0.0.0.0/0"),
    Family.IPV6: IPv6Network("::/0"),
}


def interface_name(name: str) -> str:
    """Return `name` where the kernel takes it as an interface name, else a hash of it."""
    if len(name) <= IFNAMSIZ:
        return name
    return "h" + sha256(name.encode()).hexdigest()[: IFNAMSIZ - 1]


def host(address: Address) -> Network:
    """Return the /32 or /128 of an address."""
    if isinstance(address, IPv4Address):
        return IPv4Network((int(address), 32))
    return IPv6Network((int(address), 128))


def mac(index: int) -> str:
    """Return the hardware address of an interface: locally administered, by its index."""
    return ":".join(f"{octet:02x}" for octet in (0x02, 0x53, *index.to_bytes(4, "big")))


@dataclass(slots=True)
class Wiring:
    """A topology in the making. Every link is point to point, upper end and lower end."""

    namespaces: list[Namespace] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    neighbours: list[Neighbour] = field(default_factory=list)
    taps: list[Tap] = field(default_factory=list)
    bridges: list[Bridge] = field(default_factory=list)
    _indexes: "count[int]" = field(default_factory=lambda: count(FIRST_INDEX))
    _ends: dict[tuple[str, str], End] = field(default_factory=dict)
    _asides: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def beside(cls, topology: Topology) -> "Wiring":
        """Return a wiring with a topology's bridges, to plug more into: what comes new is in it alone."""
        ends = [end for link in topology.links for end in (link.a, link.b)]
        used = [end.index for end in ends]
        used += [bridge.index for bridge in topology.bridges]
        used += [translator.index for translator in topology.translators]
        used += [tunnel.index for tunnel in topology.tunnels]
        return cls(bridges=list(topology.bridges), _indexes=count(max(used) + 1))

    def index(self) -> int:
        """Return the next interface index."""
        return next(self._indexes)

    def namespace(
        self,
        name: str,
        role: Role,
        *,
        forwarding: bool = False,
        foreign: bool = False,
        accept_ra: int = 0,
    ) -> None:
        """Add a namespace."""
        self.namespaces.append(
            Namespace(
                name=name, role=role, forwarding=forwarding, foreign=foreign, accept_ra=accept_ra
            )
        )

    def link(
        self,
        above: tuple[str, str],
        below: tuple[str, str],
        *,
        upper: tuple[Address, ...] = (),
        lower: tuple[Address, ...] = (),
        resolved: bool = False,
    ) -> None:
        """Join two namespaces (name, interface), with neighbours both ways and routes down.

        The link carries the families that `lower` has; `lower` is reached by host routes. Where it is
        `resolved`, the lower end has to ask for the upper one; the upper one knows whom it has wired.
        """
        six = any(family_of(address) is Family.IPV6 for address in lower)
        a = self._end(above, (*upper, *((UPPER6,) if six else ())))
        b = self._end(below, (*lower, *((LOWER6,) if six else ())))
        self.links.append(Link(a=a, b=b))
        if six:
            self._neighbour(a, LOWER6, b)
            if not resolved:
                self._neighbour(b, UPPER6, a)
        if any(family_of(address) is Family.IPV4 for address in lower):
            self._neighbour(b, UPPER4, a)
        for address in lower:
            if family_of(address) is Family.IPV4:
                self._neighbour(a, address, b)
                self.route(a.namespace, a.interface, host(address))
            else:
                self.route(a.namespace, a.interface, host(address), via=LOWER6)

    def bridge(self, namespace: str, interface: str) -> None:
        """Put a bridge into a namespace, for `plug` to plug hosts into."""
        index = self.index()
        self.bridges.append(
            Bridge(namespace=namespace, interface=interface, index=index, mac=mac(index), ports=())
        )

    def plug(
        self, namespace: str, host: tuple[str, str], addresses: tuple[Address, ...] = ()
    ) -> None:
        """Plug an interface (name of the host, interface) into the bridge of a namespace.

        Who is to be reached there by whom has to be said (`meet`): nobody asks on a segment.
        """
        port = self._end((namespace, interface_name(host[0])), ())
        self.links.append(Link(a=port, b=self._end(host, addresses)))
        self.bridges = [
            replace(bridge, ports=(*bridge.ports, port.interface))
            if bridge.namespace == namespace
            else bridge
            for bridge in self.bridges
        ]

    def meet(
        self,
        above: tuple[str, str],
        below: tuple[str, str],
        address: Address,
        *,
        resolved: bool = False,
    ) -> None:
        """Let a router and a host of one segment know each other by the host's address.

        Where they are `resolved`, the host has to ask for the router in IPv6.
        """
        a, b = self._ends[above], self._ends[below]
        six = family_of(address) is Family.IPV6
        if not (six and resolved):
            self._neighbour(b, UPPER6 if six else UPPER4, a)
        self._neighbour(a, address, b)
        self.route(a.namespace, a.interface, host(address))

    def end(self, namespace: str, interface: str) -> End:
        """Return an end of a link that is there already; KeyError when there is none."""
        return self._ends[namespace, interface]

    def up(self, namespace: str, interface: str, families: tuple[Family, ...]) -> None:
        """Route everything of these families to the upper end of a link."""
        for family in families:
            if family is Family.IPV4:
                self.route(namespace, interface, host(UPPER4))
                self.route(namespace, interface, None, via=UPPER4)
            else:
                self.route(namespace, interface, None, via=UPPER6)

    def down(
        self, namespace: str, interface: str, network: Network, *, via: Address | None = None
    ) -> None:
        """Route a network to the lower end of a link; IPv4 needs that end's address in `via`."""
        hop = LOWER6 if family_of(network) is Family.IPV6 else via
        self.route(namespace, interface, network, via=hop)

    def aside(
        self, namespace: str, interface: str, networks: Iterable[Network], beyond: tuple[str, str]
    ) -> None:
        """Route some networks to the upper end of a second link; `beyond` is that end's place."""
        for network in networks:
            if family_of(network) is Family.IPV6:
                self.route(namespace, interface, network, via=UPPER6)
                continue
            if (namespace, interface) not in self._asides:
                self._asides.add((namespace, interface))
                self._neighbour(self._ends[namespace, interface], ASIDE4, self._ends[beyond])
                self.route(namespace, interface, host(ASIDE4))
            self.route(namespace, interface, network, via=ASIDE4)

    def route(
        self,
        namespace: str,
        interface: str,
        destination: Network | None,
        *,
        via: Address | None = None,
        source: Address | None = None,
    ) -> None:
        """Add a route; without `via` the destination is on the link or behind the device."""
        self.routes.append(
            Route(
                namespace=namespace,
                interface=interface,
                via=via,
                destination=destination,
                source=source,
            )
        )

    def tap(
        self, namespace: str, interface: str, point: Point, owner: str, index: int | None = None
    ) -> None:
        """Watch an end of a link, or the device of a translator: that one has an `index` here.

        Pods are watched at the host side of their veth, where what leaves them comes in.
        """
        device = index is not None
        self.taps.append(
            Tap(
                name=owner if point in OWN else f"{owner}-{interface}",
                namespace=namespace,
                interface=interface,
                index=self._ends[namespace, interface].index if index is None else index,
                point=point,
                owner=owner,
                leaving_is_ingress=point is Point.POD,
                layer=3 if device else 2,
            )
        )

    def _end(self, place: tuple[str, str], addresses: tuple[Address, ...]) -> End:
        namespace, interface = place
        index = self.index()
        end = End(
            namespace=namespace,
            interface=interface,
            index=index,
            mac=mac(index),
            addresses=addresses,
        )
        self._ends[place] = end
        return end

    def _neighbour(self, end: End, address: Address, other: End) -> None:
        self.neighbours.append(
            Neighbour(
                namespace=end.namespace,
                interface=end.interface,
                address=address,
                mac=other.mac,
            )
        )
