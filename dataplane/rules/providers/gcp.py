"""GCP: gardener-extension-provider-gcp, `pkg/apis/gcp/validation`."""

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import invalid
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers.networking import (
    Networking,
    native_routing,
    no_single_ipv6,
    nodes_required,
)
from dataplane.rules.providers.ranges import inside

EXPANDED_ONLY = "worker CIDR blocks can only be expanded"


def networking(given: Networking) -> list[Problem]:
    """Check the networking of a Shoot on GCP."""
    return [
        *nodes_required(given, "GCP"),
        *no_single_ipv6(given),
        *native_routing(given),
    ]


def no_ipv6_range(found: Range) -> list[Problem]:
    """Check that nobody brings an IPv6 range: Google's pool is the only one."""
    if found.network.version == 4:
        return []
    detail = "GCP assigns IPv6 ranges from its own pool, none can be brought along"
    remedy = "write the IPv4 range, or leave the field out"
    return [invalid(found.path, found.text, detail, source=Source.PROVIDER, remedy=remedy)]


def workers_update(new: Range, old: Range) -> list[Problem]:
    """Check that the nodes' subnet contains what it was before."""
    if not inside(new, (old,)):
        return []
    remedy = f"use a range that contains {old.text}"
    return [invalid(new.path, new.text, EXPANDED_ONLY, source=Source.PROVIDER, remedy=remedy)]
