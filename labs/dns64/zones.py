"""Zone files (RFC 1035 section 5) of the lab's authoritative server. Pure."""

from collections.abc import Sequence

from dataplane.model.address import Address
from dataplane.model.programs import AuthoritySpec, Record

TTL = 300
NEGATIVE_TTL = 30
# RFC 7050 section 8.2: the addresses by which a host finds the NAT64 prefix.
IPV4ONLY = (
    Record(name="ipv4only.arpa", type="A", value="192.0.0.170"),
    Record(name="ipv4only.arpa", type="A", value="192.0.0.171"),
)


def zone_files(spec: AuthoritySpec) -> dict[str, tuple[str, str]]:
    """Return (file name, content) by apex, for the zones asked for, `ipv4only.arpa` and the root.

    The root is there so that a name of no zone is answered at once, with NXDOMAIN and a SOA.
    ValueError for a record that falls into none of them: it would silently never be served.
    """
    apexes = [_plain(zone) for zone in spec.zones]
    records = list(spec.records)
    if not any(_plain(record.name) == "ipv4only.arpa" for record in records):
        records += IPV4ONLY
        apexes.append("ipv4only.arpa")
    contents: dict[str, list[Record]] = {apex: [] for apex in [*apexes, ""]}
    for record in records:
        apex = _apex(record, contents)
        if not apex:
            raise ValueError(f"{record.name}: in none of the zones {', '.join(spec.zones)}")
        contents[apex].append(record)
    return {
        apex or ".": (f"{apex or 'root'}.zone", _zone(apex, of, spec.listen))
        for apex, of in contents.items()
    }


def _zone(apex: str, records: Sequence[Record], listen: Sequence[Address]) -> str:
    origin, server = f"{apex}.", f"ns.{apex}." if apex else "ns."
    lines = [
        f"$TTL {TTL}",
        f"{origin} IN SOA {server} hostmaster.{server[3:]} 1 3600 600 86400 {NEGATIVE_TTL}",
        f"{origin} IN NS {server}",
    ]
    lines += [f"{server} IN {'A' if a.version == 4 else 'AAAA'} {a}" for a in listen]
    lines += [f"{_plain(r.name)}. IN {r.type} {_value(r)}" for r in records]
    return "\n".join([*lines, ""])


def _value(record: Record) -> str:
    return f"{_plain(record.value)}." if record.type in ("PTR", "CNAME", "NS") else record.value


def _apex(record: Record, apexes: dict[str, list[Record]]) -> str:
    name = _plain(record.name)
    fitting = [apex for apex in apexes if apex and (name == apex or name.endswith(f".{apex}"))]
    return max(fitting, key=len, default="")


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
