"""Calico's NetworkConfig: gardener-extension-networking-calico.

Sources: `pkg/apis/calico/validation/networkconfig.go`, and `charts/utils.go`, which refuses a few
more values when the plugin is deployed: those are errors here too, since no cluster comes of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dataplane.model.address import Family
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules.fielderror import advice, forbidden, quoted
from dataplane.rules.providers.plugins import (
    choice,
    is_address,
    is_cidr,
    is_subdomain,
    refused,
    small_mtu,
)

BACKENDS = ("bird", "none", "vxlan")
IPAM_TYPES = ("calico-ipam", "host-local")
POOLS = ("ipip", "vxlan")
MODES = ("Always", "Never", "CrossSubnet", "Off")
_VXLAN_MODES = ("Always", "Never")
_METHODS = (
    "can-reach",
    "cidr",
    "first-found",
    "interface",
    "kubernetes-internal-ip",
    "skip-interface",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """`ipv4` or `ipv6` of a NetworkConfig, at `path`."""

    path: str
    pool: str | None = None
    mode: str | None = None
    autodetection: str | None = None


def pool(given: Pool) -> list[Problem]:
    """Check pool, mode and autodetection of either family (ValidateNetworkConfigIPV4/IPV6)."""
    where = f"{given.path}.mode"
    problems = choice(f"{given.path}.pool", given.pool, "pool", POOLS)
    problems += choice(where, given.mode, "mode", MODES)
    if given.pool == "vxlan" and given.mode is not None and given.mode not in _VXLAN_MODES:
        name = f"mode with pool {quoted('vxlan')}"
        problems += choice(where, given.mode, name, _VXLAN_MODES)
    if given.autodetection:
        problems += autodetection(f"{given.path}.autoDetectionMethod", given.autodetection)
    return problems


def ipv6_pool(given: Pool) -> list[Problem]:
    """Check what only the IPv6 pool refuses, and warn where it makes an overlay."""
    problems = []
    if given.pool == "ipip":
        detail = "unsupported value for ipv6 pool: ipip"
        problems.append(refused(f"{given.path}.pool", given.pool, detail, "write vxlan"))
    if given.mode == "Off":
        detail = "unsupported value for ipv6 mode: Off"
        problems.append(refused(f"{given.path}.mode", given.mode, detail, "write Never"))
    if given.mode in {"Always", "CrossSubnet"}:
        detail = "an IPv6 overlay: the pods' packets travel inside VXLAN"
        remedy = "write Never (the default): with IPv6 every pod can be routed natively"
        path = f"{given.path}.mode"
        problems.append(advice(path, detail, source=Source.SEED, remedy=remedy))
    return problems


def family_used(path: str, family: Family, families: Sequence[str]) -> list[Problem]:
    """Check that the section of a family at `path` stands in a cluster of that family."""
    if family in families:
        return []
    detail = (
        f"{family} configuration must not be specified if Shoot doesn't use {family} networking"
    )
    remedy = f"remove this section, or add {family} to ipFamilies"
    return [forbidden(path, detail, source=Source.PROVIDER, remedy=remedy)]


def ipam(path: str, kind: str | None, cidr: str | None, families: Sequence[str]) -> list[Problem]:
    """Check `ipam`; without a Shoot the families are unknown, and empty."""
    where = f"{path}.type"
    problems = choice(where, kind or None, "type", IPAM_TYPES)
    if kind == "calico-ipam" and Family.IPV6 in families:
        detail = (
            'IPAM type "calico-ipam" is only supported for IPv4 single-stack shoots, '
            'use "host-local" instead'
        )
        problems.append(refused(where, kind, detail, "write host-local, or leave ipam out"))
    if cidr is not None and cidr.lower() != "usepodcidr":
        problems += _cidr(f"{path}.cidr", cidr)
    return problems


def autodetection(path: str, method: str) -> list[Problem]:
    """Check how a node finds its own address (ValidateIPAutoDetectionMethod)."""
    option, equals, parameter = method.partition("=")
    if option == "cidr" and parameter:
        return _cidr(path, parameter)
    detail = _undetected(method, option, parameter if equals else None)
    remedy = "write for example first-found, interface=eth.* or can-reach=2001:db8::1"
    return [refused(path, method, detail, remedy)] if detail else []


def _undetected(method: str, option: str, parameter: str | None) -> str | None:
    """Return what is wrong with a method of autodetection, None when it is fine."""
    detail = None
    if not method:
        detail = "method cannot be empty"
    elif option not in _METHODS:
        listed = " ".join(_METHODS)
        detail = f"invalid option {quoted(option)}, supported options are [{listed}]"
    elif option in {"first-found", "kubernetes-internal-ip"}:
        if parameter is not None:
            detail = f"option {option} does not take a parameter"
    elif not parameter:
        detail = f"option {option} requires a parameter"
    elif option == "can-reach":
        if not is_address(parameter) and not is_subdomain(parameter):
            detail = "parameter for can-reach must be a valid IP address or DNS name"
    else:
        try:
            re.compile(parameter)
        except (re.error, OverflowError, RecursionError) as error:
            detail = f"invalid regex for option {option}: {error}"
    return detail


def veth_mtu(path: str, mtu: str, families: Sequence[str]) -> list[Problem]:
    """Check `vethMTU`, a number written as a text (IsValidMTU)."""
    remedy = 'write a number in quotes, such as "1440"'
    if not mtu:
        return [refused(path, mtu, "MTU cannot be empty", remedy)]
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", mtu):
        detail = f"invalid MTU: strconv.Atoi: parsing {quoted(mtu)}: invalid syntax"
        return [refused(path, mtu, detail, remedy)]
    if int(mtu) < 0:
        return [refused(path, mtu, "MTU must be a positive integer", remedy)]
    return small_mtu(path, int(mtu)) if Family.IPV6 in families else []


def masquerade(path: str, why: str) -> Problem:
    """Say that the addresses of pods will not be seen outside."""
    detail = f"{why}: the pods' IPv6 addresses are translated on their way out of the cluster"
    remedy = "leave it out where pods have global addresses; it is meant for local ones (fd00::/8)"
    return advice(path, detail, source=Source.SEED, severity=Severity.INFO, remedy=remedy)


def two_allocators(path: str, keyword: str) -> Problem:
    """Warn that a keyword and the plugin's own IPAM both decide about the pods' addresses."""
    detail = f"the pods' range is {quoted(keyword)}, and the plugin's own IPAM says otherwise"
    remedy = "write pods: custom and configure the plugin, or leave ipam out"
    return advice(path, detail, source=Source.SEED, remedy=remedy)


def _cidr(path: str, text: str) -> list[Problem]:
    if is_cidr(text):
        return []
    detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    return [refused(path, text, detail, "write a range such as 10.0.0.0/8 or 2001:db8::/48")]
