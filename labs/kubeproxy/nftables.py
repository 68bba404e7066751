"""kube-proxy's nftables mode: table `kube-proxy`, verdict maps, a chain per service and endpoint.

Written from `pkg/proxy/nftables/proxier.go` (setupNFTables, syncProxyRules): names, hooks, priorities,
the order of rules, and the name hash of 8 base32 digits.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
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

HASH_LENGTH = 8
BASE_LENGTH = 80  # a chain's name has room for 127 octets

_BASE = """\
  comment "rules for kube-proxy"
  chain mark-for-masquerade {{
    meta mark set meta mark or {mark:#x}
  }}
  chain masquerading {{
    meta mark and {mark:#x} == 0 return
    meta mark set meta mark xor {mark:#x}
    masquerade fully-random
  }}
  chain reject-chain {{
    reject
  }}
  chain services {{
    {ip} daddr . meta l4proto . th dport vmap @service-ips
    {ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
  }}
  chain nat-prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }}
  chain nat-output {{
    type nat hook output priority -100; policy accept;
    jump services
  }}
  chain nat-postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    jump masquerading
  }}
  chain service-endpoints-check {{
    {ip} daddr . meta l4proto . th dport vmap @no-endpoint-services
  }}
  chain nodeport-endpoints-check {{
    {ip} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
  }}
  chain cluster-ips-check {{
    {ip} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
  }}
  chain filter-forward {{
    type filter hook forward priority filter; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain filter-input {{
    type filter hook input priority filter; policy accept;
    ct state new jump nodeport-endpoints-check
    ct state new jump service-endpoints-check
  }}
  chain filter-output {{
    type filter hook output priority filter; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
"""


@dataclass(slots=True, kw_only=True)
class _Maps:
    """The elements of the sets and verdict maps, and the chains that they lead to."""

    services: list[str] = field(default_factory=list)
    node_ports: list[str] = field(default_factory=list)
    empty_services: list[str] = field(default_factory=list)
    empty_node_ports: list[str] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)


def chain_name(kind: str, base: str) -> str:
    """Return a chain's name: kind, 8 base32 digits of the base's SHA-256, base (`hashAndTruncate`)."""
    digest = base64.b32encode(hashlib.sha256(base.encode()).digest()).decode()[:HASH_LENGTH]
    # A rule's name is foreign text: only what nft reads as one word may stay in it.
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "/_-.") else "." for c in base)
    return f"{kind}-{digest}-{plain[:BASE_LENGTH]}"


def table(version: int, rules: Sequence[ServiceRule], proxy: ProxySpec) -> str:
    """Return the table of one family on one node."""
    words = Words.of(version, proxy)
    maps = _Maps()
    for rule in rules:
        for protocol in PROTOCOLS:
            _port(maps, words, rule, protocol, proxy)
    by_service = f"{words.address_type} . inet_proto . inet_service : verdict"
    by_port = "inet_proto . inet_service : verdict"
    addresses = sorted({rule.address for rule in rules})
    return "\n".join(
        [
            f"table {words.ip} kube-proxy {{",
            _BASE.format(ip=words.ip, mark=MASQUERADE_MARK),
            _set("set", "cluster-ips", words.address_type, map(str, addresses)),
            _set("set", "nodeport-ips", words.address_type, map(str, words.nodes)),
            _set("map", "service-ips", by_service, maps.services),
            _set("map", "service-nodeports", by_port, maps.node_ports),
            _set("map", "no-endpoint-services", by_service, maps.empty_services),
            _set("map", "no-endpoint-nodeports", by_port, maps.empty_node_ports),
            *maps.chains,
            "}",
            "",
        ]
    )


def _port(maps: _Maps, words: Words, rule: ServiceRule, protocol: str, proxy: ProxySpec) -> None:
    """Write one port of a service with one protocol, as syncProxyRules does."""
    base = f"{rule.name}/{protocol}/{rule.port}"
    service, external, local = (chain_name(kind, base) for kind in ("service", "external", "local"))
    near = at_home(rule, proxy.namespace)
    cluster_ip = f"{rule.address} . {protocol} . {rule.port}"
    balancers = [f"{vip} . {protocol} . {rule.port}" for vip in rule.load_balancer]
    node_port = [] if rule.node_port is None else [f"{protocol} . {rule.node_port}"]
    if not rule.endpoints:
        maps.empty_services += [f"{key} : goto reject-chain" for key in (cluster_ip, *balancers)]
        maps.empty_node_ports += [f"{key} : goto reject-chain" for key in node_port]
        return
    maps.services.append(f"{cluster_ip} : goto {service}")
    asked = f"{words.ip} daddr {rule.address} {protocol} dport {rule.port}"
    hidden = ""
    if proxy.masquerade_all:
        hidden = f"{asked} jump mark-for-masquerade"
    elif words.not_local:
        hidden = f"{asked} {words.not_local} jump mark-for-masquerade"
    maps.chains.append(chain(service, hidden, _choice(base, rule.endpoints, rule.target_port)))
    if is_external(rule):
        maps.services += [f"{key} : goto {external}" for key in balancers]
        maps.node_ports += [f"{key} : goto {external}" for key in node_port]
        if rule.local and not near:
            maps.empty_services += [f"{key} : drop" for key in balancers]
            maps.empty_node_ports += [f"{key} : drop" for key in node_port]
        onward = (local if near else "") if rule.local else service
        maps.chains.append(chain(external, *_external(words, rule, service, onward)))
        if rule.local and near:
            maps.chains.append(chain(local, _choice(base, near, rule.target_port)))
    for endpoint in rule.endpoints:
        maps.chains.append(
            chain(
                _endpoint(base, endpoint, rule.target_port),
                f"{words.ip} saddr {endpoint} jump mark-for-masquerade",  # hairpin
                f"meta l4proto {protocol} dnat to {socket(endpoint, rule.target_port)}",
            )
        )


def _external(words: Words, rule: ServiceRule, service: str, onward: str) -> list[str]:
    """Return the rules for what comes to a service from outside, by its policy."""
    last = f"goto {onward}" if onward else ""
    if not rule.local:
        return ["jump mark-for-masquerade", last]
    pods = f'{words.local} goto {service} comment "short-circuit pod traffic"'
    return [
        pods if words.local else "",
        'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
        f'fib saddr type local goto {service} comment "short-circuit local traffic"',
        last,
    ]


def _choice(base: str, endpoints: Sequence[Address], port: int) -> str:
    names = (_endpoint(base, endpoint, port) for endpoint in endpoints)
    choice = ", ".join(f"{number} : goto {name}" for number, name in enumerate(names))
    return f"numgen random mod {len(endpoints)} vmap {{ {choice} }}"


def _endpoint(base: str, endpoint: Address, port: int) -> str:
    return chain_name("endpoint", f"{base}__{endpoint}/{port}".replace(":", "."))


def _set(kind: str, name: str, type_: str, elements: Iterable[str]) -> str:
    listed = ", ".join(elements)
    body = f"\n    elements = {{ {listed} }}" if listed else ""
    return f"  {kind} {name} {{\n    type {type_}{body}\n  }}"
