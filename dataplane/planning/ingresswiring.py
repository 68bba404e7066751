"""IngressPlan to topology: namespaces, links, the Service on the nodes, the programs' specifications.

A balancer stands with one leg in the internet and with the other in the fabric, as a network load
balancer has public addresses and an interface in the subnets of the VPC. It forwards no packet: what
crosses it are two connections.
"""

from dataplane.model.address import Network, family_of
from dataplane.model.ingress import IngressPlan
from dataplane.model.plan import Plan
from dataplane.model.programs import BalancerSpec, WebSpec
from dataplane.model.stimulus import Endpoint
from dataplane.model.topology import Point, Role, ServiceRule
from dataplane.planning.wiring import Wiring

FRONT, BACK = "front", "back"  # a balancer's interfaces


def wire(wiring: Wiring, plan: Plan, ingress: IngressPlan) -> None:
    """Add balancers and clients, each with its links, routes and taps."""
    for client in ingress.clients:
        wiring.namespace(client.name, Role.CLIENT)
        wiring.link(("internet", client.name), (client.name, "eth0"), lower=client.addresses)
        wiring.up(client.name, "eth0", tuple(map(family_of, client.addresses)))
        wiring.tap(client.name, "eth0", Point.CLIENT, client.name)
    networks: tuple[Network, ...] = (*plan.node_ranges, *plan.pod_ranges)
    inside = tuple(dict.fromkeys(n for n in networks if family_of(n) is ingress.family))
    for balancer in ingress.balancers:
        name = balancer.name
        wiring.namespace(name, Role.BALANCER)
        wiring.link(("internet", name), (name, FRONT), lower=balancer.addresses)
        wiring.up(name, FRONT, tuple(map(family_of, balancer.addresses)))
        wiring.link(("fabric", name), (name, BACK), lower=balancer.inside)
        wiring.aside(name, BACK, inside, beyond=("fabric", name))
        for interface in (FRONT, BACK):
            wiring.tap(name, interface, Point.BALANCER, name)


def services(plan: Plan) -> tuple[ServiceRule, ...]:
    """Return the Service as every node has it, with its NodePort."""
    ingress = plan.ingress
    if ingress is None:
        return ()
    pods = [plan.pod(name) for name in ingress.pods]
    found = [(pod.address(ingress.family), pod.node) for pod in pods]
    return (
        ServiceRule(
            name=f"{ingress.namespace}/{ingress.name}",
            address=ingress.service_address,
            port=ingress.port,
            endpoints=tuple(address for address, _ in found if address is not None),
            target_port=ingress.target_port,
            homes=tuple(node for address, node in found if address is not None),
            node_port=ingress.node_port,
        ),
    )


def balancers(plan: Plan) -> tuple[BalancerSpec, ...]:
    """Return the programs that balance."""
    ingress = plan.ingress
    if ingress is None:
        return ()
    return tuple(
        BalancerSpec(
            namespace=balancer.name,
            listen=tuple(
                Endpoint(address=address, port=ingress.port) for address in balancer.addresses
            ),
            backends=ingress.backends,
            send_proxy=ingress.proxy_protocol,
        )
        for balancer in ingress.balancers
    )


def webs(plan: Plan) -> tuple[WebSpec, ...]:
    """Return the programs that answer in the pods."""
    ingress = plan.ingress
    if ingress is None:
        return ()
    return tuple(
        WebSpec(
            namespace=name,
            port=ingress.target_port,
            families=plan.families,
            accept_proxy=ingress.proxy_protocol,
        )
        for name in ingress.pods
    )
