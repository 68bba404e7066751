"""What the infrastructure providers' extensions add to Gardener's rules.

Source: gardener-extension-provider-{aws,gcp}, `pkg/apis/*/validation/shoot.go` (overlay), and the
proposal "IPv6 for Gardener", section "Stay away from overlay routing".
"""

from collections.abc import Sequence

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice, invalid

NO_OVERLAY = frozenset({"aws", "gcp"})


def overlay(path: str, enabled: object, families: Sequence[Family], provider: str) -> list[Problem]:
    """Check `providerConfig.overlay.enabled`: IPv6 and an overlay do not go together."""
    if enabled is not True or Family.IPV6 not in families:
        return []
    remedy = f"set {path} to false"
    if provider in NO_OVERLAY:
        detail = "overlay must be set to false in conjunction with IPv6"
        return [invalid(path, enabled, detail, source=Source.PROVIDER, remedy=remedy)]
    detail = "an overlay was made for scarce IPv4; with IPv6 every pod can be routed natively"
    return [advice(path, detail, remedy=remedy, source=Source.SEED)]
