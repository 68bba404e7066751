"""Ingress: load balancers with both families in front of a cluster that has one.

Facts: "Using IPv4/IPv6 (dual-stack) Ingress in an IPv4 single-stack cluster", the guide for AWS, and
the PROXY protocol, version 2 (doc/proxy-protocol.txt of HAProxy, section 2.2).
"""

from dataclasses import dataclass
from enum import StrEnum

from dataplane.model.address import Address, Family, family_of
from dataplane.model.stimulus import Endpoint


class TargetType(StrEnum):
    """What a network load balancer of AWS sends to: a node's NodePort, or a pod itself."""

    INSTANCE = "instance"
    IP = "ip"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressWish:
    """What a scenario asks for; `migration` adds the balancer that was there before."""

    target: TargetType = TargetType.INSTANCE
    proxy_protocol: bool = True
    migration: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerPlan:
    """A load balancer: its addresses towards the internet, and those it sends to backends from.

    `named` tells that the DNS name leads to it. One that is not named was left over from before a
    migration: it gets no new clients, and serves those that it has.
    """

    name: str
    addresses: tuple[Address, ...]
    inside: tuple[Address, ...]
    named: bool = True

    def address(self, family: Family) -> Address | None:
        """Return the balancer's public address of that family, None when it has none."""
        return next((a for a in self.addresses if family_of(a) is family), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPlan:
    """A client in the internet, with one family or with both."""

    name: str
    addresses: tuple[Address, ...]

    def address(self, family: Family) -> Address | None:
        """Return the client's address of that family, None when it has none."""
        return next((a for a in self.addresses if family_of(a) is family), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressPlan:
    """A Service of type LoadBalancer with its balancers, and who comes to it.

    `family` is the one that the balancers speak to `backends` (an address and port of a node with
    target type instance, of a pod with ip). `pods` answer there, on `target_port`. With
    `proxy_protocol` both sides have promised the PROXY protocol: balancers send it, pods read it.
    The Service is none of `Plan.services`: its pods talk to balancers, not to the cluster.
    """

    name: str
    namespace: str
    dns_name: str
    service_address: Address
    family: Family
    port: int
    node_port: int
    target_port: int
    target: TargetType
    proxy_protocol: bool
    pods: tuple[str, ...]
    backends: tuple[Endpoint, ...]
    balancers: tuple[BalancerPlan, ...]
    clients: tuple[ClientPlan, ...]

    @property
    def named(self) -> tuple[BalancerPlan, ...]:
        """Return the balancers that the DNS name leads to."""
        return tuple(balancer for balancer in self.balancers if balancer.named)
