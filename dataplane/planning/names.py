"""The DNS names of a lab: what the authoritative server answers.

A registry of container images that has A records only (GEP-21: docker.io) is among them, under its
own name: in the lab it is the server without IPv6.
"""

from collections.abc import Iterable

from dataplane.model.address import Address, Family, family_of
from dataplane.model.cluster import Cluster
from dataplane.model.plan import DnsRecordPlan, Plan
from dataplane.model.programs import Record
from dataplane.planning.resolved import object_name
from dataplane.planning.surroundings import ZONE
from dataplane.rules.images import WITHOUT_AAAA
from dataplane.rules.names import LONGEST_LABEL

CLUSTER_ZONE = "cluster.local"
IPV4ONLY = "ipv4only.arpa"  # RFC 7050 section 8
IPV4ONLY_ADDRESSES = ("192.0.0.170", "192.0.0.171")  # RFC 7050 section 2.2


def zones() -> tuple[str, ...]:
    """Return the zones of the lab's authoritative server."""
    return (ZONE, CLUSTER_ZONE, IPV4ONLY, WITHOUT_AAAA)


def api_server(cluster: Cluster, addresses: Iterable[Address]) -> tuple[DnsRecordPlan, ...]:
    """Return the DNSRecords of the API server's external name, one per family of the cluster.

    GEP-21: A for IPv4, AAAA for IPv6; the AAAA record's object has a suffix, since both would be
    called the same, and one would replace the other.
    """
    shoot = object_name(cluster.name)
    label = shoot.replace(".", "-")[:LONGEST_LABEL].strip("-")
    found = {family_of(address): address for address in addresses}
    return tuple(
        DnsRecordPlan(
            object_name=f"{shoot}-external" + ("-ipv6" if family is Family.IPV6 else ""),
            name=f"api.{label}.{ZONE}",
            record_type="AAAA" if family is Family.IPV6 else "A",
            values=(found[family],),
        )
        for family in cluster.families
    )


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
    if plan.ingress is not None:
        found += [
            _address(plan.ingress.dns_name, address)
            for balancer in plan.ingress.named
            for address in balancer.addresses
        ]
    if plan.egress is not None:
        found += [_address(plan.egress.dns_name, address) for address in plan.egress.inside]
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
    found += [_address(record.name, v) for record in plan.dns_records for v in record.values]
    found += [Record(name=IPV4ONLY, type="A", value=value) for value in IPV4ONLY_ADDRESSES]
    return tuple(found)


def _address(name: str, address: Address) -> Record:
    kind = "A" if family_of(address) is Family.IPV4 else "AAAA"
    return Record(name=name, type=kind, value=str(address))
