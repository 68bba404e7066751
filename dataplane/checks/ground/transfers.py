"""Transfers of full packets: with whom, how much, and in which transport."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import Plan, PodPlan
from dataplane.model.stimulus import Reach, Stimulus, Transport
from dataplane.rules.rfc6052 import embed

BULK = 32_768
SAFE = 1232  # octets of a datagram that is 1280 as IPv6: every path takes it
DATAGRAMS = (SAFE, 1400, 1452)  # the last one fills a link of 1500
TIMEOUT_S = 3.0  # who is told that packets are too big has to send them again
PODS, INTERNET, NAT64, CLAT = "pod-pod-other-node", "pod-internet", "nat64", "clat"
SERVICE = "pod-service"
CALLS = 6  # of a Service: nobody can say which endpoint answers, and some must be on another node


class _Target(NamedTuple):
    """What a pod exchanges large packets with, and as what."""

    label: str
    name: str
    address: Address
    port: int


def transfers(plan: Plan, check: str) -> tuple[Stimulus, ...]:
    """Return a transfer to each kind of target for every actor, datagrams for one on each node."""
    asked: list[Reach] = []
    nodes: set[str] = set()
    for pod in plan.actors:
        first = pod.node not in nodes
        nodes.add(pod.node)
        for target in _targets(plan, pod):
            asked.append(_reach(check, pod, target, Transport.TCP, BULK))
            sizes = DATAGRAMS if target.label == PODS else (SAFE, DATAGRAMS[-1])
            if first and target.label not in {CLAT, SERVICE}:
                asked += [_reach(check, pod, target, Transport.UDP, octets) for octets in sizes]
    return tuple(asked)


def _targets(plan: Plan, pod: PodPlan) -> Iterator[_Target]:
    """Yield a pod of another node, a Service, a server with IPv6, and those that have IPv4 only."""
    place = plan.actors.index(pod)
    around = (*plan.actors[place + 1 :], *plan.actors[:place])
    other = next((actor for actor in around if actor.node != pod.node), None)
    if other is not None and (address := other.address(Family.IPV6)):
        port = plan.services[0].target_port if plan.services else 8080
        yield _Target(PODS, other.name, address, port)
    for service in plan.services:
        for cluster_ip in service.addresses:
            for number in range(CALLS if family_of(cluster_ip) is Family.IPV6 else 0):
                yield _Target(SERVICE, f"{service.name}-{number}", cluster_ip, service.port)
    six = [server for server in plan.servers if server.address(Family.IPV6)]
    server = six[place % len(six)] if six else None
    if server is not None and (address := server.address(Family.IPV6)):
        yield _Target(INTERNET, server.name, address, server.port)
    for server in plan.servers if plan.nat64 is not None else ():
        four = server.address(Family.IPV4)
        if plan.nat64 is not None and isinstance(four, IPv4Address) and server not in six:
            yield _Target(NAT64, server.name, embed(plan.nat64.prefix, four), server.port)
            if plan.clat is not None and pod.clat_address is not None:
                yield _Target(CLAT, server.name, four, server.port)


def _reach(check: str, pod: PodPlan, target: _Target, transport: Transport, octets: int) -> Reach:
    return Reach(
        id=f"{check}/{pod.name}/{target.label}/{target.name}/{transport}/{octets}",
        check=check,
        pod=pod.name,
        target=str(target.address),
        transport=transport,
        port=target.port,
        family=family_of(target.address),
        label=target.label,
        timeout=TIMEOUT_S,
        octets=octets,
    )
