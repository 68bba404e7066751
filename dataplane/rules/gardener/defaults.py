"""What Gardener fills into a Shoot: SetDefaults_Networking, ShootMutator's defaultShootNetworks."""

from collections.abc import Mapping, Sequence

from dataplane.model.address import family_of
from dataplane.rules import rfc4193
from dataplane.rules.gardener import ipfamilies
from dataplane.rules.gocidr import parse_cidr

SERVICES_LENGTH = 112  # of the range that a workerless Shoot with IPv6 gets


def families(written: Sequence[str]) -> tuple[str, ...]:
    """Return `ipFamilies` with its default."""
    return tuple(written) or ipfamilies.DEFAULT


def ranges(
    written: Mapping[str, str | None],
    shoot_defaults: Mapping[str, str | None],
    ip_families: Sequence[str],
    *,
    workerless: bool,
    key: bytes,
) -> dict[str, str | None]:
    """Return `pods` and `services` as the seed's `shootDefaults` complete them; None: left unset.

    A workerless Shoot with IPv6 has no infrastructure that could assign a range: it gets a unique
    local one. Gardener draws it at random; here `key` chooses, so that it can be repeated.
    """
    found = {}
    for kind in ("pods", "services"):
        found[kind], default = written.get(kind), shoot_defaults.get(kind)
        needed = found[kind] is None and not (kind == "pods" and workerless)
        if needed and default is not None and matches(default, ip_families):
            found[kind] = default
    if found["services"] is None and workerless and "IPv6" in ip_families:
        found["services"] = str(rfc4193.prefix(key, length=SERVICES_LENGTH))
    return found


def ranges_v1_63(
    written: Mapping[str, str | None], shoot_defaults: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Return the same as the first release with GEP-21 did it: whatever the families are."""
    return {
        kind: shoot_defaults.get(kind) if written.get(kind) is None else written.get(kind)
        for kind in ("pods", "services")
    }


def matches(cidr: str, ip_families: Sequence[str]) -> bool:
    """Tell whether a CIDR is of one of the families (`cidrMatchesIPFamily`)."""
    try:
        return family_of(parse_cidr(cidr).address) in ip_families
    except ValueError:
        return False
