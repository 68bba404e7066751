"""The addresses in a LoadBalancer's status, of which GEP-21 says that they follow the cluster.

provider-local patches the status of Services: with 127.0.0.1, and in IPv6 clusters with ::1.
"""

from collections.abc import Sequence

from dataplane.model.address import Family, family_of
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice
from dataplane.rules.gocidr import parse_address

LOOPBACK = {Family.IPV4: "127.0.0.1", Family.IPV6: "::1"}


def status(path: str, addresses: Sequence[str], families: Sequence[Family]) -> list[Problem]:
    """Warn of addresses of a family that the Service has not; `path` is `...loadBalancer.ingress`.

    A dual-stack balancer in front of a single-stack cluster is meant to have both families: then
    one address of the cluster's family is enough.
    """
    held = [_family(text) for text in addresses]
    if not families or any(family in families for family in held):
        return []
    wanted = families[0]
    return [
        advice(
            f"{path}[{index}].ip",
            f"{text} is an {family} address, and the Service has [{', '.join(families)}]",
            remedy=f"let the provider set an {wanted} address (locally {LOOPBACK[wanted]})",
            source=Source.SEED,
        )
        for index, (text, family) in enumerate(zip(addresses, held, strict=True))
        if family is not None
    ]


def _family(text: str) -> Family | None:
    try:
        return family_of(parse_address(text))
    except ValueError:
        return None
