"""Forwarding on paper: where a packet ends that a topology's routes and neighbours carry."""

from dataplane.model.address import family_of
from dataplane.planning.wiring import DEFAULT, host


class Paper:
    """A topology, looked up the way a kernel does: longest prefix first, neighbours by MAC."""

    def __init__(self, topology):
        self.topology = topology
        self.peers = {}
        self.macs = {}
        self.addresses = {}
        for link in topology.links:
            for end, other in ((link.a, link.b), (link.b, link.a)):
                self.peers[end.namespace, end.interface] = other
                self.addresses.setdefault(end.namespace, set()).update(end.addresses)
        for spec in topology.translators:
            own = (spec.address4, spec.address6, spec.translator6)
            self.addresses[spec.namespace].update(a for a in own if a is not None)
        self.ports = {
            (bridge.namespace, port) for bridge in topology.bridges for port in bridge.ports
        }
        self.plugged = {
            (link.b.namespace, link.b.interface)
            for link in topology.links
            if (link.a.namespace, link.a.interface) in self.ports
        }
        self.ends = {end.mac: end for link in topology.links for end in (link.a, link.b)}
        self.neighbours = {
            (n.namespace, n.interface, n.address): n.mac for n in topology.neighbours
        }
        self.routes = {}
        for route in topology.routes:
            destination = route.destination or DEFAULT[family_of(route.via)]
            self.routes.setdefault(route.namespace, []).append((destination, route))

    def route(self, namespace, address):
        found = [
            (destination.prefixlen, route)
            for destination, route in self.routes.get(namespace, ())
            if destination.version == address.version and address in destination
        ]
        if not found:
            return None
        longest = max(length for length, _ in found)
        (route,) = [route for length, route in found if length == longest]
        return route

    def way(self, namespace, address):
        """Return the namespaces from the first to the one that has the address.

        The last entry is a (namespace, device) where a translator takes it, None where it is lost.
        """
        way = [namespace]
        while address not in self.addresses.get(way[-1], ()):
            if len(way) > 12:
                return [*way, None]
            route = self.route(way[-1], address)
            if route is None:
                return [*way, None]
            peer = self.peers.get((way[-1], route.interface))
            if peer is None:
                return [*way, (way[-1], route.interface)]
            segment = (peer.namespace, peer.interface) in self.ports
            mac = self.neighbours.get((way[-1], route.interface, route.via or address))
            if segment:
                peer = self.ends[mac]
                assert (peer.namespace, peer.interface) in self.plugged, f"{route}: not plugged in"
            assert mac == peer.mac, f"{route}: nobody answers"
            way.append(peer.namespace)
        return way


def is_host_route(route):
    return route.destination is not None and route.destination == host(route.destination[0])
