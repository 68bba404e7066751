"""Azure: gardener-extension-provider-azure, `pkg/apis/azure/validation`, which has no IPv6 at all."""

from ipaddress import IPv6Network

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice, forbidden
from dataplane.rules.gardener.cidrs import Range
from dataplane.rules.providers.networking import (
    Networking,
    Overlay,
    families_refused,
    no_single_ipv6,
    nodes_required,
)

_LOCAL = IPv6Network("fc00::/7")


def networking(given: Networking) -> list[Problem]:
    """Check the networking of a Shoot on Azure."""
    problems = nodes_required(given, "Azure")
    if given.type == "calico" and given.overlay is Overlay.ON:
        path = f"{given.path}.providerConfig.overlay.enabled"
        detail = "Calico overlay network is not supported on azure"
        remedy = f"set {path} to false"
        problems.append(forbidden(path, detail, source=Source.PROVIDER, remedy=remedy))
    problems += no_single_ipv6(given)
    if len(given.families or ()) > 1:
        remedy = "use [IPv4]; provider azure has no IPv6 yet"
        detail = "dual-stack networking is not supported"
        problems.append(families_refused(given, detail, remedy))
    return problems


def local_range(found: Range) -> list[Problem]:
    """Warn of a global IPv6 range: Azure translates all external traffic, so it stays local."""
    network = found.network
    if not isinstance(network, IPv6Network) or network.subnet_of(_LOCAL):
        return []
    detail = "is no local range (fc00::/7), but Azure translates all external IPv6 traffic"
    remedy = "use a unique local range (RFC 4193) such as fd12:3456:789a::/48"
    return [advice(found.path, detail, source=Source.SEED, remedy=remedy)]
