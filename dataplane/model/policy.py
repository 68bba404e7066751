"""NetworkPolicies (networking.k8s.io/v1) as values: whom they select, and what they let through."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from dataplane.model.address import Address, Network

Operator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
PolicyProtocol = Literal["tcp", "udp", "sctp"]


class Direction(StrEnum):
    """Which way a rule looks: at what comes to a pod, or at what leaves it."""

    INGRESS = "ingress"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement of a label selector; `values` are empty for (DoesNot)Exist(s)."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A label selector: all requirements have to be met, and an empty one selects everything."""

    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IPBlock:
    """A CIDR without some parts of it; it is of one family, and says nothing of the other."""

    network: Network
    exceptions: tuple[Network, ...] = ()

    def __contains__(self, address: Address) -> bool:
        """Tell whether an address is in the block; one of the other family never is."""
        return address in self.network and not any(address in part for part in self.exceptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPeer:
    """Whom a rule is about: a block, or pods. Without `namespaces` they are of the policy's own."""

    block: IPBlock | None = None
    pods: Selector | None = None
    namespaces: Selector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPort:
    """A range of destination ports of one protocol; `first` None stands for all of them."""

    protocol: PolicyProtocol = "tcp"
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """One rule: any of `peers` (empty: everybody) at any of `ports` (empty: every protocol and port)."""

    peers: tuple[PolicyPeer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A NetworkPolicy; a direction that is not among its policyTypes is None, and not restricted.

    An empty tuple of rules restricts all the same: it lets nothing through.
    """

    name: str
    namespace: str = "default"
    pods: Selector = Selector()
    ingress: tuple[PolicyRule, ...] | None = None
    egress: tuple[PolicyRule, ...] | None = None

    def rules(self, direction: Direction) -> tuple[PolicyRule, ...] | None:
        """Return the rules of a direction, None where the policy does not restrict it."""
        return self.ingress if direction is Direction.INGRESS else self.egress


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One end of a connection; outside of the cluster it has neither namespace nor labels.

    `labels` are written `key=value`, as `kubectl get --show-labels` has them.
    """

    name: str
    address: Address
    namespace: str = ""
    labels: tuple[str, ...] = ()

    @property
    def is_pod(self) -> bool:
        """Return whether policies can select it."""
        return bool(self.namespace)
