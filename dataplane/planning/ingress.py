"""Plan to IngressPlan: load balancers, their addresses on both sides, and clients outside.

Public addresses are the internet's of the lab: a documentation range for IPv6 and one of the ranges
for IPv4 that are still free. Where the cloud model plans subnets for load balancers, IPv6 comes from
the first of them, as an NLB of AWS has an address in every public subnet.
"""

from ipaddress import IPv6Network

from dataplane.model.address import Address, Family, family_of
from dataplane.model.ingress import BalancerPlan, ClientPlan, IngressPlan, IngressWish, TargetType
from dataplane.model.plan import Plan
from dataplane.model.problem import InvalidInputError, Source
from dataplane.model.stimulus import Endpoint
from dataplane.planning.space import Space
from dataplane.planning.surroundings import ZONE, Site, free_ipv4
from dataplane.rules import clusterip
from dataplane.rules.fielderror import invalid

NAME, NAMESPACE = "web", "shop"
DNS_NAME = f"{NAME}.{ZONE}"
PORT, NODE_PORT, TARGET_PORT = 80, 30080, 8081
BALANCER, OLD = "balancer", "balancer-old"
SERVICE_OFFSETS = (101, 12)  # beside the echo Service
PUBLIC, INSIDE, CLIENTS = 0x10, 0x100, 0x5000  # host parts of IPv6 addresses


def ingress(plan: Plan, wish: IngressWish, space: Space, site: Site) -> IngressPlan:
    """Return the ingress of a planned cluster; `space` is what is taken already.

    InvalidInputError for a cluster that is dual-stack itself, or without pods that could answer.
    """
    _check(plan)
    (family,) = plan.families
    outside4, inside4 = free_ipv4(space, plan.name, 24), free_ipv4(space, plan.name, 24)
    public6 = _public(plan, site)
    names = (BALANCER, OLD) if wish.migration else (BALANCER,)
    balancers = tuple(
        BalancerPlan(
            name=name,
            addresses=(public6[PUBLIC + number], outside4[16 + number]),
            inside=(
                site.fabric[INSIDE + number] if family is Family.IPV6 else inside4[16 + number],
            ),
            named=name == BALANCER,
        )
        for number, name in enumerate(names)
    )
    six, four = site.internet[CLIENTS + 6], outside4[104]
    clients = (
        ClientPlan(name="client-v4", addresses=(four,)),
        ClientPlan(name="client-v6", addresses=(six,)),
        ClientPlan(name="client-dual", addresses=(site.internet[CLIENTS + 0x46], outside4[146])),
    )
    services = next(n for n in plan.service_ranges if family_of(n) is family)
    offset = next(n for n in SERVICE_OFFSETS if n < services.num_addresses - 1)
    pods = tuple(pod.name for pod in plan.actors)
    return IngressPlan(
        name=NAME,
        namespace=NAMESPACE,
        dns_name=DNS_NAME,
        service_address=clusterip.at(services, offset),
        family=family,
        port=PORT,
        node_port=NODE_PORT,
        target_port=TARGET_PORT,
        target=wish.target,
        proxy_protocol=wish.proxy_protocol,
        pods=pods,
        backends=_backends(plan, wish.target, family),
        balancers=balancers,
        clients=clients,
    )


def _public(plan: Plan, site: Site) -> IPv6Network:
    """Return where the balancers' public IPv6 addresses come from."""
    planned = (
        subnet.network
        for subnet in plan.cloud.subnets
        if subnet.name.startswith("public-") and isinstance(subnet.network, IPv6Network)
    )
    return next(planned, IPv6Network((int(site.prefixes[1 << 64]), 64)))


def _backends(plan: Plan, target: TargetType, family: Family) -> tuple[Endpoint, ...]:
    """Return whom the balancers send to: nodes that run such pods, or the pods."""
    found: list[tuple[Address | None, int]]
    if target is TargetType.IP:
        found = [(pod.address(family), TARGET_PORT) for pod in plan.actors]
    else:
        homes = dict.fromkeys(pod.node for pod in plan.actors)
        found = [(plan.node(name).address(family), NODE_PORT) for name in homes]
    return tuple(
        Endpoint(address=address, port=port) for address, port in found if address is not None
    )


def _check(plan: Plan) -> None:
    if len(plan.families) > 1:
        detail = "a dual-stack cluster serves both families itself; these balancers translate"
        remedy = "take a manifest with one family, or leave `ingress` out"
    elif not plan.actors:
        detail = "no pod is there that could answer"
        remedy = "ask for at least one pod"
    else:
        return
    problem = invalid("ingress", plan.name, detail, source=Source.SIXSCOPE, remedy=remedy)
    raise InvalidInputError(plan.name, [problem])
