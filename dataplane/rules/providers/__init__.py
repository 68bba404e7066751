"""What the providers' and network plugins' extensions add to Gardener's rules, one file each."""

from dataplane.model.problem import Problem
from dataplane.rules.providers import aws, azure, gcp, openstack
from dataplane.rules.providers.networking import Networking, overlay

__all__ = ["PROVIDERS", "networking", "overlay"]

_RULES = {
    "aws": aws.networking,
    "azure": azure.networking,
    "gcp": gcp.networking,
    "openstack": openstack.networking,
}
PROVIDERS = tuple(_RULES)


def networking(provider: str, given: Networking) -> list[Problem]:
    """Check `spec.networking` as the provider's extension does; others than PROVIDERS have no rule."""
    rules = _RULES.get(provider)
    return rules(given) if rules else []
