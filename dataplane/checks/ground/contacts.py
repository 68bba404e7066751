"""Who contacts whom, so that every way is gone on which a source could be hidden: over IPv6, by TCP."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from dataplane.checks.ground.across import talks
from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import Plan, PodPlan

POD_PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One member of the lab contacts an address; `label` and `name` say what that is."""

    client: str
    label: str
    name: str
    address: Address
    port: int


def contacts(plan: Plan) -> Iterator[Contact]:
    """Yield who contacts whom over IPv6: servers, pods of other nodes, Services, another cluster."""
    for pod in plan.actors:
        yield from _of_pod(plan, pod)
    for talk in talks(plan):
        yield Contact(
            client=talk.source.name,
            label=talk.label,
            name=talk.target.name,
            address=talk.address,
            port=_port_of(plan, talk.target),
        )
    yield from _from_outside(plan)


def _port_of(plan: Plan, pod: PodPlan) -> int:
    return next((s.target_port for s in plan.services if pod.name in s.endpoints), POD_PORT)


def _of_pod(plan: Plan, pod: PodPlan) -> Iterator[Contact]:
    contact = partial(Contact, client=pod.name)
    for server in plan.servers:
        address = server.address(Family.IPV6)
        if address is not None:
            yield contact(label="pod-internet", name=server.name, address=address, port=server.port)
    away = next((other for other in plan.actors if other.node != pod.node), None)
    there = None if away is None else away.address(Family.IPV6)
    if away is not None and there is not None:
        port = _port_of(plan, away)
        yield contact(label="pod-other-node", name=away.name, address=there, port=port)
    home = plan.node(pod.node).address(Family.IPV6)
    for service in plan.services:
        ways = [("pod-service", a, service.port) for a in service.addresses]
        ways += [("pod-balancer", a, service.port) for a in service.load_balancer]
        if home is not None and service.node_port is not None:
            ways.append(("pod-node-port", home, service.node_port))
        six = {way[0]: way for way in ways if family_of(way[1]) is Family.IPV6}
        for label, address, port in six.values():
            yield contact(label=label, name=service.name, address=address, port=port)


def _from_outside(plan: Plan) -> Iterator[Contact]:
    """Yield the ways into Services that a server of the internet takes: balancers and NodePorts."""
    client = next((server.name for server in plan.servers if server.address(Family.IPV6)), None)
    if client is None:
        return
    contact = partial(Contact, client=client)
    for service in plan.services:
        for address in service.load_balancer:
            if family_of(address) is Family.IPV6:
                label = "outside-balancer"
                yield contact(label=label, name=service.name, address=address, port=service.port)
        port = service.node_port
        for node in plan.nodes if port is not None else ():
            home, name = node.address(Family.IPV6), f"{service.name}-{node.name}"
            if home is not None and port is not None:
                yield contact(label="outside-node-port", name=name, address=home, port=port)
