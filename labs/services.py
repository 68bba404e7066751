"""ClusterIP services as kube-proxy's nftables mode writes them (kubernetes/pkg/proxy/nftables).

The shape is kept, not only the effect: table `kube-proxy` per family, one verdict map for all
service addresses, a chain per service and per endpoint, mark 0x4000 for what has to be
masqueraded (hairpin), the name hash of 8 base32 digits. What reads a node must find here what it
finds there.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence

from dataplane.model.address import Address
from dataplane.model.topology import ServiceRule

PROTOCOLS = ("tcp", "udp")
MASQUERADE_MARK = 0x4000
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
    {family} daddr . meta l4proto . th dport vmap @service-ips
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
    {family} daddr . meta l4proto . th dport vmap @no-endpoint-services
  }}
  chain cluster-ips-check {{
    {family} daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
  }}
  chain filter-forward {{
    type filter hook forward priority -110; policy accept;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }}
  chain filter-output {{
    type filter hook output priority -110; policy accept;
    ct state new jump service-endpoints-check
  }}
  chain filter-output-post-dnat {{
    type filter hook output priority -90; policy accept;
    ct state new jump cluster-ips-check
  }}
"""


def render_services(rules: Iterable[ServiceRule]) -> str:
    """Return the `kube-proxy` tables for these services, TCP and UDP alike, one per family in use."""
    by_version: dict[int, list[ServiceRule]] = {}
    for rule in rules:
        by_version.setdefault(rule.address.version, []).append(rule)
    return "\n".join(_table(version, of) for version, of in sorted(by_version.items()))


def chain_name(kind: str, base: str) -> str:
    """Return a chain's name: kind, 8 base32 digits of the base's SHA-256, base (`hashAndTruncate`)."""
    digest = base64.b32encode(hashlib.sha256(base.encode()).digest()).decode()[:HASH_LENGTH]
    # A rule's name is foreign text: only what nft reads as one word may stay in it.
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "/_-.") else "." for c in base)
    return f"{kind}-{digest}-{plain[:BASE_LENGTH]}"


def _table(version: int, rules: Sequence[ServiceRule]) -> str:
    family = "ip" if version == 4 else "ip6"
    type_ = "ipv4_addr" if version == 4 else "ipv6_addr"
    key = f"{type_} . inet_proto . inet_service : verdict"
    served, empty, chains = [], [], []
    for rule in rules:
        for protocol in PROTOCOLS:
            where = f"{rule.address} . {protocol} . {rule.port}"
            if rule.endpoints:
                chain = chain_name("service", _base(rule, protocol))
                served.append(f"{where} : goto {chain}")
                chains.append(_chains(family, chain, rule, protocol))
            else:
                empty.append(f"{where} : goto reject-chain")
    addresses = sorted({rule.address for rule in rules})
    return "\n".join(
        [
            f"table {family} kube-proxy {{",
            _BASE.format(family=family, mark=MASQUERADE_MARK),
            _set("set", "cluster-ips", type_, map(str, addresses)),
            _set("map", "service-ips", key, served),
            _set("map", "no-endpoint-services", key, empty),
            *chains,
            "}",
            "",
        ]
    )


def _set(kind: str, name: str, type_: str, elements: Iterable[str]) -> str:
    listed = ", ".join(elements)
    body = f"\n    elements = {{ {listed} }}" if listed else ""
    return f"  {kind} {name} {{\n    type {type_}{body}\n  }}"


def _chains(family: str, chain: str, rule: ServiceRule, protocol: str) -> str:
    names = [
        chain_name("endpoint", f"{_base(rule, protocol)}__{endpoint}/{rule.target_port}")
        for endpoint in rule.endpoints
    ]
    choice = ", ".join(f"{number} : goto {name}" for number, name in enumerate(names))
    text = [f"  chain {chain} {{", f"    numgen random mod {len(names)} vmap {{ {choice} }}", "  }"]
    for name, endpoint in zip(names, rule.endpoints, strict=True):
        text += [
            f"  chain {name} {{",
            f"    {family} saddr {endpoint} jump mark-for-masquerade",  # hairpin
            f"    meta l4proto {protocol} dnat to {_socket(endpoint, rule.target_port)}",
            "  }",
        ]
    return "\n".join(text)


def _base(rule: ServiceRule, protocol: str) -> str:
    return f"{rule.name}/{protocol}/{rule.port}"


def _socket(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
