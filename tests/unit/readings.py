"""What the kernels of a plan's namespaces would tell when asked: sockets, sysctls and routes."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network

from dataplane.model.address import Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.seen import LinkSeen, ListenerSeen, ProbeReport, RouteSeen, SettingSeen
from dataplane.model.topology import Tap
from tests.unit.network import Faults

UP = ip_address("fe80::1")
LOOPBACK = {Family.IPV4: ip_address("127.0.0.1"), Family.IPV6: ip_address("::1")}


def listeners(plan: Plan, faults: Faults) -> Iterator[ListenerSeen]:
    """Yield the sockets of the servers in pods: TCP and UDP, for each address one of its own."""
    for pod in plan.actors:
        for own in pod.addresses:
            family = family_of(own)
            if (pod.name, family) in faults.deaf:
                continue
            for protocol in (6, 17):
                yield ListenerSeen(
                    owner=pod.name,
                    protocol=protocol,
                    family=family,
                    address=LOOPBACK[family] if pod.name in faults.loopback else own,
                    port=plan.services[0].target_port,
                    v6only=True if family is Family.IPV6 else None,
                )


def settings(plan: Plan, faults: Faults, taps: Iterable[Tap]) -> Iterator[SettingSeen]:
    """Yield IPv6 forwarding of every node."""
    for node in plan.nodes:
        value = "0" if node.name in faults.not_forwarding else "1"
        interfaces = [tap.interface for tap in taps if tap.namespace == node.name]
        for scope in ("all", "default", "lo", *interfaces):
            name = f"net/ipv6/conf/{scope}/forwarding"
            yield SettingSeen(owner=node.name, name=name, value=value)


def routes(plan: Plan, faults: Faults) -> Iterator[RouteSeen]:
    """Yield the fabric's routes: the way up, and each node's pod prefixes."""
    yield RouteSeen(owner="fabric", destination=ip_network("::/0"), via=UP, interface="gateway")
    for route in () if faults.services_lost else plan.service_routes:
        yield RouteSeen(
            owner=route.table, destination=route.destination, via=route.via, interface="node-0"
        )
    for node in plan.nodes:
        networks = node.pod_prefixes
        if node.name == faults.service_route:
            networks += plan.service_ranges
        for network in networks:
            if (node.name, family_of(network)) in faults.lost_prefixes:
                continue
            yield RouteSeen(
                owner="fabric",
                destination=network,
                via=node.address(family_of(network)),
                interface=node.name,
            )


def links(plan: Plan, faults: Faults, taps: Iterable[Tap]) -> Iterator[LinkSeen]:
    """Yield the interfaces of pods and of everybody who is watched."""
    for pod in plan.pods:
        mtu = 1200 if pod.name in faults.too_small else 1500
        yield LinkSeen(owner=pod.name, interface="eth0", mtu=mtu)
    for tap in taps:
        yield LinkSeen(owner=tap.namespace, interface=tap.interface, mtu=1500)


def reports(plan: Plan) -> Iterator[ProbeReport]:
    """Yield the books of the readings, without a gap."""
    for host in (*plan.pods, *plan.nodes):
        yield ProbeReport(probe="sockets", where=host.name, hook="sock_diag")
        for probe in ("links", "neighbours"):
            yield ProbeReport(probe=probe, where=host.name, hook="rtnetlink")
    for node in plan.nodes:
        yield ProbeReport(probe="addresses", where=node.name, hook="rtnetlink")
        yield ProbeReport(probe="sysctls", where=node.name, hook="procfs")
        yield ProbeReport(probe="routes", where=node.name, hook="rtnetlink")
    for probe in ("routes", "links", "neighbours"):
        yield ProbeReport(probe=probe, where="fabric", hook="rtnetlink")
