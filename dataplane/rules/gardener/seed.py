"""`spec.networks` of a Seed: `pkg/api/core/validation/seed.go`, and its first release with IPv6.

Today a Shoot's IPv4 ranges may equal its Seed's, and IPv6 ranges may not: they are not mapped on
their way through the VPN. v1.63 kept all ranges apart, and had one VPN network, of IPv4.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules.fielderror import advice, invalid, quoted
from dataplane.rules.gardener import disjoint, ipfamilies, reserved
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.gocidr import GoCIDR, parse_address, parse_cidr
from dataplane.rules.sloppy import mask_length

SHORTEST_SERVICES = 8  # bits; kube-apiserver's mapping range 240.0.0.0/8 has this length
KINDS = {
    "pods": "pod",
    "services": "service",
    "nodes": "node",
    "shootDefaults.pods": "pod",
    "shootDefaults.services": "service",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedNetworks:
    """What `spec.networks` says; None where a pointer is nil, "" where a text is empty.

    `default_pods` and `default_services` are those of `shootDefaults`.
    """

    pods: str = ""
    services: str = ""
    nodes: str | None = None
    default_pods: str | None = None
    default_services: str | None = None
    families: tuple[str, ...] = ()

    def written(self, path: str) -> list[tuple[str, str]]:
        """Return the path and the text of every range that is set, in upstream's order."""
        values = (self.pods, self.services, self.nodes, self.default_pods, self.default_services)
        return [
            (f"{path}.{name}", text)
            for name, text in zip(KINDS, values, strict=True)
            if text is not None
        ]


def defaulted(networks: SeedNetworks) -> SeedNetworks:
    """Return the networks with what the API server fills in (`setDefaults_SeedNetworks`)."""
    return networks if networks.families else replace(networks, families=(Family.IPV4,))


def check(
    path: str, networks: SeedNetworks, *, profile: str = "current", gate: bool = True
) -> list[Problem]:
    """Check `spec.networks` at `path`; profile `gep21` is v1.63, `gate` its IPv6SingleStack."""
    where = f"{path}.ipFamilies"
    problems = ipfamilies.check(where, networks.families, profile=profile, gate=gate)
    if problems:
        return problems
    families = tuple(Family(name) for name in networks.families) or (Family.IPV4,)
    ranges, problems = disjoint.read(networks.written(path))
    problems += disjoint.wrong_family(ranges, families)
    if profile == "gep21":
        vpn = Range(
            path="[]",  # how Go prints the path without a name that upstream gave it
            text=str(reserved.VPN_V1_63.network),
            value=parse_cidr(str(reserved.VPN_V1_63.network)),
        )
        return [*problems, *disjoint.overlaps(ranges), *disjoint.apart(vpn, ranges)]
    services = [one for one in ranges if one.path == f"{path}.services"]
    problems = [*_too_large(services), *problems]
    return problems or _overlaps(path, ranges)


def check_update(path: str, new: SeedNetworks, old: SeedNetworks) -> list[Problem]:
    """Check what may not change: everything but nodes that were not set, and shootDefaults."""
    shown = disjoint.go_families(new.families)
    problems = disjoint.immutable(f"{path}.ipFamilies", new.families, old.families, shown=shown)
    problems += disjoint.immutable(f"{path}.pods", new.pods, old.pods)
    problems += disjoint.immutable(f"{path}.services", new.services, old.services)
    if old.nodes is not None:
        problems += disjoint.immutable(f"{path}.nodes", new.nodes, old.nodes)
    return problems


def blocked(path: str, texts: Sequence[str]) -> list[Problem]:
    """Check `blockCIDRs`, which upstream takes as they are until it makes a NetworkPolicy of them."""
    problems = []
    for index, text in enumerate(texts):
        where = f"{path}[{index}]"
        value = _parsed(text)
        if value is None:
            detail = (
                f"{quoted(text[:63])} is no CIDR; nobody refuses it, and nothing is blocked by it"
            )
            problems.append(advice(where, detail, remedy=_instead(text)))
        elif not value.canonical:
            detail = f"{quoted(text[:63])} has host bits set; {value.network} is blocked"
            problems.append(advice(where, detail, remedy=f"write {value.network}"))
    return problems


def scheduling(path: str, families: Sequence[str]) -> list[Problem]:
    """Say what the families of a Seed mean for its Shoots, where they are not the ordinary ones."""
    if tuple(families) != (Family.IPV6,):
        return []
    detail = "this Seed is for Shoots with ipFamilies [IPv6]; the scheduler does not look at it"
    remedy = (
        "keep other Shoots away with a label on the Seed and seedSelector in their CloudProfile"
    )
    hint = advice(path, detail, remedy=remedy, source=Source.SEED, severity=Severity.INFO)
    return [hint]


def _too_large(services: Sequence[Range]) -> list[Problem]:
    return [
        invalid(
            one.path,
            str(one.network),
            f"cannot be larger than /{SHORTEST_SERVICES}",
            remedy=f"write a length of {SHORTEST_SERVICES} or more",
        )
        for one in services
        if one.family is Family.IPV4 and mask_length(one.text) < SHORTEST_SERVICES
    ]


def _overlaps(path: str, ranges: Sequence[Range]) -> list[Problem]:
    """Check that ranges are disjoint, once each of them is as it should be."""
    defaults = f"{path}.shootDefaults."
    own = [one for one in ranges if not one.path.startswith(defaults)]
    of_shoots = [one for one in ranges if one.path.startswith(defaults)]
    four, six = ([one for one in of_shoots if one.family is family] for family in Family)
    problems = [*disjoint.overlaps(own), *disjoint.overlaps(four), *disjoint.overlaps(six)]
    for one in own:
        problems += disjoint.apart(one, six)
    for one in ranges:
        kind = KINDS[one.path.removeprefix(f"{path}.")]
        problems += reserved.overlap(one.path, kind, one.text, one.network)
    return problems


def _instead(text: str) -> str:
    """Return what to write: a single address needs only its length."""
    try:
        address = parse_address(text)
    except ValueError:
        return "write a CIDR such as 169.254.169.254/32 or fd00:ec2::254/128"
    return f"write {address}/{address.max_prefixlen}"


def _parsed(text: str) -> GoCIDR | None:
    try:
        return parse_cidr(text)
    except ValueError:
        return None
