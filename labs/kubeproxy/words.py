"""What the rules of both modes say in the same words of nft."""

from dataclasses import dataclass

from dataplane.model.address import Address
from dataplane.model.topology import ProxySpec, ServiceRule

PROTOCOLS = ("tcp", "udp")
MASQUERADE_MARK = 0x4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One family's words: `ip`, `ip6`, and how a packet of a pod is told from others.

    `local` and `not_local` are empty where nothing tells them.
    """

    ip: str
    address_type: str
    local: str
    not_local: str
    nodes: tuple[Address, ...]

    @classmethod
    def of(cls, version: int, proxy: ProxySpec) -> "Words":
        """Return the words of a family on a node; the first CIDR of a family is the one that counts."""
        ip = "ip" if version == 4 else "ip6"
        cidr = next((c for c in proxy.local_cidrs if c.version == version), None)
        local, other = "", ""
        if cidr is not None:
            local, other = f"{ip} saddr {cidr}", f"{ip} saddr != {cidr}"
        elif proxy.local_interface:
            name = proxy.local_interface
            local, other = f'iifname "{name}"', f'iifname != "{name}"'
        return cls(
            ip=ip,
            address_type="ipv4_addr" if version == 4 else "ipv6_addr",
            local=local,
            not_local=other,
            nodes=tuple(a for a in proxy.addresses if a.version == version),
        )


def at_home(rule: ServiceRule, node: str) -> tuple[Address, ...]:
    """Return the endpoints of a service that are on this node."""
    pairs = zip(rule.endpoints, rule.homes, strict=False)
    return tuple(endpoint for endpoint, home in pairs if home == node)


def is_external(rule: ServiceRule) -> bool:
    """Tell whether a service has a way in from outside."""
    return rule.node_port is not None or bool(rule.load_balancer)


def socket(address: Address, port: int) -> str:
    """Return address and port as `dnat to` wants them."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def chain(name: str, *rules: str) -> str:
    """Return a chain with its rules, empty ones left out."""
    body = "".join(f"\n    {rule}" for rule in rules if rule)
    return f"  chain {name} {{{body}\n  }}"
