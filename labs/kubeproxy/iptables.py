"""kube-proxy's iptables mode, as iptables-nft puts it into the kernel: tables `nat` and `filter`.

Written from `pkg/proxy/iptables/proxier.go` (syncProxyRules): chain names, their order and that of the
rules. Matches are nft's own (`fib ... type local` for addrtype, `numgen` for statistic), since the
xtables modules are not everywhere.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from dataplane.model.address import Address
from dataplane.model.topology import ProxySpec, ServiceRule
from labs.kubeproxy.words import (
    MASQUERADE_MARK,
    PROTOCOLS,
    Words,
    at_home,
    chain,
    is_external,
    socket,
)

HASH_LENGTH = 16

_NAT = """\
table {ip} nat {{
  chain KUBE-MARK-MASQ {{
    meta mark set meta mark or {mark:#x}
  }}
  chain KUBE-POSTROUTING {{
    meta mark and {mark:#x} != {mark:#x} return
    meta mark set meta mark xor {mark:#x}
    masquerade fully-random comment "kubernetes service traffic requiring SNAT"
  }}
{chains}
  chain PREROUTING {{
    type nat hook prerouting priority dstnat; policy accept;
    jump KUBE-SERVICES comment "kubernetes service portals"
  }}
  chain OUTPUT {{
    type nat hook output priority -100; policy accept;
    jump KUBE-SERVICES comment "kubernetes service portals"
  }}
  chain POSTROUTING {{
    type nat hook postrouting priority srcnat; policy accept;
    jump KUBE-POSTROUTING comment "kubernetes postrouting rules"
  }}
}}
"""
_FILTER = """\
table {ip} filter {{
{chains}
  chain KUBE-FORWARD {{
    ct state invalid drop
    meta mark and {mark:#x} == {mark:#x} accept comment "kubernetes forwarding rules"
    ct state related,established accept comment "kubernetes forwarding conntrack rule"
  }}
  chain INPUT {{
    type filter hook input priority filter; policy accept;
    ct state new jump KUBE-EXTERNAL-SERVICES comment "kubernetes externally-visible service portals"
  }}
  chain FORWARD {{
    type filter hook forward priority filter; policy accept;
    jump KUBE-FORWARD comment "kubernetes forwarding rules"
    ct state new jump KUBE-SERVICES comment "kubernetes service portals"
    ct state new jump KUBE-EXTERNAL-SERVICES comment "kubernetes externally-visible service portals"
  }}
  chain OUTPUT {{
    type filter hook output priority filter; policy accept;
    ct state new jump KUBE-SERVICES comment "kubernetes service portals"
  }}
}}
"""


@dataclass(slots=True, kw_only=True)
class _Chains:
    """The rules of the chains that all services share, and the chains of each."""

    services: list[str] = field(default_factory=list)
    node_ports: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    empty_external: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)


def chain_name(kind: str, *parts: str) -> str:
    """Return a chain's name: KUBE-, kind, 16 base32 digits of the SHA-256 (`portProtoHash`)."""
    digest = base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()
    return f"KUBE-{kind}-{digest[:HASH_LENGTH]}"


def table(version: int, rules: Sequence[ServiceRule], proxy: ProxySpec) -> str:
    """Return the tables of one family on one node."""
    words = Words.of(version, proxy)
    chains = _Chains()
    for rule in rules:
        for protocol in PROTOCOLS:
            _port(chains, words, rule, protocol, proxy)
    # Only IPv4 has NodePorts on the loopback address (localhostNodePorts).
    loopback = "ip6 daddr != ::1 " if version == 6 else ""
    chains.services.append(f"{loopback}fib daddr type local jump KUBE-NODEPORTS")
    nat = [
        *chains.own,  # nft wants a chain to be there before it is jumped to
        chain("KUBE-NODEPORTS", *chains.node_ports),
        chain("KUBE-SERVICES", *chains.services),
    ]
    sieve = [
        chain("KUBE-SERVICES", *chains.empty),
        chain("KUBE-EXTERNAL-SERVICES", *chains.empty_external),
    ]
    of = {"ip": words.ip, "mark": MASQUERADE_MARK}
    return _NAT.format(chains="\n".join(nat), **of) + _FILTER.format(chains="\n".join(sieve), **of)


def _port(
    chains: _Chains, words: Words, rule: ServiceRule, protocol: str, proxy: ProxySpec
) -> None:
    """Write one port of a service with one protocol, as syncProxyRules does."""
    of = (f"{rule.name}:{rule.port}", protocol)
    service, external, local = (chain_name(kind, *of) for kind in ("SVC", "EXT", "SVL"))
    near = at_home(rule, proxy.namespace)
    cluster_ip = f"{words.ip} daddr {rule.address} {protocol} dport {rule.port}"
    balancers = [f"{words.ip} daddr {v} {protocol} dport {rule.port}" for v in rule.load_balancer]
    node_port = [] if rule.node_port is None else [f"{protocol} dport {rule.node_port}"]
    if not rule.endpoints or (rule.local and not near):
        target = "drop" if rule.endpoints else "reject"
        at_node = [f"fib daddr type local {match}" for match in node_port]
        chains.empty_external += [f"{match} {target}" for match in (*balancers, *at_node)]
    if not rule.endpoints:
        chains.empty.append(f"{cluster_ip} reject")
        return
    chains.services.append(f"{cluster_ip} jump {service}")
    hidden = ""
    if proxy.masquerade_all:
        hidden = f"{cluster_ip} jump KUBE-MARK-MASQ"
    elif words.not_local:
        hidden = f"{cluster_ip} {words.not_local} jump KUBE-MARK-MASQ"
    for endpoint in rule.endpoints:
        name = chain_name("SEP", *of, socket(endpoint, rule.target_port))
        back = f"{words.ip} saddr {endpoint} jump KUBE-MARK-MASQ"  # hairpin
        there = f"meta l4proto {protocol} dnat to {socket(endpoint, rule.target_port)}"
        chains.own.append(chain(name, back, there))
    chains.own.append(chain(service, hidden, *_choice(of, rule.endpoints, rule.target_port)))
    if is_external(rule):
        if rule.local and near:
            chains.own.append(chain(local, *_choice(of, near, rule.target_port)))
        onward = (local if near else "") if rule.local else service
        chains.own.append(chain(external, *_external(words, rule, service, onward)))
        chains.services += [f"{match} jump {external}" for match in balancers]
        chains.node_ports += [f"{match} jump {external}" for match in node_port]


def _external(words: Words, rule: ServiceRule, service: str, onward: str) -> list[str]:
    """Return the rules for what comes to a service from outside, by its policy."""
    last = f"jump {onward}" if onward else ""
    if not rule.local:
        return ["jump KUBE-MARK-MASQ", last]
    return [
        f"{words.local} jump {service}" if words.local else "",
        "fib saddr type local jump KUBE-MARK-MASQ",
        f"fib saddr type local jump {service}",
        last,
    ]


def _choice(of: tuple[str, str], endpoints: Sequence[Address], port: int) -> list[str]:
    """Return a rule per endpoint, each taking its share of what the ones before it have left."""
    rules = []
    for number, endpoint in enumerate(endpoints):
        left = len(endpoints) - number
        share = f"numgen random mod {left} 0 " if left > 1 else ""
        rules.append(f"{share}jump {chain_name('SEP', *of, socket(endpoint, port))}")
    return rules
