"""The spec of a DNSRecord: `pkg/api/extensions/validation/dnsrecord.go`.

Today A and AAAA take addresses of either family, v1.63 took only their own. What GEP-21 says of
AAAA beyond that is advice.
"""

from dataclasses import dataclass
from ipaddress import IPv6Address
from re import compile as regex

from dataplane.model.address import Address
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules import names
from dataplane.rules.fielderror import (
    GoLiteral,
    advice,
    invalid,
    not_supported,
    quoted,
    required,
)
from dataplane.rules.gardener import changes, disjoint
from dataplane.rules.gardener.changes import Field
from dataplane.rules.gocidr import parse_address
from dataplane.rules.sloppy import parse_sloppy_address

RECORD_TYPES = ("A", "AAAA", "CNAME", "TXT")
LONGEST_TTL = (1 << 31) - 1  # seconds; RFC 2181, section 8
_WIDTHS = {"A": 4, "AAAA": 6}
_SUFFIXED = regex(r".*[-.](aaaa|ipv6|ip6|v6|6)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSpec:
    """What the rules are about; None where a pointer is nil, else empty where it is not set."""

    type: str = ""
    secret: str = ""
    secret_namespace: str = ""
    region: str | None = None
    zone: str | None = None
    name: str = ""
    record_type: str = ""
    values: tuple[str, ...] = ()
    ttl: int | None = None
    extension_class: str | None = None
    provider_config: object = None


def check(path: str, spec: RecordSpec, *, profile: str = "current") -> list[Problem]:
    """Check the spec at `path`; profile `gep21` is v1.63."""
    first_release = profile == "gep21"
    unit = "characters" if first_release else "bytes"
    problems = []
    for where, text, remedy in (
        (f"{path}.type", spec.type, "name the DNS provider, such as aws-route53 or local"),
        (f"{path}.secretRef.name", spec.secret, "name the Secret with the provider's credentials"),
    ):
        if not text:
            problems.append(required(where, "field is required", remedy=remedy))
    for where, given in ((f"{path}.region", spec.region), (f"{path}.zone", spec.zone)):
        if given is not None and not given:
            detail = "field cannot be empty if specified"
            problems.append(invalid(where, given, detail, remedy="leave it out, or fill it in"))
    prefix = "_" if spec.record_type == "TXT" else "*."
    problems += names.qualified(f"{path}.name", spec.name.removeprefix(prefix), unit=unit)
    if spec.record_type not in RECORD_TYPES:
        where, remedy = f"{path}.recordType", "write A for IPv4 and AAAA for IPv6 addresses"
        problems.append(not_supported(where, spec.record_type, RECORD_TYPES, remedy=remedy))
    where = f"{path}.values"
    if not spec.values:
        remedy = "write the addresses, the other name, or the texts of the record"
        problems.append(required(where, "field is required", remedy=remedy))
    if spec.record_type == "CNAME" and len(spec.values) > 1:
        shown = GoLiteral(f"[]string{{{', '.join(map(quoted, spec.values))}}}")
        detail = "CNAME records must have a single value"
        problems.append(invalid(where, shown, detail, remedy="keep one value"))
    for index, value in enumerate(spec.values):
        where = f"{path}.values[{index}]"
        problems += _value(where, spec.record_type, value, first_release=first_release)
    return [*problems, *_ttl(f"{path}.ttl", spec.ttl, first_release=first_release)]


def check_update(
    path: str, new: RecordSpec, old: RecordSpec, *, deleted: bool, profile: str = "current"
) -> list[Problem]:
    """Check what may not change; nothing at all where the object is being deleted."""
    lines = changes.differences(_fields(new, old)) if deleted else []
    if lines:
        what = (
            "shoot" if profile == "gep21" else "dns record"
        )  # upstream's own slip, corrected later
        return changes.while_deleted(path, what, lines)
    return [
        *disjoint.immutable(f"{path}.type", new.type, old.type),
        *disjoint.immutable(f"{path}.name", new.name, old.name),
        *disjoint.immutable(f"{path}.recordType", new.record_type, old.record_type),
    ]


def families(path: str, spec: RecordSpec) -> list[Problem]:
    """Warn of values of the other family, which upstream lets pass: A is IPv4, AAAA is IPv6."""
    version = _WIDTHS.get(spec.record_type)
    if version is None:
        return []
    problems = []
    other = "AAAA" if spec.record_type == "A" else "A"
    for index, text in enumerate(spec.values):
        address = _address(text)
        if address is None:
            continue
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        if address.version == version and mapped is None:
            continue
        if version == 4 and mapped is not None:
            detail, remedy = f"{text} is an IPv4 address in IPv6 notation", f"write {mapped}"
        else:
            held = "an IPv4" if address.version == 4 or mapped else "an IPv6"
            detail = f"{spec.record_type} holds IPv{version} addresses, and {text} is {held} one"
            remedy = f"write an IPv{version} address, or make another record, of type {other}"
        problems.append(
            advice(f"{path}.values[{index}]", detail, remedy=remedy, source=Source.SEED)
        )
    return problems


def object_name(path: str, name: str, record_type: str) -> list[Problem]:
    """Say that an AAAA record's object needs a name of its own, beside the A record's (GEP-21)."""
    if record_type != "AAAA" or names.subdomain(name) or _SUFFIXED.fullmatch(name):
        return []
    detail = "an A record for the same domain would be called the same"
    remedy = f"put a suffix to the AAAA record's object, such as {name}-aaaa"
    hint = advice(path, detail, remedy=remedy, source=Source.SEED, severity=Severity.INFO)
    return [hint]


def _value(path: str, record_type: str, value: str, *, first_release: bool) -> list[Problem]:
    if record_type == "CNAME":
        unit = "characters" if first_release else "bytes"
        return names.qualified(path, value, unit=unit)
    version = _WIDTHS.get(record_type)
    if version is None:
        return []
    remedy = f"write an IPv{version} address, without brackets, zone or length"
    if not first_release:
        detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return [] if _address(value) else [invalid(path, value, detail, remedy=remedy)]
    try:
        address: Address | None = parse_sloppy_address(value)
    except ValueError:
        address = None
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    if address is not None and (4 if mapped else address.version) == version:
        return []
    return [invalid(path, value, f"must be a valid IPv{version} address", remedy=remedy)]


def _ttl(path: str, ttl: int | None, *, first_release: bool) -> list[Problem]:
    if ttl is None or 0 <= ttl <= LONGEST_TTL or (first_release and ttl >= 0):
        return []
    detail = f"must be between 0 and {LONGEST_TTL}, inclusive"
    if first_release:
        detail = "must be greater than or equal to 0"
    return [invalid(path, ttl, detail, remedy="write a number of seconds, such as 120")]


def _address(text: str) -> Address | None:
    try:
        return parse_address(text)
    except ValueError:
        return None


def _fields(new: RecordSpec, old: RecordSpec) -> list[Field]:
    kinds = {
        "DefaultSpec.Type": ("type", None),
        "DefaultSpec.Class": ("extension_class", "v1alpha1.ExtensionClass"),
        "DefaultSpec.ProviderConfig": ("provider_config", "runtime.RawExtension"),
        "SecretRef.Name": ("secret", None),
        "SecretRef.Namespace": ("secret_namespace", None),
        "Region": ("region", "string"),
        "Zone": ("zone", "string"),
        "Name": ("name", None),
        "RecordType": ("record_type", None),
        "Values": ("values", None),
        "TTL": ("ttl", "int64"),
    }
    return [
        Field(name=name, new=getattr(new, key), old=getattr(old, key), pointer=pointer)
        for name, (key, pointer) in kinds.items()
    ]
