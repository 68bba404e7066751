"""Name resolution inside the lab: what clients find in /etc, in mount namespaces of their own."""

import os
from collections.abc import Sequence
from pathlib import Path

from dataplane.model.address import Address
from dataplane.model.errors import UnsupportedError
from dataplane.model.topology import Role, Topology

MAXNS = 3  # resolv.conf(5)
DNS = 53
RESOLV = Path("/etc/resolv.conf")
SWITCH = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"

Binds = tuple[tuple[Path, Path], ...]


def nameservers(topology: Topology) -> tuple[Address, ...]:
    """Return the addresses that pods ask: the cluster's DNS service, else the resolver itself."""
    listen = set(topology.resolver.listen)
    services = tuple(
        rule.address
        for rule in topology.services
        if rule.port == DNS and rule.endpoints and listen.issuperset(rule.endpoints)
    )
    return services or topology.resolver.listen


OUTSIDE = frozenset({Role.CLIENT, Role.PROXY})


def is_outside(topology: Topology, member: str) -> bool:
    """Tell whether a member asks the internet for names, and knows nothing of the cluster's DNS.

    A client there does; so does an egress proxy, since DNS64 would send it through the NAT64.
    """
    return any(n.name == member and n.role in OUTSIDE for n in topology.namespaces)


def servers_of(topology: Topology, member: str) -> tuple[Address, ...]:
    """Return the name servers that a member asks."""
    if is_outside(topology, member):
        return topology.authority.listen
    return nameservers(topology)


def write_outside(topology: Topology, directory: Path, inside: Binds) -> Binds:
    """Write what those outside find instead of the pods' resolv.conf."""
    if not any(n.role in OUTSIDE for n in topology.namespaces):
        return inside
    source = directory / "resolv-outside.conf"
    source.write_text(_resolv(topology.authority.listen))
    covered = directory / RESOLV.name
    return tuple((source if file == covered else file, target) for file, target in inside)


def _resolv(servers: Sequence[Address]) -> str:
    lines = "".join(f"nameserver {address}\n" for address in servers[:MAXNS])
    return f"{lines}options timeout:1 attempts:1\n"


def write(topology: Topology, directory: Path) -> Binds:
    """Write the files into the run's directory; return what has to be bound over what.

    UnsupportedError when the machine has no /etc/resolv.conf to bind over.
    """
    resolv = RESOLV
    if not resolv.exists():
        raise UnsupportedError(
            "a resolver of its own for every pod",
            needs=f"a file {resolv} to cover (an empty one will do)",
            found="a link to nothing" if resolv.is_symlink() else "no such file",
        )
    contents = {
        resolv: _resolv(nameservers(topology)),
        # Other sources (systemd-resolved, mDNS) are sockets of the host, which would answer as well.
        Path("/etc/nsswitch.conf"): SWITCH,
        Path("/etc/hosts"): HOSTS,
    }
    binds = []
    for target, text in contents.items():
        source = directory / target.name
        source.write_text(text)
        if target.exists():
            binds.append((source, Path(os.path.realpath(target))))
    cache = Path(
        "/run/nscd"
    )  # glibc asks a name service cache of the host first, where there is one
    if cache.is_dir():
        empty = directory / "nscd"
        empty.mkdir()
        binds.append((empty, cache))
    return tuple(binds)
