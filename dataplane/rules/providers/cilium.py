"""Cilium's NetworkConfig: gardener-extension-networking-cilium.

Source: `pkg/apis/cilium/validation/networkconfig.go`.
"""

from re import fullmatch

from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules.fielderror import advice, quoted
from dataplane.rules.providers.plugins import choice, is_address, is_subdomain, refused

TUNNELS = ("vxlan", "geneve", "disabled")
STORES = ("kubernetes",)
LOAD_BALANCING = ("snat", "dsr", "hybrid")
_DEVICE = "[^/\\s]{1,15}"
_LONGEST_DEVICE = 15  # IFNAMSIZ - 1


def values(
    path: str, tunnel: str | None, store: str | None, load_balancing: str | None
) -> list[Problem]:
    """Check the fields with a few values each; `path` is that of the NetworkConfig."""
    return [
        *choice(_below(path, "tunnel"), tunnel, "tunnel", TUNNELS),
        *choice(_below(path, "store"), store, "store", STORES),
        *choice(
            _below(path, "loadBalancingMode"), load_balancing, "loadBalancingMode", LOAD_BALANCING
        ),
    ]


def mtu(path: str, value: int) -> list[Problem]:
    """Check `mtu`."""
    if value >= 0:
        return []
    remedy = "leave it out: cilium finds the MTU of the network itself"
    return [refused(path, value, "mtu must be a positive integer", remedy)]


def device(path: str, name: str) -> list[Problem]:
    """Check the name of a network interface (ValidateDevice)."""
    if not name:
        detail = "device name cannot be empty"
    elif len(name) > _LONGEST_DEVICE:
        detail = f"device name cannot be longer than {_LONGEST_DEVICE} characters"
    elif not fullmatch(_DEVICE, name):
        detail = f"device name must match the pattern {quoted(_DEVICE)}"
    else:
        return []
    return [refused(path, name, detail, "write the name of an interface, such as eth0")]


def kube_proxy(path: str, host: str | None, port: int | None) -> list[Problem]:
    """Check where cilium finds the API server without kube-proxy."""
    problems = []
    if host is not None and not is_address(host) and not is_subdomain(host):
        detail = "serviceHost is neither a valid IP address nor a valid domain name"
        remedy = "write an address such as 2001:db8::1, without brackets, or a DNS name"
        problems.append(refused(f"{path}.k8sServiceHost", host, detail, remedy))
    if port is not None and not 1 <= port <= 65535:
        detail = f"servicePort must be between 1 and 65535, got {port}"
        problems.append(refused(f"{path}.k8sServicePort", port, detail, "write 443, mostly"))
    return problems


def encryption(path: str, mode: str | None, *, enabled: bool, strict: bool) -> list[Problem]:
    """Check `encryption`: strict mode needs WireGuard."""
    if not enabled or not strict or mode == "wireguard":
        return []
    detail = "strict mode can only be used with wireguard as encyption mode"
    return [refused(f"{path}.mode", mode or "", detail, "write mode: wireguard")]


def family_switch(path: str, family: str, *, enabled: bool, used: bool) -> list[Problem]:
    """Warn where `ipv4.enabled` or `ipv6.enabled` differs from the Shoot's ipFamilies."""
    if enabled == used:
        return []
    has = "has" if used else "does not have"
    detail = f"is {str(enabled).lower()}, but the Shoot {has} {family} in ipFamilies"
    remedy = "leave it out: the extension takes the families from the Shoot"
    return [advice(path, detail, source=Source.PROVIDER, remedy=remedy)]


def masquerade(path: str) -> Problem:
    """Say that the addresses of pods will not be seen outside."""
    detail = "the pods' IPv6 addresses are translated on their way out of the cluster"
    remedy = "leave it out (false): pods with global addresses need no translation"
    return advice(path, detail, source=Source.SEED, severity=Severity.INFO, remedy=remedy)


def tunnel(path: str, mode: str) -> Problem:
    """Warn of a tunnel under IPv6."""
    detail = (
        f"{mode} is an overlay, made for scarce IPv4; with IPv6 every pod can be routed natively"
    )
    remedy = "write overlay.enabled: false and tunnel: disabled"
    return advice(path, detail, source=Source.SEED, remedy=remedy)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
