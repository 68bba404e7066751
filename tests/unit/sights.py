"""Sights of the recorded world for traces: what probes and packet sockets have seen of a client."""

from ipaddress import ip_address

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from dataplane.model.address import Family, family_of
from dataplane.model.seen import DropSeen
from dataplane.model.stimulus import Reach, Transport
from dataplane.model.trace import Asked, Captured, Sights
from dataplane.rules.rfc6052 import embed
from dataplane.verify.trace import traces
from tests.unit.plans import NAT64, six_only
from tests.unit.world import World

PLAN = six_only()
POD, NODE = PLAN.pods[0], PLAN.pods[0].node
V4 = ip_address("198.51.100.4")
V4_IN_6 = embed(NAT64.prefix, V4)
V6 = ip_address("2001:db8:f2::4006")
REASON, PLACE = "NETFILTER_DROP", "nf_hook_slow"


def seen(target=V4_IN_6, *, faults=None, transport=Transport.TCP, port=8080, times=1, octets=0):
    """Return the sights of a client in the first pod, and what it asks for."""
    world = World(PLAN, faults)
    world.drive(
        Reach(
            id=f"{number}",
            check="trace",
            pod=POD.name,
            target=str(target),
            transport=transport,
            port=port,
            octets=octets,
        )
        for number in range(times)
    )
    asked = Asked(destination=target, owner=POD.name, port=port or None)
    return Sights(taps=world.taps, packets=tuple(world.packets)), asked


def only(sights, asked, **options):
    (trace,) = traces(sights, asked, **options)
    return trace


def drop_of(packet, **fields):
    values = {
        "owner": NODE,
        "interface": POD.name,
        "reason": REASON,
        "place": PLACE,
        "packets": 1,
        "first_ns": packet.time_ns + 1,
        "last_ns": packet.time_ns + 1,
    }
    for name in ("family", "protocol", "source", "destination", "source_port", "destination_port"):
        values[name] = getattr(packet, name)
    return DropSeen(**(values | fields))


def captured(packet, seen_at, **fields):
    values = {
        "tap": seen_at.tap,
        "egress": not seen_at.leaving if seen_at.tap == POD.name else seen_at.leaving,
        "layer": 3,
        "time_ns": seen_at.time_ns + 500,
        "wall_ns": seen_at.time_ns,
        "octets": bytes(packet),
        "length": len(packet),
    }
    return Captured(**(values | fields))


def syn(packet, hop_limit):
    tcp = TCP(sport=packet.source_port, dport=packet.destination_port, flags="S")
    ends = {"src": str(packet.source), "dst": str(packet.destination)}
    if family_of(packet.source) is Family.IPV6:
        return IPv6(**ends, hlim=hop_limit) / tcp
    return IP(**ends, ttl=hop_limit) / tcp
