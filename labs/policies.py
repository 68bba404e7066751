"""NetworkPolicies on a node, as an engine enforces them: at the pods' interfaces, in nftables.

What comes from a pod's interface is what the pod sends, what leaves by it is what it gets. Packets
that belong to an allowed connection, and errors about it (Packet Too Big among them), pass; so does
what the node itself sends to its pods. Neighbour discovery is never forwarded, and dropped by no
rule here.
"""

from collections import defaultdict
from collections.abc import Iterable

from dataplane.model.address import Family
from dataplane.model.policy import Direction
from dataplane.model.topology import PolicyFilter, PolicySpec, Topology

TABLE = "sixscope-policy"
DISCOVERY = (
    "nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect"
)
SIDES = {Direction.EGRESS: ("iifname", "daddr"), Direction.INGRESS: ("oifname", "saddr")}


def policies_by_node(topology: Topology) -> dict[str, str]:
    """Return the table of every node that has policies to enforce."""
    specs: defaultdict[str, list[PolicySpec]] = defaultdict(list)
    for spec in topology.policies:
        specs[spec.namespace].append(spec)
    return {node: render(of) for node, of in specs.items()}


def render(specs: Iterable[PolicySpec]) -> str:
    """Return the table of one node."""
    base: list[str] = []
    chains: list[str] = []
    for number, spec in enumerate(specs):
        chain = f"{spec.direction}-{number}"
        base += _jumps(spec, chain)
        chains.append(_chain(spec, chain))
    listed = "\n    ".join(base)
    return "\n".join(
        (
            f"table inet {TABLE} {{",
            *chains,
            "  chain forward {",
            "    type filter hook forward priority filter; policy accept;",
            "    ct state established,related accept",
            f"    icmpv6 type {{ {DISCOVERY} }} accept",
            f"    {listed}",
            "  }",
            "}",
            "",
        )
    )


def _jumps(spec: PolicySpec, chain: str) -> list[str]:
    """Return what leads to a chain: one rule for both families, or one for each that is enforced."""
    interface, _ = SIDES[spec.direction]
    jump = f'{interface} "{spec.interface}" jump {chain}'
    if set(spec.families) == set(Family):
        return [jump]
    return [f"meta nfproto {family.lower()} {jump}" for family in spec.families]


def _chain(spec: PolicySpec, name: str) -> str:
    """Return a chain that lets through what is allowed, and what a pod sends to itself."""
    itself = f'iifname "{spec.interface}" oifname "{spec.interface}" return'
    allowed = (f"{_match(found, spec)}return" for found in spec.allowed)
    body = "\n    ".join((itself, *allowed, "counter drop"))
    return f"  chain {name} {{\n    {body}\n  }}"


def _match(found: PolicyFilter, spec: PolicySpec) -> str:
    """Return what a filter lets through in nft's words, with a space behind them."""
    _, side = SIDES[spec.direction]
    words = []
    if found.network is not None:
        ip = "ip" if found.network.version == 4 else "ip6"
        words.append(f"{ip} {side} {found.network}")
        if found.exceptions:
            words.append(f"{ip} {side} != {{ {', '.join(map(str, found.exceptions))} }}")
    if found.protocol and found.first is None:
        words.append(f"meta l4proto {found.protocol}")
    elif found.protocol:
        last = "" if found.last in {None, found.first} else f"-{found.last}"
        words.append(f"{found.protocol} dport {found.first}{last}")
    return "".join(f"{word} " for word in words)
