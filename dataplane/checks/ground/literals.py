"""What pods do to have something translated: literals in the NAT64 prefix, and a name without AAAA."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Network

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.stimulus import Reach, Stimulus, Transport
from dataplane.rules.images import WITHOUT_AAAA
from dataplane.rules.rfc6052 import embed

TIMEOUT_S = 1.0  # translators in user space take their time on a busy machine


def stimuli(plan: Plan, check: str) -> tuple[Stimulus, ...]:
    """Return every transport towards each IPv4-only server's synthesized literal, for every actor.

    One pod of each node pulls from a registry, by its name.
    """
    if plan.nat64 is None:
        return ()
    return (*_literals(plan, check, plan.nat64.prefix), *_pulls(plan, check))


def _literals(plan: Plan, check: str, prefix: IPv6Network) -> Iterator[Reach]:
    for pod in plan.actors:
        for server in plan.servers:
            address = server.address(Family.IPV4)
            if server.address(Family.IPV6) is not None or not isinstance(address, IPv4Address):
                continue
            for transport in Transport:
                yield Reach(
                    id=f"{check}/{pod.name}/{server.name}/{transport}",
                    check=check,
                    pod=pod.name,
                    target=str(embed(prefix, address)),
                    transport=transport,
                    port=0 if transport is Transport.ICMP else server.port,
                    family=Family.IPV6,
                    label="synthesized-literal",
                    timeout=TIMEOUT_S,
                )


def _pulls(plan: Plan, check: str) -> Iterator[Reach]:
    """Yield a connection to the registry that has A records only, for one pod of each node."""
    server = next((s for s in plan.servers if s.address(Family.IPV6) is None), None)
    if server is None:
        return
    first = {pod.node: pod for pod in reversed(plan.actors)}
    for pod in first.values():
        yield Reach(
            id=f"{check}/{pod.name}/{WITHOUT_AAAA}/{Transport.TCP}",
            check=check,
            pod=pod.name,
            target=WITHOUT_AAAA,
            port=server.port,
            family=Family.IPV6,
            label="registry",
            timeout=TIMEOUT_S,
        )
