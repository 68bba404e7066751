"""What the network plugins' extensions share: closed lists of values, and small syntax checks.

Source: gardener-extension-networking-{calico,cilium}, `pkg/apis/*/validation/networkconfig.go`.
"""

from collections.abc import Sequence
from re import fullmatch

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import advice, invalid, quoted
from dataplane.rules.gocidr import parse_address, parse_cidr
from dataplane.rules.pathmtu import IPV6_MIN_MTU

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def choice(path: str, value: str | None, name: str, supported: Sequence[str]) -> list[Problem]:
    """Check that a value is one of a few; `name` is what the extension calls the field."""
    if value is None or value in supported:
        return []
    listed = ", ".join(quoted(one) for one in supported)
    detail = f"unsupported value {quoted(value)} for {name}, supported values are [{listed}]"
    remedy = f"write {' or '.join(supported)}, in exactly this case"
    return [refused(path, value, detail, remedy)]


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address (`net.ParseIP`)."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """Tell whether a text is a CIDR (`net.ParseCIDR`)."""
    try:
        parse_cidr(text)
    except ValueError:
        return False
    return True


def is_subdomain(text: str) -> bool:
    """Tell whether a text is a DNS subdomain (RFC 1123), as Kubernetes wants it."""
    labels = text.split(".")
    return len(text) <= 253 and all(fullmatch(_LABEL, label) for label in labels)


def small_mtu(path: str, mtu: int) -> list[Problem]:
    """Warn of an MTU that IPv6 does not work with."""
    if not 0 < mtu < IPV6_MIN_MTU:
        return []
    detail = f"IPv6 needs an MTU of {IPV6_MIN_MTU} or more (RFC 8200)"
    remedy = f"use {IPV6_MIN_MTU} or more, or leave the field out"
    return [advice(path, detail, remedy=remedy)]


def refused(path: str, value: object, detail: str, remedy: str) -> Problem:
    """Return the extension's error about a value."""
    return invalid(path, value, detail, source=Source.PROVIDER, remedy=remedy)
