"""What clients in the internet do to an ingress, and what its pods try over the other family."""

from collections.abc import Iterator
from dataclasses import replace

from dataplane.model.address import Family, family_of
from dataplane.model.ingress import ClientPlan, IngressPlan
from dataplane.model.plan import Plan
from dataplane.model.stimulus import Reach, Resolve, Stimulus

LITERAL, BY_NAME, RECORDS, KEPT, EGRESS = "address", "name", "records", "kept-open", "egress"
TYPES = {Family.IPV4: "A", Family.IPV6: "AAAA"}
PAUSE_S = 1.2  # between the two requests of a connection that is kept open


def stimuli(plan: Plan, check: str) -> tuple[Stimulus, ...]:
    """Return it all; what is kept open comes first, so that the others come meanwhile."""
    ingress = plan.ingress
    if ingress is None:
        return ()
    asked = (*_kept(ingress, check), *_reaches(ingress, check))
    return (*asked, *_records(ingress, check), *_egress(plan, ingress, check))


def _reaches(ingress: IngressPlan, check: str) -> Iterator[Reach]:
    """Yield every address of every balancer, and the name, to every client in each of its families."""
    for client in ingress.clients:
        for family in map(family_of, client.addresses):
            for balancer in ingress.balancers:
                address = balancer.address(family)
                if address is not None:
                    what = f"{LITERAL}/{balancer.name}"
                    yield _reach(ingress, check, client, what, str(address), family)
            what = f"{BY_NAME}/{ingress.name}"
            yield _reach(ingress, check, client, what, ingress.dns_name, family)


def _kept(ingress: IngressPlan, check: str) -> Iterator[Reach]:
    """Yield the connections that are kept open: one per family, where the name leads no longer."""
    for client in ingress.clients:
        if len(client.addresses) > 1:
            continue
        family = family_of(client.addresses[0])
        for balancer in ingress.balancers:
            address = balancer.address(family)
            if address is not None and not balancer.named:
                what = f"{KEPT}/{balancer.name}"
                asked = _reach(ingress, check, client, what, str(address), family)
                yield replace(asked, pause=PAUSE_S, timeout=2 * PAUSE_S)


def _reach(  # noqa: PLR0913, PLR0917 - who, from where, to what
    ingress: IngressPlan, check: str, client: ClientPlan, what: str, target: str, family: Family
) -> Reach:
    return Reach(
        id=f"{check}/{client.name}/{what}/{family}",
        check=check,
        pod=client.name,
        target=target,
        port=ingress.port,
        family=family,
        label=what.partition("/")[0],
    )


def _records(ingress: IngressPlan, check: str) -> Iterator[Resolve]:
    """Yield the questions for the name's records; a client with both families asks them."""
    client = max(ingress.clients, key=lambda each: len(each.addresses)).name
    for kind in TYPES.values():
        yield Resolve(
            id=f"{check}/{client}/{RECORDS}/{kind}",
            check=check,
            pod=client,
            name=ingress.dns_name,
            type=kind,
            label=RECORDS,
        )


def _egress(plan: Plan, ingress: IngressPlan, check: str) -> Iterator[Reach]:
    """Yield what pods of an IPv4 cluster try to reach over IPv6, where nobody has IPv4."""
    if ingress.family is Family.IPV6:
        return
    for server in plan.servers:
        if tuple(map(family_of, server.addresses)) != (Family.IPV6,):
            continue
        for pod in plan.actors:
            yield Reach(
                id=f"{check}/{pod.name}/{EGRESS}/{server.name}/{Family.IPV6}",
                check=check,
                pod=pod.name,
                target=str(server.addresses[0]),
                port=server.port,
                family=Family.IPV6,
                label=EGRESS,
            )
