"""Every server listens for IPv6 where the cluster has it, and in each family of a Service to it.

Guards against: servers that are bound to 0.0.0.0 out of habit (GEP-21: many components are, which
makes them reachable over IPv4 only), to the IPv4 address of the pod, or to loopback although a
Service leads there. In dual-stack nobody notices, until a client or a kubelet probe takes IPv6.

Looks at: the sockets inside the network namespaces of pods and nodes, as the kernel lists them
(sock_diag). All sockets of one protocol and port are one server. `::` takes both families unless
IPV6_V6ONLY is on (RFC 3493 section 5.3): then it is IPv6 only, which is a finding where an IPv4
Service address leads to it. A server on loopback or link-local addresses is a finding where a
Service leads to it, and else its own business. UDP is judged where a Service leads to it: an
unconnected UDP socket without one may be a client's.

What to do: bind to [::] with IPV6_V6ONLY off, which is both families (Go does so with ":8080",
nginx with "listen [::]:80 ipv6only=off"), or to the addresses of each family by themselves.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address

from dataplane.checks.ground.ledger import Ledger
from dataplane.checks.ground.places import crosses_networks
from dataplane.model.address import Address, Family, family_of
from dataplane.model.answer import Judgement
from dataplane.model.plan import NodePlan, Plan, PodPlan
from dataplane.model.seen import ListenerSeen
from dataplane.model.stimulus import Stimulus
from dataplane.model.view import Check, Sight, View

NAME = "listeners"
PROBE = "sockets"
TCP = 6
PROTOCOLS = {TCP: "TCP", 17: "UDP"}


def applies(plan: Plan) -> str | None:
    """Return why nobody needs to listen for IPv6."""
    return None if Family.IPV6 in plan.families else "the cluster has no IPv6 to listen for"


def stimuli(_plan: Plan) -> tuple[Stimulus, ...]:
    """Return nothing: a socket is there whether anybody comes or not."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The sockets of one host on one protocol and port; `services` are those that lead to it."""

    host: PodPlan | NodePlan
    protocol: int
    port: int
    sockets: tuple[ListenerSeen, ...]
    services: tuple[str, ...]
    led: frozenset[Family]

    @property
    def judged(self) -> bool:
        """Tell whether this is a server for sure."""
        return self.protocol == TCP or bool(self.services)

    def missing(self) -> frozenset[Family]:
        """Return the families of the host in which somebody would ask this server in vain."""
        served = frozenset(family for socket in self.sockets for family in takes(socket))
        own = frozenset(map(family_of, self.host.addresses))
        asked = self.led | ({Family.IPV6} if served else set())
        return (asked & own) - served


def takes(socket: ListenerSeen) -> frozenset[Family]:
    """Return the families in which other hosts reach a socket."""
    address: Address = socket.address
    if isinstance(address, IPv6Address):
        if address.is_unspecified:
            return frozenset({Family.IPV6} if socket.v6only else Family)
        address = address.ipv4_mapped or address
    if address.is_unspecified or crosses_networks(address):
        return frozenset({family_of(address)})
    return frozenset()


def judge(view: View) -> Judgement:
    """Judge every server of the plan's pods and nodes by its sockets."""
    ledger = Ledger()
    looked_at = 0
    for server in _servers(view.plan, view.evidence.listeners):
        if server.judged:
            looked_at += len(server.sockets)
            missing = server.missing()
            if missing:
                _blame(ledger, server, missing)
    read = {report.where for report in view.evidence.reports if report.probe == PROBE}
    unread = [host.name for host in _hosts(view.plan) if host.name not in read]
    doubts = tuple(f"{name}: its sockets were not read" for name in unread)
    return ledger.judgement(looked_at=looked_at, doubts=doubts)


def _hosts(plan: Plan) -> tuple[PodPlan | NodePlan, ...]:
    return (*plan.pods, *plan.nodes)


def _servers(plan: Plan, seen: Iterable[ListenerSeen]) -> tuple[Server, ...]:
    """Put the sockets of the plan's hosts together to servers, in the order of what was seen."""
    hosts = {host.name: host for host in _hosts(plan)}
    sockets: defaultdict[tuple[str, int, int], list[ListenerSeen]] = defaultdict(list)
    for each in seen:
        if each.owner in hosts:
            sockets[each.owner, each.protocol, each.port].append(each)
    servers = []
    for (owner, protocol, port), of in sockets.items():
        led = [s for s in plan.services if s.target_port == port and owner in s.endpoints]
        servers.append(
            Server(
                host=hosts[owner],
                protocol=protocol,
                port=port,
                sockets=tuple(of),
                services=tuple(service.name for service in led),
                led=frozenset(family_of(a) for service in led for a in service.addresses),
            )
        )
    return tuple(servers)


def _blame(ledger: Ledger, server: Server, missing: frozenset[Family]) -> None:
    host, port = server.host.name, server.port
    served = {family for socket in server.sockets for family in takes(socket)}
    names = " and ".join(sorted(missing))
    how = f"for {' and '.join(sorted(served))} only" if served else "where no other host reaches it"
    wanted = ", ".join(str(a) for a in server.host.addresses if family_of(a) in missing)
    leads = f"; Service {', '.join(server.services)} leads there" if server.services else ""
    protocol = PROTOCOLS.get(server.protocol, str(server.protocol))
    shown = ", ".join(described(socket) for socket in server.sockets)
    ledger.add(
        subject=host,
        cause=f"the server on port {port} of {host} listens {how}",
        expected=f"it listens for {names} ({wanted}){leads}",
        seen=shown,
        remedy=f"bind it to [::]:{port} with IPV6_V6ONLY off, which is both families",
        evidence=f"{protocol} port {port} in {host}: {shown}{leads}",
    )


def described(socket: ListenerSeen) -> str:
    """Return a socket in words: where it is bound, whom that lets in, and whose it is."""
    return f"{_bound(socket)}, open in {socket.process}" if socket.process else _bound(socket)


def _bound(socket: ListenerSeen) -> str:
    if socket.family is Family.IPV4:
        return f"{socket.address}:{socket.port} (IPv4)"
    where = f"[{socket.address}]:{socket.port}"
    if not socket.address.is_unspecified:
        mapped = isinstance(socket.address, IPv6Address) and socket.address.ipv4_mapped
        return f"{where} ({f'IPv4, mapped {mapped}' if mapped else 'IPv6'})"
    return f"{where} (IPv6 only, IPV6_V6ONLY is on)" if socket.v6only else f"{where} (both)"


CHECK = Check(
    name=NAME,
    title="servers listen for the families that the cluster has",
    doc=__doc__ or "",
    applies=applies,
    stimuli=stimuli,
    judge=judge,
    rests_on=(Sight(probe=PROBE),),
)
