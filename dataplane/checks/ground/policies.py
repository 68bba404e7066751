"""What the NetworkPolicies of a plan let through, asked by address: whom to blame, what to leave out.

A check asks for what should work. What a policy denies should not, so that nothing of it is asked
for (`permitted`); that it is denied indeed is what the check `policy` looks at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import ClatPlacement, Plan, PodPlan
from dataplane.model.policy import Party, Policy
from dataplane.model.stimulus import Reach, Resolve, Stimulus, Transport
from dataplane.rules.images import WITHOUT_AAAA
from dataplane.rules.members import members, party
from dataplane.rules.policy import ICMP, Decision, decide
from dataplane.rules.rfc6052 import embed

DNS_PORT = 53
DNS_TRANSPORTS = ("udp", "tcp")


@dataclass(frozen=True, slots=True)
class Permissions:
    """The policies of a plan; `policies` are others where it is asked what they were meant to be."""

    plan: Plan
    policies: tuple[Policy, ...]

    @classmethod
    def of(cls, plan: Plan) -> "Permissions":
        """Return what the plan's own policies permit."""
        return cls(plan, plan.policies)

    def decide(self, source: PodPlan, target: Address, transport: Transport, port: int) -> Decision:
        """Decide about what a pod sends to an address that is no Service's."""
        own = source.address(family_of(target)) or source.addresses[0]
        protocol = ICMP if transport is Transport.ICMP else transport.value
        sender = party(self.plan, source, own)
        return decide(self.policies, sender, self._party(target), protocol, port)

    def permits(self, stimulus: Stimulus) -> bool:
        """Tell whether nobody denies any of the ways that a stimulus of a pod may take."""
        source = next((pod for pod in self.plan.pods if pod.name == stimulus.pod), None)
        if source is None or not self.policies:
            return True
        if isinstance(stimulus, Resolve):
            return self.permits_dns(source)
        targets = self._targets(stimulus)
        return all(
            self.decide(source, address, stimulus.transport, port).allowed
            for target in targets
            for address, port in self._behind(source, target, stimulus.port)
        ) and (_literal(stimulus.target) is not None or self.permits_dns(source))

    def permits_dns(self, source: PodPlan) -> bool:
        """Tell whether a pod may ask the cluster's resolver, in every way there is."""
        return not self.policies or all(
            self.decide(source, address, Transport(transport), DNS_PORT).allowed
            for address in self.plan.resolver
            for transport in DNS_TRANSPORTS
        )

    def _party(self, address: Address) -> Party:
        known = (member for member in members(self.plan) if member.address == address)
        return next(known, Party(name=str(address), address=address))

    def _targets(self, stimulus: Reach) -> Iterator[Address]:
        """Yield the addresses that a client may try: the literal, or those that have the name."""
        literal = _literal(stimulus.target)
        if literal is not None:
            yield literal
            return
        names = [(server.dns_name, server.addresses) for server in self.plan.servers]
        names += [(service.dns_name, service.addresses) for service in self.plan.services]
        for name, addresses in names:
            if name == stimulus.target:
                yield from addresses
        if stimulus.target == WITHOUT_AAAA:
            for server in self.plan.servers:
                if server.address(Family.IPV6) is None:
                    yield from server.addresses

    def _behind(self, source: PodPlan, target: Address, port: int) -> Iterator[tuple[Address, int]]:
        """Yield where a packet to an address ends up: a Service's endpoints, NAT64's IPv6 for IPv4."""
        for service in self.plan.services:
            if target in service.addresses:
                for name in service.endpoints:
                    address = self.plan.pod(name).address(family_of(target))
                    if address is not None:
                        yield address, service.target_port
                return
        if target in self.plan.dns_addresses:
            yield from ((a, port) for a in self.plan.resolver if a.version == target.version)
            return
        yield self._sent(source, target), port

    def _sent(self, source: PodPlan, target: Address) -> Address:
        """Return what a pod without IPv4 sends to, behind its own CLAT or DNS64."""
        nat64, clat = self.plan.nat64, self.plan.clat
        on_node = clat is not None and clat.placement is ClatPlacement.NODE
        native = source.address(Family.IPV4) is not None
        if nat64 is None or native or on_node or not isinstance(target, IPv4Address):
            return target
        return embed(nat64.prefix, target)


def permitted(plan: Plan, stimuli: Iterable[Stimulus]) -> tuple[Stimulus, ...]:
    """Return the stimuli that no policy of the plan denies."""
    permissions = Permissions.of(plan)
    return tuple(stimulus for stimulus in stimuli if permissions.permits(stimulus))


def _literal(target: str) -> Address | None:
    try:
        return ip_address(target)
    except ValueError:
        return None
