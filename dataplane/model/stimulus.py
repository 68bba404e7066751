"""What a check wants done (stimuli), and what the client inside the pod saw of it (outcomes)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from dataplane.model.address import Address, Family


class Transport(StrEnum):
    """How a stimulus reaches its target."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Reach a target from a pod, or from a server of the internet, and have it answer.

    `target` is a DNS name or an address literal. `family` forces one family for a name; None means
    what a plain client does: `getaddrinfo` order, next address when one fails. `blocked` is a
    family that the driver blocks in the pod's namespace meanwhile (never "any").
    `label` says in the check's own words what this is about (`pod-service`, `pod-internet`).
    `octets` is what is sent, and sent back, as payload; 0 for a short question and its answer. It
    is for TCP and UDP; a datagram of it is repeated when somebody called it too big. With `pause`
    (seconds, TCP only) the connection is kept open that long after an answer, and asked once more.
    `proxy` and its `proxy_port` are a forward proxy that is told the target as it is (TCP only): the
    client resolves and reaches the proxy, and whoever that is resolves and reaches the target.
    """

    kind: Literal["reach"] = "reach"
    id: str
    check: str
    pod: str
    target: str
    transport: Transport = Transport.TCP
    port: int = 0
    family: Family | None = None
    blocked: Family | None = None
    label: str = ""
    timeout: float = 1.0
    octets: int = 0
    pause: float = 0.0
    proxy: str = ""
    proxy_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Ask the cluster's resolver from a pod; `type` is a DNS type name (A, AAAA, PTR)."""

    kind: Literal["resolve"] = "resolve"
    id: str
    check: str
    pod: str
    name: str
    type: str = "AAAA"
    label: str = ""
    timeout: float = 1.0


Stimulus = Reach | Resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address with a port (0 for ICMP)."""

    address: Address
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the client saw. Times are CLOCK_MONOTONIC in ns, the clock of the probes.

    `error` is an errno name (`ECONNREFUSED`), a DNS rcode (`NXDOMAIN`), `TIMEOUT`, `PROXY` with what a
    forward proxy said instead of connecting (`PROXY 500`), or None.
    `attempts` are the destinations that were tried, in order, each with its error or None.
    `answers` are the addresses or names of a DNS answer. `peer` is who the server says it saw; where
    a balancer stands between, `via` is whose connection it was, and `server` who answered.
    """

    stimulus: str
    ok: bool
    started_ns: int
    ended_ns: int
    error: str | None = None
    local: Endpoint | None = None
    remote: Endpoint | None = None
    peer: Endpoint | None = None
    via: Endpoint | None = None
    server: str | None = None
    attempts: tuple[tuple[Endpoint, str | None], ...] = ()
    answers: tuple[str, ...] = ()
    pid: int | None = None
