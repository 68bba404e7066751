"""What is tried where NetworkPolicies isolate pods: who sends what to whom, and what is to become of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from dataplane.checks.ground.policies import Permissions
from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import Plan, PodPlan, ServerPlan
from dataplane.model.stimulus import Reach, Transport
from dataplane.rules.policy import Decision, completed
from dataplane.rules.rfc6052 import embed

POD_PORT, OTHER_PORT = 8080, 8081  # where pods answer, and where nobody does
POD, INTERNET, SYNTHESIZED = "pod-pod", "pod-internet", "pod-nat64"
TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One attempt of a pod that policies have a say in.

    `written` is what they decide as they are, `meant` what they would with ::/0 beside each
    0.0.0.0/0. `target` is the name of a pod or a server.
    """

    source: PodPlan
    label: str
    target: str
    address: Address
    transport: Transport
    port: int
    written: Decision
    meant: Decision

    def id(self, check: str) -> str:
        """Return what the stimulus is called."""
        way = f"{self.transport}/{self.port}" if self.port else self.transport
        return f"{check}/{self.source.name}/{self.label}/{self.target}/{self.family}/{way}"

    @property
    def family(self) -> Family:
        """Return the family that is tried."""
        return family_of(self.address)

    def stimulus(self, check: str) -> Reach:
        """Return the stimulus."""
        return Reach(
            id=self.id(check),
            check=check,
            pod=self.source.name,
            target=str(self.address),
            transport=self.transport,
            port=self.port,
            family=self.family,
            label=self.label,
            timeout=TIMEOUT_S,
        )


def trials(plan: Plan) -> tuple[Trial, ...]:
    """Return every pair of pods, and every pod with every server, that a policy has a say in.

    TCP is tried with each. What else there is (UDP, echoes, a port that no server listens on) is
    tried once for each outcome, family and pod that is isolated.
    """
    if not plan.policies:
        return ()
    permissions = Permissions.of(plan)
    meant = replace(permissions, policies=tuple(map(completed, plan.policies)))
    found: list[Trial] = []
    turns: set[object] = set()
    for source in plan.actors:
        for label, name, address, port in _targets(plan, source):
            for number, (transport, at) in enumerate(_ways(plan, port)):
                decision = permissions.decide(source, address, transport, at)
                family = family_of(address)
                turn = (decision.governed, decision.allowed, label, family, number)
                if not decision.governed or (number and turn in turns):
                    continue
                turns.add(turn)
                found.append(
                    Trial(
                        source=source,
                        label=label,
                        target=name,
                        address=address,
                        transport=transport,
                        port=at,
                        written=decision,
                        meant=meant.decide(source, address, transport, at),
                    )
                )
    return tuple(found)


def ways(plan: Plan, server: ServerPlan) -> tuple[Address, ...]:
    """Return the addresses by which pods reach a server: its own, and NAT64's for its IPv4 one."""
    families = {family_of(address) for pod in plan.actors for address in pod.addresses}
    own = [address for address in server.addresses if family_of(address) in families]
    four = server.address(Family.IPV4)
    if plan.nat64 is not None and isinstance(four, IPv4Address):
        own.append(embed(plan.nat64.prefix, four))
    return tuple(own)


def _targets(plan: Plan, source: PodPlan) -> Iterator[tuple[str, str, Address, int]]:
    families = {family_of(address) for address in source.addresses}
    for pod in plan.actors:
        for address in pod.addresses if pod != source else ():
            if family_of(address) in families:
                yield POD, pod.name, address, POD_PORT
    for server in plan.servers:
        for address in ways(plan, server):
            label = INTERNET if address in server.addresses else SYNTHESIZED
            yield label, server.name, address, server.port


def _ways(plan: Plan, port: int) -> Iterator[tuple[Transport, int]]:
    yield Transport.TCP, port
    yield Transport.UDP, port
    yield Transport.ICMP, 0
    if any(
        rule.ports
        for policy in plan.policies
        for rule in (*(policy.ingress or ()), *(policy.egress or ()))
    ):
        yield Transport.TCP, OTHER_PORT
