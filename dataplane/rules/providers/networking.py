"""`spec.networking` as the infrastructure providers see it: `ValidateNetworking`.

Source: gardener-extension-provider-{aws,azure,gcp,openstack}, `pkg/apis/*/validation/shoot.go`, and
the proposal "IPv6 for Gardener", section "Stay away from overlay routing". What the four have in
common stands here, which of it each of them applies in the provider's own file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import GoLiteral, advice, invalid, quoted, required

NO_OVERLAY = frozenset({"aws", "gcp"})
_NO_OVERLAY_WITH_IPV6 = "overlay must be set to false in conjunction with IPv6"


class Overlay(StrEnum):
    """What `providerConfig.overlay` says; UNSET where there is no such key at all."""

    UNSET = "unset"
    OFF = "off"
    ON = "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Networking:
    """A `networking` section at `path`; `families` is None where ipFamilies is not written."""

    path: str
    type: str | None = None
    nodes: str | None = None
    families: tuple[str, ...] | None = None
    overlay: Overlay = Overlay.UNSET

    @property
    def single_ipv6(self) -> bool:
        """Tell whether the only family is IPv6 (`core.IsIPv6SingleStack`)."""
        return self.families == (Family.IPV6,)


def overlay(path: str, enabled: object, families: Sequence[Family], provider: str) -> list[Problem]:
    """Check `providerConfig.overlay.enabled`: IPv6 and an overlay do not go together."""
    if enabled is not True or Family.IPV6 not in families:
        return []
    remedy = f"set {path} to false"
    if provider in NO_OVERLAY:
        detail = _NO_OVERLAY_WITH_IPV6
        return [invalid(path, enabled, detail, source=Source.PROVIDER, remedy=remedy)]
    detail = "an overlay was made for scarce IPv4; with IPv6 every pod can be routed natively"
    return [advice(path, detail, remedy=remedy, source=Source.SEED)]


def nodes_required(given: Networking, name: str) -> list[Problem]:
    """Check that `nodes` is set; `name` is the provider's as its extension spells it."""
    if given.nodes is not None:
        return []
    detail = f"a nodes CIDR must be provided for {name} shoots"
    remedy = "write the range that the nodes' subnets are cut from, such as 10.250.0.0/16"
    path = f"{given.path}.nodes"
    return [required(path, detail, source=Source.PROVIDER, remedy=remedy)]


def no_single_ipv6(given: Networking) -> list[Problem]:
    """Check that IPv6 is not the only family."""
    if not given.single_ipv6:
        return []
    remedy = "this provider has no IPv6-only clusters yet; use [IPv4, IPv6], or aws"
    return [families_refused(given, "IPv6 single-stack networking is not supported", remedy)]


def native_routing(given: Networking) -> list[Problem]:
    """Check that IPv6 comes without an overlay, and that the manifest says so."""
    if Family.IPV6 not in (given.families or ()):
        return []
    if given.overlay is Overlay.UNSET:
        remedy = f"write {given.path}.providerConfig.overlay.enabled: false"
        return [families_refused(given, _NO_OVERLAY_WITH_IPV6, remedy)]
    path = f"{given.path}.providerConfig.overlay.enabled"
    return overlay(path, given.overlay is Overlay.ON, (Family.IPV6,), "aws")


def families_refused(given: Networking, detail: str, remedy: str) -> Problem:
    """Return the error that these families do not go."""
    families = GoLiteral(f"[{','.join(quoted(name) for name in given.families or ())}]")
    path = f"{given.path}.ipFamilies"
    return invalid(path, families, detail, source=Source.PROVIDER, remedy=remedy)
