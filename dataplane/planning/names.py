"""The DNS names of a lab: what the authoritative server answers.

A registry of container images that has A records only (GEP-21: docker.io) is among them, under its
own name: in the lab it is the server without IPv6.
"""

from dataplane.model.address import Address, Family, family_of
from dataplane.model.plan import Plan
from dataplane.model.topology import Record
from dataplane.planning.surroundings import ZONE
from dataplane.rules.images import WITHOUT_AAAA

CLUSTER_ZONE = "cluster.local"
IPV4ONLY = "ipv4only.arpa"  # RFC 7050 section 8
IPV4ONLY_ADDRESSES = ("192.0.0.170", "192.0.0.171")  # RFC 7050 section 2.2


def zones() -> tuple[str, ...]:
    """Return the zones of the lab's authoritative server."""
    return (ZONE, CLUSTER_ZONE, IPV4ONLY, WITHOUT_AAAA)


def records(plan: Plan) -> tuple[Record, ...]:
    """Return the records: servers, Services, and the well-known IPv4-only name."""
    found = [
        _address(server.dns_name, address)
        for server in plan.servers
        for address in server.addresses
    ]
    found += [
        _address(service.dns_name, address)
        for service in plan.services
        for address in service.addresses
    ]
    found += [
        _address(f"kube-dns.kube-system.svc.{CLUSTER_ZONE}", address)
        for address in plan.dns_addresses
    ]
    found += [
        _address(WITHOUT_AAAA, address)
        for server in plan.servers
        if server.address(Family.IPV6) is None
        for address in server.addresses
    ]
    found += [Record(name=IPV4ONLY, type="A", value=value) for value in IPV4ONLY_ADDRESSES]
    return tuple(found)


def _address(name: str, address: Address) -> Record:
    kind = "A" if family_of(address) is Family.IPV4 else "AAAA"
    return Record(name=name, type=kind, value=str(address))
